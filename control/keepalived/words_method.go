package keepalived

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"lvsdr/conntrack"
)

// A Forwarding is the forwarding method of a server: lvs_method and its tunnel. The zero
// Forwarding is Direct Routing.
type Forwarding struct {
	Kind   conntrack.Method // Direct, Masquerade, IPIP, GRE or GUE
	Tunnel conntrack.Tunnel // of GRE and GUE
}

// DR, NAT and TUN are the words of the methods.
const (
	wordDR  = "DR"
	wordNAT = "NAT"
	wordTUN = "TUN"
)

// ownPort reports whether a server reached by f may have another port than its service.
func (f Forwarding) ownPort() bool { return f.Kind == conntrack.Masquerade }

// tunnels reports whether packets get to a server in a tunnel, so that its address may
// be of another family than the service's.
func (f Forwarding) tunnels() bool {
	return f.Kind == conntrack.IPIP || f.Kind == conntrack.GRE || f.Kind == conntrack.GUE
}

// word is the method without its tunnel.
func (f Forwarding) word() string {
	switch {
	case f.tunnels():
		return wordTUN
	case f.Kind == conntrack.Masquerade:
		return wordNAT
	}
	return wordDR
}

// String is f as lvs_method has it, such as TUN type gue port 6080 csum.
func (f Forwarding) String() string {
	words := []string{f.word()}
	if f.Kind == conntrack.GRE || f.Kind == conntrack.GUE {
		words = append(words, "type", f.Kind.String())
	}
	if f.Kind == conntrack.GUE {
		words = append(words, "port", strconv.Itoa(int(f.Tunnel.Port)))
	}
	if f.Tunnel.Sum != conntrack.NoSum {
		words = append(words, f.Tunnel.Sum.String())
	}
	return strings.Join(words, " ")
}

// tunnelKinds are the tunnels by their words.
var tunnelKinds = []conntrack.Method{conntrack.IPIP, conntrack.GRE, conntrack.GUE}

// parseForwarding reads the words behind lvs_method. Like keepalived it takes a word
// several times, of which the last counts, and the words of a tunnel behind each method.
func parseForwarding(args []string) (f Forwarding, err error) {
	switch args[0] {
	case wordDR, wordNAT, wordTUN:
	default:
		if upper := strings.ToUpper(args[0]); slices.Contains([]string{wordDR, wordNAT, wordTUN}, upper) {
			return f, fmt.Errorf("%q is no forwarding method, upper and lower case count: write %s", args[0], upper)
		}
		return f, fmt.Errorf("%q is no forwarding method: write DR, NAT or TUN", args[0])
	}
	tunnel, err := parseTunnel(args[1:])
	switch {
	case err != nil:
		return f, err
	case args[0] == wordTUN:
		return tunnel, nil
	case args[0] == wordNAT:
		return Forwarding{Kind: conntrack.Masquerade}, nil
	}
	return Forwarding{}, nil
}

// parseTunnel reads the words behind TUN.
func parseTunnel(words []string) (Forwarding, error) {
	f := Forwarding{Kind: conntrack.IPIP}
	for i := 0; i < len(words); i++ {
		word, value := words[i], ""
		if word == "type" || word == "port" {
			if i++; i == len(words) {
				return f, fmt.Errorf("the value of %s is missing", word)
			}
			value = words[i]
		}
		switch word {
		case "type":
			k := slices.IndexFunc(tunnelKinds, func(m conntrack.Method) bool { return m.String() == value })
			if k < 0 {
				return f, fmt.Errorf("%q is no tunnel: write type ipip, type gre or type gue", value)
			}
			f.Kind = tunnelKinds[k]
		case "port":
			n, err := parseNumber(value, 1, 65535)
			if err != nil {
				return f, fmt.Errorf("port: %w", err)
			}
			f.Tunnel.Port = uint16(n)
		case conntrack.NoSum.String():
			f.Tunnel.Sum = conntrack.NoSum
		case conntrack.FullSum.String():
			f.Tunnel.Sum = conntrack.FullSum
		case conntrack.RemoteSum.String():
			f.Tunnel.Sum = conntrack.RemoteSum
		default:
			return f, fmt.Errorf("%q is not understood: a tunnel has type, port, nocsum, csum and remcsum", word)
		}
	}
	return f, f.checkTunnel()
}

// checkTunnel says which setting the tunnel f does not have, or lacks.
func (f Forwarding) checkTunnel() error {
	switch sum := f.Tunnel.Sum; {
	case f.Kind == conntrack.GUE && f.Tunnel.Port == 0:
		return fmt.Errorf("a gue tunnel needs its port: write type gue port 6080")
	case f.Kind != conntrack.GUE && f.Tunnel.Port != 0:
		return fmt.Errorf("only gue tunnels have a port, not %v", f.Kind)
	case f.Kind == conntrack.IPIP && sum != conntrack.NoSum, f.Kind == conntrack.GRE && sum == conntrack.RemoteSum:
		return fmt.Errorf("%v tunnels have no %v", f.Kind, sum)
	}
	return nil
}

// forwarding reads what n says; what is wrong with it is reported by the second value.
// n nil: it is otherwise.
func forwarding(n *Node, otherwise Forwarding) (f Forwarding, wrong string) {
	if n == nil {
		return otherwise, ""
	}
	f, err := parseForwarding(n.Args)
	if err != nil {
		return otherwise, err.Error()
	}
	return f, ""
}

// resolveMethod says how packets get to the servers of d that do not say it themselves.
func (r *reader) resolveMethod(d *serviceDraft) {
	if d.method == nil {
		d.v.Method = Forwarding{Kind: conntrack.Masquerade}
		r.add(d.node, Error, "%s: lb_kind is missing; NAT is used: add `lb_kind DR` if that is meant", d.name())
		return
	}
	f, wrong := forwarding(d.method, Forwarding{})
	if d.v.Method = f; wrong != "" {
		r.leaveOut(d.method, &d.bad, "%s; the service %s is left out", wrong, d.name())
	}
}

// forwards is the method that s has as far as the lines up to here say; a wrong one is
// reported with the server.
func (r *reader) forwards(s *serverDraft) Forwarding {
	service, _ := forwarding(r.vs.method, Forwarding{})
	f, _ := forwarding(s.method, service)
	return f
}

// checkServerFamily leaves out a real server that its service cannot have because of its
// address family. One that is not tunnelled says of which family a service by mark is.
func (r *reader) checkServerFamily(d *serverDraft) {
	is := familyOf(d.s.Addr)
	switch {
	case d.skipped || r.vs.bad || is == r.vs.family || r.forwards(d).tunnels():
	case r.vs.family == 0:
		r.vs.family = is
	case r.vs.v.Addr.IsValid():
		r.leaveOut(d.node, &d.bad, "[%v] is of another address family than its service [%v], which only lvs_method TUN allows; the real server is left out", d.s.Addr, r.vs.v.Addr)
	default:
		r.leaveOut(d.node, &d.bad, "[%v] is of another address family than its service, which is one of %v; only lvs_method TUN allows that; the real server is left out", d.s.Addr, r.vs.family)
	}
}
