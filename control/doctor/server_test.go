package doctor_test

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"lvsdr/control/doctor"
)

func TestSettingsOfARealServerAreJudged(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*doctor.Exam)
		want string
	}{
		{"all is well", func(*doctor.Exam) {}, ""},
		{"no VIP", func(x *doctor.Exam) { x.Host.Links[0].Addrs = nil }, doctor.RSWithoutVIP},
		{"the VIP with its network", func(x *doctor.Exam) {
			x.Host.Links[0].Addrs[0] = netip.PrefixFrom(vip, 24)
		}, doctor.BadVIPPrefix},
		{"the VIP on the network's interface", func(x *doctor.Exam) {
			x.Host.Links[0].Addrs, x.Host.Links[1].Addrs = nil, append(x.Host.Links[1].Addrs, netip.PrefixFrom(vip, 32))
		}, doctor.RSAnswersARP},
		{"arp_ignore on lo alone", func(x *doctor.Exam) {
			x.Host.Sysctls["net.ipv4.conf.all.arp_ignore"], x.Host.Sysctls["net.ipv4.conf.lo.arp_ignore"] = "0", "1"
		}, doctor.RSAnswersARP},
		{"arp_ignore on the interface", func(x *doctor.Exam) {
			x.Host.Sysctls["net.ipv4.conf.all.arp_ignore"], x.Host.Sysctls["net.ipv4.conf.eth0.arp_ignore"] = "0", "1"
		}, ""},
		{"arp_announce is 1", func(x *doctor.Exam) { x.Host.Sysctls["net.ipv4.conf.all.arp_announce"] = "1" }, doctor.RSAnnouncesVIP},
		{"a listener on another port", func(x *doctor.Exam) {
			x.Host.Listeners[0].At = netip.MustParseAddrPort("0.0.0.0:8081")
		}, doctor.RSWrongPort},
		{"a listener on the own address", func(x *doctor.Exam) {
			x.Host.Listeners[0].At = netip.AddrPortFrom(rs, port)
		}, doctor.RSWrongPort},
		{"a listener on the VIP", func(x *doctor.Exam) { x.Host.Listeners[0].At = netip.AddrPortFrom(vip, port) }, ""},
		{"a listener on all addresses of both families", func(x *doctor.Exam) {
			x.Host.Listeners[0].At = netip.MustParseAddrPort("[::]:8080")
		}, ""},
		{"a strict filter and another interface", func(x *doctor.Exam) {
			l := x.Host.Links[1]
			l.Index, l.Name, l.Addrs = 3, "eth1", []netip.Prefix{netip.MustParsePrefix("10.0.0.11/24")}
			x.Host.Links = append(x.Host.Links, l)
		}, doctor.RPFilter},
		{"a firewall that drops the VIP", func(x *doctor.Exam) {
			x.Host.Firewall.Drops = []doctor.DropRule{{Where: "table t, chain c", Addr: vip}, {Addr: rs}}
		}, doctor.RSFirewall},
		{"a firewall of which only the number of rules is known", func(x *doctor.Exam) { x.Host.Firewall.Rules = 7 }, ""},
		{"a rule that blackholes the VIP", func(x *doctor.Exam) {
			x.Host.Blocks = []doctor.Block{{To: netip.PrefixFrom(vip, 32), Text: "text"}}
		}, doctor.RSFirewall},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := server()
			c.edit(x)
			if got := worst(t, x, doctor.ServerChecks()); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
		})
	}
}

func TestEveryFindingIsExplained(t *testing.T) {
	b, err := os.ReadFile("../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range doctor.Names() {
		if !strings.Contains(string(b), "| `"+name+"` | ") {
			t.Errorf("docs/doctor.md does not explain %s", name)
		}
	}
	named := map[string]bool{}
	for _, name := range doctor.Names() {
		if named[name] {
			t.Errorf("%s is there twice", name)
		}
		named[name] = true
	}
}

func TestSeveritiesAreReadAsTheyAreWritten(t *testing.T) {
	for s := doctor.Info; s <= doctor.Error; s++ {
		b, err := s.MarshalText()
		var back doctor.Severity
		if err != nil || back.UnmarshalText(b) != nil || back != s {
			t.Errorf("%v is written as %q and read as %v", s, b, back)
		}
	}
	var s doctor.Severity
	if s.UnmarshalText([]byte("fatal")) == nil {
		t.Error("a severity that is none is read")
	}
}
