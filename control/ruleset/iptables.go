package ruleset

import (
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/dataplane/frame"
)

// iptables reads the text of iptables-save or ip6tables-save.
func (r *reader) iptables(text string) {
	table, n := "", 0
	for line := range strings.Lines(text) {
		n++
		words := split(line)
		switch {
		case len(words) == 0 || words[0][0] == '#' || words[0][0] == ':' || words[0] == "COMMIT":
			continue
		case words[0][0] == '*':
			table = words[0][1:]
			continue
		case words[0][0] == '[': // counters
			words = words[1:]
		}
		if len(words) < 2 || words[0] != "-A" {
			r.remark(n, "%q is not understood", strings.Join(words, " "))
			continue
		}
		u := rule{line: n, chain: table + " " + words[1]}
		u.iptables(words[2:])
		if u.chain != "mangle PREROUTING" && u.chain != "mangle INPUT" {
			u.refuse("packets of clients need not pass through chain %s of table %s", words[1], table)
		}
		r.rules = append(r.rules, u)
	}
}

// split is a line's words; "..." is one, with \ before characters that are no quotes.
func split(line string) []string {
	var all []string
	var word strings.Builder
	in, quoted, escaped := false, false, false
	for _, c := range strings.TrimRight(line, "\r\n") {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\':
			in, escaped = true, true
		case c == '"':
			in, quoted = true, !quoted
		case !quoted && (c == ' ' || c == '\t'):
			if in {
				all = append(all, word.String())
			}
			word.Reset()
			in = false
		default:
			in = true
			word.WriteRune(c)
		}
	}
	if in {
		all = append(all, word.String())
	}
	for i := range all {
		if all[i] == "" {
			all[i] = `""`
		}
	}
	return all
}

// iptables reads the words behind a rule's chain.
func (u *rule) iptables(words []string) {
	for len(words) > 0 {
		name, value := words[0], ""
		if len(words) > 1 {
			value = words[1]
		}
		switch name {
		case "-d", "--destination":
			u.addr(value)
		case "-p", "--protocol":
			u.proto(value)
		case "-m", "--match":
			if !strings.Contains(" tcp udp sctp multiport comment ", " "+value+" ") {
				u.refuse("-m %s: lines look at address, port and protocol alone", value)
			}
		case "--dport", "--destination-port", "--dports", "--destination-ports":
			u.portList(value, ",", ":")
		case "--comment":
		case "-j", "--jump":
			u.target(value)
		case "--set-xmark", "--set-mark":
			u.setMark(value)
		default:
			u.refuse("%s: lines look at address, port and protocol alone", strings.TrimSpace(name+" "+value))
			if value == "" || strings.HasPrefix(value, "-") || name == "!" {
				words = words[1:]
				continue
			}
		}
		words = words[min(2, len(words)):]
	}
}

// target reads what becomes of a rule's packets.
func (u *rule) target(name string) {
	switch name {
	case "MARK":
		u.marks = true
	case "CONNMARK":
		u.marks = true
		u.refuse("CONNMARK: marks of connections are not known here")
	case "LOG", "NFLOG", "":
	default:
		u.ends = true
	}
}

// setMark reads VALUE or VALUE/MASK.
func (u *rule) setMark(s string) {
	value, mask, masked := strings.Cut(s, "/")
	v, err := strconv.ParseUint(value, 0, 32)
	if m, e := strconv.ParseUint(mask, 0, 32); err != nil || masked && (e != nil || m != 1<<32-1) {
		u.refuse("mark %s: a line sets the whole mark", s)
	}
	u.mark = uint32(v)
}

// addr reads one destination, ADDR or ADDR/BITS.
func (u *rule) addr(s string) {
	p, err := netip.ParsePrefix(s)
	if a, e := netip.ParseAddr(s); e == nil {
		p, err = netip.PrefixFrom(a, a.BitLen()), nil
	}
	if err != nil || p.Masked() != p {
		u.refuse("%q is no address of a line", s)
		return
	}
	u.addrs = append(u.addrs, p)
}

// proto reads one protocol, by name or number.
func (u *rule) proto(s string) {
	for _, p := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP} {
		if s == p.String() || s == strconv.Itoa(int(p)) {
			u.protos = append(u.protos, p)
			return
		}
	}
	if s != "all" {
		u.refuse("protocol %s: lines are about tcp, udp and sctp", s)
	}
}

// portList reads ports that are separated by between, and ranges of them with to.
func (u *rule) portList(s, between, to string) {
	for part := range strings.SplitSeq(s, between) {
		from, end, ranged := strings.Cut(strings.TrimSpace(part), to)
		if !ranged {
			end = from
		}
		a, err := strconv.ParseUint(from, 10, 16)
		b, err2 := strconv.ParseUint(end, 10, 16)
		if err != nil || err2 != nil || a > b {
			u.refuse("%q is no port of a line", strings.TrimSpace(part))
			return
		}
		u.ports = append(u.ports, span{uint16(a), uint16(b)})
	}
}
