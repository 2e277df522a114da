package hostnet_test

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/control/hostnet"
)

// drawRoutes draws routes to a few networks, in tables of all kinds.
func drawRoutes(t *rapid.T) (all []hostnet.Route) {
	networks := []string{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "::/0", "fd00::/64", "fd00::5/128"}
	for range rapid.IntRange(0, 12).Draw(t, "routes") {
		all = append(all, hostnet.Route{To: netip.MustParsePrefix(rapid.SampledFrom(networks).Draw(t, "to")), Link: rapid.IntRange(1, 3).Draw(t, "link"),
			Table: rapid.SampledFrom([]int{0, hostnet.TableLocal, hostnet.TableMain, hostnet.TableDefault, 100, 101}).Draw(t, "table"),
			Type:  rapid.SampledFrom([]hostnet.RouteType{hostnet.Unicast, hostnet.Blackhole, hostnet.Throw}).Draw(t, "type")})
	}
	return all
}

func TestRoutesThatAreDroppedAreFoundByNoLookUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		routes := drawRoutes(t)
		order := func(name string) []int {
			return rapid.SampledFrom([][]int{nil, {hostnet.TableLocal, hostnet.TableMain}, {hostnet.TableLocal, 100, hostnet.TableMain}, {}}).Draw(t, name)
		}
		whole := &hostnet.Snapshot{Routes: slices.Clone(routes), Tables4: order("IPv4"), Tables6: order("IPv6")}
		less := &hostnet.Snapshot{Routes: slices.Clone(routes), Tables4: whole.Tables4, Tables6: whole.Tables6}
		less.DropUnused()
		for _, a := range []string{"10.1.2.3", "10.1.2.4", "10.9.9.9", "192.0.2.1", "fd00::5", "fd00::6", "2001:db8::1"} {
			want, ok := whole.Route(netip.MustParseAddr(a))
			if got, also := less.Route(netip.MustParseAddr(a)); ok != also || !reflect.DeepEqual(got, want) {
				t.Fatalf("the route to %s is %+v, %v; want %+v, %v", a, got, also, want, ok)
			}
		}
		// What is dropped makes no difference, so what comes and goes there does neither.
		other := &hostnet.Snapshot{Routes: slices.Clone(routes), Tables4: whole.Tables4, Tables6: whole.Tables6}
		other.Routes = append(other.Routes, hostnet.Route{To: netip.MustParsePrefix("10.0.0.1/32"), Link: 1, Table: 101})
		other.DropUnused()
		if !slices.Equal(other.Routes, less.Routes) {
			t.Fatalf("another route in a table that is not looked at leads to %+v, want %+v", other.Routes, less.Routes)
		}
	})
}
