package sessiontest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lvsdr/bench/scenario"
)

// others have to do with servers that are not reached by Direct Routing:
// commands with -m and -i and later ones about their servers, their lines in
// listings and, where packets went to their services, the counts of those.
type others struct {
	how     How
	sent    bool               // the session has had a packet
	servers map[[2]string]bool // service and server, as they are listed without names
	clients map[string]bool    // whose packets went to services with such servers
}

// note reads a command. It reports whether it is about a server that is not
// reached by Direct Routing, or was not before.
func (o *others) note(args []string) bool {
	var service, server string
	method := false
	for i, a := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		switch a {
		case "-t", "--tcp-service":
			service = "TCP " + canonical(next, "")
		case "-u", "--udp-service":
			service = "UDP " + canonical(next, "")
		case "-f", "--fwmark-service":
			service = "FWM " + next + service
		case "-6":
			service += " IPv6"
		case "-r", "--real-server":
			server = next
		case "-i", "-m", "--ipip", "--masquerading":
			method = true
		}
	}
	if server == "" {
		return method
	}
	_, port, _ := strings.Cut(service, " ")
	if port = port[strings.LastIndex(port, ":")+1:]; strings.HasPrefix(service, "FWM") {
		port = "0"
	}
	key := [2]string{service, canonical(server, port)}
	if method || o.how.Host && itself(key) {
		o.servers[key] = true
	}
	return o.servers[key]
}

// itself reports whether a server has the address of its service.
func itself(key [2]string) bool {
	server, err := netip.ParseAddrPort(key[1])
	if err != nil {
		return false
	}
	_, at, _ := strings.Cut(key[0], " ")
	service, err := netip.ParseAddrPort(at)
	return err == nil && service.Addr() == server.Addr()
}

// has reports whether a service has, or had, such servers.
func (o *others) has(service string) bool {
	for k := range o.servers {
		if k[0] == service {
			return true
		}
	}
	return false
}

// canonical is an address with its port, or with the one given, without names.
func canonical(s, port string) string {
	s = strings.NewReplacer("localhost", "127.0.0.1", "vip1", "10.0.0.1", "rs1", "10.2.0.11", "rs2", "10.2.0.12", ":https", ":443", ":http", ":80", ":www", ":80", ":domain", ":53").Replace(s)
	if a, err := netip.ParseAddr(s); err == nil && port != "" {
		return netip.MustParseAddrPort(netip.AddrPortFrom(a, 1).String()).Addr().String() + ":" + port
	}
	return s
}

// without leaves what has to do with those servers out of a listing.
func (o *others) without(text string) string {
	var b strings.Builder
	service := ""
	for line := range strings.Lines(text) {
		if words := strings.Fields(canonical(line, "")); !o.leaves(words, &service) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// leaves reports whether a line of a listing is left out. service is the one that
// servers belong to.
func (o *others) leaves(words []string, service *string) bool {
	switch {
	case len(words) < 2:
		return false
	case len(words) == 6 && len(words[1]) == len("mm:ss") && words[1][2] == ':': // a connection
		client := words[3][:strings.LastIndex(words[3], ":")]
		return o.clients[client] || o.has(words[0]+" "+words[4])
	case slices.Contains([]string{"TCP", "UDP", "SCTP", "FWM"}, words[0]):
		*service = words[0] + " " + words[1]
		if len(words) > 2 && words[2] == "IPv6" {
			*service += " IPv6"
		}
		return o.packets() && o.has(*service)
	case words[0] == "->":
		return o.servers[[2]string{*service, words[1]}] || o.packets() && o.has(*service)
	case words[0] == "-a":
		k := others{servers: map[[2]string]bool{}}
		k.note(append(slices.Clone(words), "-m"))
		for key := range k.servers {
			return o.servers[key]
		}
	}
	return false
}

// packets reports whether packets went to such services: all counts of them are
// others then.
func (o *others) packets() bool { return len(o.clients) > 0 }

// packet compares what became of a packet.
func (o *others) packet(want, got *scenario.Op) (left bool, diff string) {
	if want.Op != "pkt" {
		return false, ""
	}
	o.sent = true
	service := fmt.Sprintf("%s %s", strings.ToUpper(want.Proto), netip.AddrPortFrom(want.Dst, want.DPort))
	if want.Mark != 0 {
		if service = fmt.Sprintf("FWM %d", want.Mark); want.Dst.Is6() {
			service += " IPv6"
		}
	}
	if o.has(service) {
		o.clients[want.Src.String()], o.clients["["+want.Src.String()+"]"] = true, true
		return true, ""
	}
	if !o.how.Host && want.To != got.To && !strings.HasPrefix(want.To, "proto:") { // that was not understood by the recorder
		diff = fmt.Sprintf("to %s, recorded %s", got.To, want.To)
	}
	return false, diff
}
