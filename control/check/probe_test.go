package check

import (
	"net/netip"
	"testing"
)

// TestProbeStringsTellProbesApart: Runner keeps a check whose probe has the
// same string, so every parameter must be in it.
func TestProbeStringsTellProbesApart(t *testing.T) {
	at := netip.MustParseAddrPort("192.168.1.11:80")
	rs := netip.MustParseAddr("192.168.1.11")
	vip := netip.MustParseAddrPort("192.168.1.100:80")
	dr := DR{VIP: vip, RS: rs, Ifindex: 3}
	want := []struct {
		probe Probe
		name  string
	}{
		{TCP{Addr: at}, "TCP 192.168.1.11:80"},
		{TCP{Addr: at, Bind: netip.MustParseAddrPort("192.168.1.10:0")}, "TCP 192.168.1.11:80 bindto 192.168.1.10 bind_port 0"},
		{TCP{Addr: at, Interface: "eth1"}, "TCP 192.168.1.11:80 bind_if eth1"},
		{TCP{Addr: at, Mark: 7}, "TCP 192.168.1.11:80 fwmark 7"},
		{dr, "DR 192.168.1.100:80 via 192.168.1.11 dev 3"},
		{DR{VIP: vip, RS: rs, Ifindex: 3, TTL: 1}, "DR 192.168.1.100:80 via 192.168.1.11 dev 3 ttl 1"},
		{Pair{TCP{Addr: at}, dr}, "TCP 192.168.1.11:80 and DR 192.168.1.100:80 via 192.168.1.11 dev 3"},
	}
	for _, w := range want {
		if w.probe.String() != w.name {
			t.Errorf("%q, want %q", w.probe, w.name)
		}
	}
}
