package check

import (
	"errors"
	"net/netip"
	"testing"

	"lvsdr/control/drroute"
)

// TestProbeStringsTellProbesApart: Runner keeps a check whose probe has the
// same string, so every parameter must be in it.
func TestProbeStringsTellProbesApart(t *testing.T) {
	at := netip.MustParseAddrPort("192.168.1.11:80")
	rs := netip.MustParseAddr("192.168.1.11")
	vip := netip.MustParseAddrPort("192.168.1.100:80")
	dr := DR{VIP: vip, RS: rs, Ifindex: 3}
	want := []struct {
		probe      Probe
		kind, name string
	}{
		{TCP{Addr: at}, "TCP_CHECK", "TCP 192.168.1.11:80"},
		{TCP{Addr: at, Bind: netip.MustParseAddrPort("192.168.1.10:0")}, "TCP_CHECK", "TCP 192.168.1.11:80 bindto 192.168.1.10 bind_port 0"},
		{TCP{Addr: at, Interface: "eth1"}, "TCP_CHECK", "TCP 192.168.1.11:80 bind_if eth1"},
		{TCP{Addr: at, Mark: 7}, "TCP_CHECK", "TCP 192.168.1.11:80 fwmark 7"},
		{dr, "DR_CHECK", "DR 192.168.1.100:80 via 192.168.1.11 dev 3"},
		{DR{VIP: vip, RS: rs, Ifindex: 3, TTL: 1}, "DR_CHECK", "DR 192.168.1.100:80 via 192.168.1.11 dev 3 ttl 1"},
		{Pair{TCP{Addr: at}, dr}, "TCP_CHECK + DR_CHECK", "TCP 192.168.1.11:80 and DR 192.168.1.100:80 via 192.168.1.11 dev 3"},
	}
	for _, w := range want {
		if w.probe.String() != w.name || w.probe.Kind() != w.kind {
			t.Errorf("%q of kind %q, want %q of %q", w.probe, w.probe.Kind(), w.name, w.kind)
		}
	}
}

// A lostRouter has no path.
type lostRouter struct{ asked int }

func (r *lostRouter) Mark(drroute.Path) (uint32, error) {
	r.asked++
	return 0, errNoRoute
}

func (r *lostRouter) Gateway(drroute.Path) (netip.Addr, error) { return netip.Addr{}, errNoRoute }

var errNoRoute = errors.New("no route")

func TestAPairChecksTheServersOwnAddressFirst(t *testing.T) {
	for _, c := range []struct {
		name    string
		own     error
		outcome Outcome
		err     error
		asked   int // how often the router was
	}{
		{"a server that is down is not checked by Direct Routing", errRefused, Bad, errRefused, 0},
		{"an own check that was not made says nothing about the server", ErrNotMade, NotMade, ErrNotMade, 0},
		{"without a path for Direct Routing nothing is known", nil, NotMade, errNoRoute, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := new(lostRouter)
			p := Pair{Own: &fake{name: "own", err: c.own}, DR: DR{Router: r}}
			got := p.Check(t.Context())
			if got.Outcome() != c.outcome || !errors.Is(got.Err, c.err) || r.asked != c.asked {
				t.Errorf("%v, %v, router asked %d times; want %v, %v, %d", got.Outcome(), got.Err, r.asked, c.outcome, c.err, c.asked)
			}
		})
	}
}
