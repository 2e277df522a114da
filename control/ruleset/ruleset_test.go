package ruleset

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// told is a result as text: the marks, then the remarks.
func told(r *Result) string {
	var b strings.Builder
	for _, m := range r.Marks {
		fmt.Fprintf(&b, "%d: %s\n", m.Line, strings.TrimPrefix(m.String(), "lvsdr_mark "))
	}
	for _, m := range r.Remarks {
		fmt.Fprintf(&b, "%d: not said: %s\n", m.Line, m.Text)
	}
	return b.String()
}

// mangle is iptables-save's text with these rules of mangle PREROUTING, from line 3 on.
func mangle(rules ...string) string {
	return "*mangle\n:PREROUTING ACCEPT [0:0]\n" + strings.Join(rules, "\n") + "\nCOMMIT\n"
}

// table is nft's text with these rules of a chain, from line 4 on.
func table(rules ...string) string {
	return "table ip mangle {\n\tchain PREROUTING {\n\t\ttype filter hook prerouting priority mangle; policy accept;\n\t\t" + strings.Join(rules, "\n\t\t") + "\n\t}\n}\n"
}

func TestRules(t *testing.T) {
	const web, mark = "-A PREROUTING -d 192.0.2.1/32 -p tcp -m tcp --dport 80 ", "-j MARK --set-xmark 0x1/0xffffffff"
	const nweb = "ip daddr 192.0.2.1 tcp dport 80 "
	for _, tt := range []struct{ name, in, want string }{
		{"iptables: a port", mangle(web + mark), "3: 1 192.0.2.1 80 tcp\n"},
		{"iptables: with counters before it", mangle("[12:3456] " + web + mark), "3: 1 192.0.2.1 80 tcp\n"},
		{"iptables: a comment with blanks and quotes", mangle(web + `-m comment --comment "the \"web\" -j DROP" ` + mark), "3: 1 192.0.2.1 80 tcp\n"},
		{"iptables: a plain mark", mangle(web + "-j MARK --set-mark 7"), "3: 7 192.0.2.1 80 tcp\n"},
		{"iptables: ports", mangle("-A PREROUTING -d 192.0.2.1/32 -p udp -m multiport --dports 53,5060:5070 " + mark), "3: 1 192.0.2.1 53 udp\n3: 1 192.0.2.1 5060-5070 udp\n"},
		{"iptables: every port", mangle("-A PREROUTING -d 192.0.2.1/32 -p sctp " + mark), "3: 1 192.0.2.1 0 sctp\n"},
		{"iptables: every protocol", mangle("-A INPUT -d 192.0.2.0/30 " + mark), "3: 1 192.0.2.0/30 0 tcp\n3: 1 192.0.2.0/30 0 udp\n3: 1 192.0.2.0/30 0 sctp\n"},
		{"iptables: port 0 alone", mangle("-A PREROUTING -d 192.0.2.1/32 -p tcp --dport 0 " + mark), "3: 1 192.0.2.1 0-0 tcp\n"},
		{"iptables: IPv6", mangle("-A PREROUTING -d 2001:db8::1/128 -p tcp --dport 80 " + mark), "3: 1 2001:db8::1 80 tcp\n"},
		{"iptables: a part of a mark", mangle(web + "-j MARK --set-xmark 0x1/0xff"), "3: not said: mark 0x1/0xff: a line sets the whole mark\n"},
		{"iptables: no mark", mangle(web + "-j MARK --set-mark 0"), "3: not said: mark 0 takes a mark away\n"},
		{"iptables: bits are added", mangle(web + "-j MARK --or-mark 4"), "3: not said: --or-mark 4: lines look at address, port and protocol alone\n"},
		{"iptables: an interface", mangle("-A PREROUTING -i eth0 -d 192.0.2.1/32 " + mark), "3: not said: -i eth0: lines look at address, port and protocol alone\n"},
		{"iptables: a source", mangle(web + "-s 10.0.0.0/8 " + mark), "3: not said: -s 10.0.0.0/8: lines look at address, port and protocol alone\n"},
		{"iptables: another match", mangle(web + "-m conntrack --ctstate NEW " + mark), "3: not said: -m conntrack: lines look at address, port and protocol alone\n"},
		{"iptables: not an address", mangle("-A PREROUTING ! -d 192.0.2.1/32 " + mark), "3: not said: ! -d: lines look at address, port and protocol alone\n"},
		{"iptables: no address", mangle("-A PREROUTING -p tcp --dport 80 " + mark), "3: not said: it names no destination address; write a line for each virtual address\n"},
		{"iptables: ICMP", mangle("-A PREROUTING -d 192.0.2.1/32 -p icmp " + mark), "3: not said: protocol icmp: lines are about tcp, udp and sctp\n"},
		{"iptables: marks of connections", mangle("-A PREROUTING -j CONNMARK --restore-mark"), "3: not said: CONNMARK: marks of connections are not known here\n"},
		{"iptables: the host's own packets", mangle("-A OUTPUT -d 192.0.2.1/32 -p tcp --dport 80 " + mark), "3: not said: packets of clients need not pass through chain OUTPUT of table mangle\n"},
		{"iptables: a chain of its own", mangle("-A marks -d 192.0.2.1/32 " + mark), "3: not said: packets of clients need not pass through chain marks of table mangle\n"},
		{"iptables: a decision before it", mangle("-A PREROUTING -s 10.0.0.0/8 -j ACCEPT", web+mark), "4: 1 192.0.2.1 80 tcp\n3: not said: it sets no mark, but decides which packets the rules after it see\n"},
		{"iptables: decisions elsewhere", "*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\nCOMMIT\n" + mangle(web+mark), "6: 1 192.0.2.1 80 tcp\n"},
		{"iptables: the last rule counts", mangle("-A PREROUTING -d 192.0.2.1/32 -p tcp --dport 80:90 -j MARK --set-mark 1", "-A PREROUTING -d 192.0.2.1/32 -p tcp --dport 85 -j MARK --set-mark 2"), "3: 1 192.0.2.1 80-84 tcp\n3: 1 192.0.2.1 86-90 tcp\n4: 2 192.0.2.1 85 tcp\n"},
		{"iptables: a rule about some addresses of another", mangle("-A PREROUTING -d 192.0.2.0/30 -p tcp -j MARK --set-mark 1", web+"-j MARK --set-mark 2"), "3: 1 192.0.2.0/30 0 tcp\n4: not said: it is about some of the addresses of line 3; write them one by one\n"},
		{"iptables: another chain about the same", mangle(web+"-j MARK --set-mark 1", strings.Replace(web, "PREROUTING", "INPUT", 1)+"-j MARK --set-mark 2"), "3: 1 192.0.2.1 80 tcp\n4: not said: line 3, of another chain, is about the same packets\n"},
		{"iptables: too many addresses", mangle("-A PREROUTING -d 10.0.0.0/8 " + mark), "3: not said: 10.0.0.0/8 is more than 4096 addresses\n"},
		{"iptables: too many addresses together", mangle("-A PREROUTING -d 10.0.0.0/20 -p tcp "+mark, web+mark), "3: 1 10.0.0.0/20 0 tcp\n4: not said: with it there are more than 4096 addresses\n"},
		{"iptables: a group of hosts", mangle("-A PREROUTING -d 224.0.0.1/32 " + mark), "3: not said: 224.0.0.1 is not the address of one host\n"},
		{"iptables: a line that is none", mangle("rubbish"), `3: not said: "rubbish" is not understood` + "\n"},

		{"nft: a port", table(nweb + "meta mark set 0x00000001"), "4: 1 192.0.2.1 80 tcp\n"},
		{"nft: counters and a comment", table(nweb + `counter packets 0 bytes 0 meta mark set 0x00000001 comment "drop {"`), "4: 1 192.0.2.1 80 tcp\n"},
		{"nft: sets of addresses, protocols and ports", table("ip daddr { 192.0.2.2, 192.0.2.3 } meta l4proto { tcp, udp } th dport { 53, 60-70 } meta mark set 0x2"), "4: 2 192.0.2.2 53 tcp\n4: 2 192.0.2.2 60-70 tcp\n4: 2 192.0.2.2 53 udp\n4: 2 192.0.2.2 60-70 udp\n4: 2 192.0.2.3 53 tcp\n4: 2 192.0.2.3 60-70 tcp\n4: 2 192.0.2.3 53 udp\n4: 2 192.0.2.3 60-70 udp\n"},
		{"nft: a set over two lines", table("ip daddr { 192.0.2.2,\n 192.0.2.3 } tcp dport 80 mark set 2"), "4: 2 192.0.2.2 80 tcp\n4: 2 192.0.2.3 80 tcp\n"},
		{"nft: a named set", "table ip t {\n\tset vips {\n\t\ttype ipv4_addr\n\t\telements = { 192.0.2.7,\n\t\t\t     192.0.2.8 }\n\t}\n\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tip daddr @vips tcp dport 80 mark set 4\n\t}\n}\n", "10: 4 192.0.2.7 80 tcp\n10: 4 192.0.2.8 80 tcp\n"},
		{"nft: a named set that changes", "table ip t {\n\tset vips {\n\t\ttype ipv4_addr\n\t\tflags dynamic,timeout\n\t}\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tip daddr @vips mark set 4\n\t}\n}\n", "8: not said: @vips: what is in the set may change\n"},
		{"nft: an empty named set", "table ip t {\n\tset vips {\n\t\ttype ipv4_addr\n\t}\n\tchain c {\n\t\ttype filter hook input priority 0; policy accept;\n\t\tip daddr @vips mark set 4\n\t}\n}\n", "7: not said: @vips: the set is empty\n"},
		{"nft: a set that is not there", table("ip daddr @none mark set 4"), "4: not said: @none: what is in the set may change\n"},
		{"nft: IPv6", table("ip6 daddr 2001:db8::1 udp dport 53 meta mark set 0x00000009"), "4: 9 2001:db8::1 53 udp\n"},
		{"nft: an earlier final rule counts", table("ip daddr 192.0.2.1 tcp dport 80-90 mark set 1 accept", "ip daddr 192.0.2.1 tcp dport 85-95 mark set 2"), "4: 1 192.0.2.1 80-90 tcp\n5: 2 192.0.2.1 91-95 tcp\n"},
		{"nft: an interface", table(`iifname "eth0" ` + nweb + "mark set 5"), "4: not said: iifname \"eth0\": lines look at address, port and protocol alone\n"},
		{"nft: bits are added", table(nweb + "meta mark set meta mark | 0x00000008"), "4: not said: mark meta: a line sets the whole mark\n"},
		{"nft: a map", table("meta mark set tcp dport map { 80 : 0x1 }"), "4: not said: mark tcp: a line sets the whole mark\n"},
		{"nft: the mark of a connection", table(nweb + "ct mark set 1"), "4: not said: ct mark: lines look at address, port and protocol alone\n"},
		{"nft: no mark behind the word", table(nweb + "meta mark set"), "4: not said: the mark is missing\n"},
		{"nft: a decision before it", table("ip saddr 10.0.0.0/8 drop", nweb+"mark set 1"), "5: 1 192.0.2.1 80 tcp\n4: not said: it sets no mark, but decides which packets the rules after it see\n"},
		{"nft: a chain without a hook", "table ip t {\n\tchain c {\n\t\t" + nweb + "mark set 1\n\t}\n}\n", "3: not said: chain c of table ip t is not one of the hook prerouting or input\n"},
		{"nft: a service by name", table("ip daddr 192.0.2.1 tcp dport http mark set 1"), `4: not said: "http" is no port of a line` + "\n"},
		{"nft: a line that is none", "table ip t {\n}\nrubbish\n", `3: not said: "rubbish" is not understood` + "\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Read(tt.in)
			if err != nil || told(r) != tt.want {
				t.Errorf("%v\n%swant\n%s", err, told(r), tt.want)
			}
		})
	}
}

func TestRulesAboutOtherThingsAreCounted(t *testing.T) {
	r, err := Read("*filter\n-A INPUT -p tcp --dport 22 -j ACCEPT\n-A INPUT -j DROP\nCOMMIT\n")
	if err != nil || r.Others != 2 || told(r) != "" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestATextThatIsNoRuleSet(t *testing.T) {
	for _, in := range []string{"", "\n# nothing\n", "virtual_server fwmark 7 {\n}\n"} {
		if _, err := Read(in); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

// Netfilter by its definition: all rules are looked at, and the last one that is about a
// packet marks it.
func TestTheMarksAreNetfiltersOwn(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		type rule struct {
			addr        byte
			first, last int
			mark        uint32
		}
		var rules []rule
		var text []string
		for range 1 + r.IntN(6) {
			u := rule{byte(1 + r.IntN(2)), r.IntN(20), 0, 1 + r.Uint32N(3)}
			u.last = u.first + r.IntN(10)
			rules = append(rules, u)
			text = append(text, fmt.Sprintf("-A PREROUTING -d 192.0.2.%d/32 -p tcp -m tcp --dport %d:%d -j MARK --set-mark %d", u.addr, u.first, u.last, u.mark))
		}
		got, err := Read(mangle(text...))
		if err != nil || len(got.Remarks) > 0 {
			t.Fatal(err, told(got))
		}
		for addr := byte(1); addr <= 2; addr++ {
			for port := range 32 {
				want, is := uint32(0), uint32(0)
				for _, u := range rules {
					if u.addr == addr && u.first <= port && port <= u.last {
						want = u.mark
					}
				}
				n := 0
				for _, m := range got.Marks {
					if m.Addrs.Contains(netip.AddrFrom4([4]byte{192, 0, 2, addr})) && int(m.First) <= port && port <= int(m.Last) && m.Proto == frame.ProtoTCP {
						is = m.Mark
						n++
					}
				}
				if is != want || n > 1 {
					t.Fatalf("port %d of 192.0.2.%d has mark %d, in %d lines, want %d:\n%s\n%s", port, addr, is, n, want, strings.Join(text, "\n"), told(got))
				}
			}
		}
	}
}

// loads wants that keepalived.conf takes the marks without a complaint.
func loads(t *testing.T, r *Result) {
	t.Helper()
	text := "global_defs {\n"
	for _, m := range r.Marks {
		text += m.String() + "\n"
	}
	c, found, err := keepalived.Load("f", keepalived.Options{IPv6: true, Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text + "}\n")), nil },
	}})
	if err != nil || found.Max() > keepalived.Note || len(c.Global.Marks) < len(r.Marks) {
		t.Fatalf("%v %v in\n%s", err, found, text)
	}
}

// Whatever the text is, what is said of it is good, and every rule is in the marks, in the
// remarks or counted.
func FuzzRead(f *testing.F) {
	f.Add(mangle("-A PREROUTING -d 192.0.2.0/30 -p tcp -m multiport --dports 80,443 -j MARK --set-xmark 0x1/0xffffffff", "-A PREROUTING -d 192.0.2.0/30 -p tcp --dport 443 -j MARK --set-mark 2"))
	f.Add(table("ip daddr { 192.0.2.2, 192.0.2.3 } meta l4proto { tcp, udp } th dport { 53, 60-70 } meta mark set 0x2 accept", "ip6 daddr fd00::/120 meta mark set 3"))
	f.Add("table ip t {\nset s {\nelements = { 10.0.0.1,\n10.0.0.2 }\n}\nchain c {\ntype filter hook input priority 0;\nip daddr @s mark set 1\n}\n}\n")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Read(text)
		if err != nil {
			return
		}
		lines := strings.Count(text, "\n") + 1
		for _, m := range r.Marks {
			if m.Line < 1 || m.Line > lines || m.Mark == 0 {
				t.Fatalf("%+v", m)
			}
		}
		for _, m := range r.Remarks {
			if m.Line < 1 || m.Line > lines || m.Text == "" {
				t.Fatalf("%+v", m)
			}
		}
		if len(r.Marks) < 100 {
			loads(t, r)
		}
	})
}
