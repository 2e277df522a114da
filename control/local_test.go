package control

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// A client on this host gets the address that its first real server can answer,
// and its packets fit all links.
func TestClientsOnThisHostGetAnAddressThatTheRealServersReach(t *testing.T) {
	for _, c := range []struct {
		name, text, ifname, source string
		replies                    []int
		lacking                    string
	}{
		{"all on one network", service("192.168.1.11", "192.168.1.12"), "", "192.168.1.10", []int{eth0.Index}, ""},
		{"on two, the first decides", service("10.1.1.1", "192.168.1.11"), "", "10.0.0.10", []int{eth0.Index, eth1.Index}, ""},
		{"the VIP's interface has no address", service("192.168.1.11"), "eth1", "192.168.1.10", []int{eth1.Index, eth0.Index}, ""},
		{"no real server", service(), "", "192.168.1.10", []int{eth0.Index}, ""},
		{"no address at all", service(), "eth1", "", nil, "ip addr add ADDRESS/BITS dev eth1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := newPlan(loadText(t, c.text), c.ifname, fakeNetwork{})
			if err != nil {
				t.Fatal(err)
			}
			vips, mtu, err := p.localVIPs()
			if c.lacking != "" {
				if err == nil || !strings.Contains(err.Error(), c.lacking) || len(vips) != 0 {
					t.Errorf("%+v, %v; want an error that says %q", vips, err, c.lacking)
				}
				return
			}
			if err != nil || len(vips) != 1 {
				t.Fatalf("%+v, %v", vips, err)
			}
			v := vips[0]
			if v.Addr != netip.MustParseAddr("192.168.1.100") || v.Source.String() != c.source || !slices.Equal(v.Replies, c.replies) {
				t.Errorf("%+v, want source %s and replies by %v", v, c.source, c.replies)
			}
			if least := 1500; mtu != least {
				t.Errorf("MTU %d, want %d", mtu, least)
			}
		})
	}
}
