package control

import (
	"net/netip"
	"strings"
	"testing"

	"lvsdr/dataplane"
)

// Each of these was planned; the director then refused it and did not start, or
// asked for the MAC address of a VIP.
func TestAnAddressThatCannotBeARealServersIsAProblem(t *testing.T) {
	for _, c := range []struct{ addr, problem string }{
		{"192.168.1.100", "is a virtual address"},
		{"192.168.1.101", "is a virtual address"}, // of a later service
		{"fe80::5", "link-local"},
	} {
		vip := "192.168.1.100"
		if strings.Contains(c.addr, ":") {
			vip = "fd00::100"
		}
		p, err := newPlan(loadText(t, strings.ReplaceAll(service(c.addr), "192.168.1.100 80 {\n lb", vip+" 80 {\n lb")+
			strings.Replace(service("192.168.1.12"), ".100", ".101", 1)), "", anyNetwork{})
		if err != nil {
			t.Fatal(err)
		}
		if len(p.problems) != 1 || !strings.Contains(p.problems[0], c.problem) || len(p.services[0].servers) != 0 || len(p.services[1].servers) != 1 {
			t.Errorf("%s: problems %q, services %+v", c.addr, p.problems, p.services)
		}
		d, err := dataplane.New(dataplane.Config{})
		if err != nil {
			t.Fatal(err)
		}
		if err := apply(d, p.wanted(func(string) bool { return true }), 0); err != nil {
			t.Error(err)
		}
	}
}

// anyNetwork has all addresses on eth0.
type anyNetwork struct{}

func (anyNetwork) server(netip.Addr) (onLink, error)      { return onLink{link: eth0}, nil }
func (anyNetwork) vip(netip.Addr, string) (onLink, error) { return onLink{link: eth0}, nil }
