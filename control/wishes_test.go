package control

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/actor/actortest"
	"lvsdr/control/localclient"
	"lvsdr/control/shield"
	"lvsdr/control/site"
)

func TestAReloadTellsOnlyTheActorsThatItConcerns(t *testing.T) {
	start := service(vip, rs1+" weight 3", checkedServer(rs2)) + service(other, checkedServer(rs3))
	// What others may have removed is set again with each reload.
	always := []string{"host.Read", "redirect.Open", "redirect.Set", "shield.Set"}
	for _, c := range []struct {
		law, file string
		more      []string
	}{
		{"the same file", start, nil},
		{"the same file, everything a line further down", "\n" + start, nil},
		{"a weight", strings.Replace(start, "weight 3", "weight 5", 1), []string{"director.Change"}},
		{"a weight of a server that is checked", strings.Replace(start, "TCP_CHECK", "weight 9\nTCP_CHECK", 1), []string{"director.Change"}},
		{"the settings of a check", strings.Replace(start, "connect_port 1 ", "connect_port 1\nretry 7\n", 1), []string{"checks.Set", "routes.Set"}},
		{"a server more", strings.Replace(start, "persistence_timeout 0\n", "persistence_timeout 0\n real_server 192.168.1.13 80 {\n }\n", 1),
			[]string{"ARP.SetTargets", "director.Change", "interfaces.Set"}},
	} {
		t.Run(c.law, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := running(t, start)
				r.Calls = nil
				if _, err := r.reload(c.file); err != nil {
					t.Fatal(err)
				}
				calls := slices.Compact(slices.Sorted(slices.Values(r.Calls)))
				want := slices.Sorted(slices.Values(append(slices.Clone(always), c.more...)))
				if !slices.Equal(calls, want) {
					t.Errorf("called %q, want %q", calls, want)
				}
			})
		})
	}
}

// What converge has kept is what a walk over the State finds.
func TestTheWishesThatAreKeptAreThoseOfTheState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1, checkedServer(rs2)))
		moved := network(eth0, eth1)
		moved.Links[0].MTU = 1400
		for _, step := range []struct {
			name string
			do   func()
		}{
			{"the start", func() {}},
			{"a server is down", func() { r.check(rs2, false) }},
			{"a reload with one more VIP", func() { _, _ = r.reload(service(vip, rs1, checkedServer(rs2)) + service(other, rs3)) }},
			{"ipvsadm adds a VIP", func() { r.edit(add("10.0.0.100", server("10.0.0.11", 1))...) }},
			{"ipvsadm adds a server on another network", func() {
				r.edit(site.Edit{Op: site.AddServer, Service: add(vip)[0].Service, Server: server("10.0.0.12", 2)})
			}},
			{"a VIP is active no more", func() { r.put(site.Activate{VIP: ip(vip)}) }},
			{"patience ends", func() { r.pass(2 * neighbourPatience) }},
			{"a link has another MTU", func() { r.Snapshot = moved; r.put(hostChanged{}) }},
			{"a link goes", func() { r.Snapshot = network(eth0); r.put(hostChanged{}) }},
			{"it comes again", func() { r.Snapshot = network(eth0, eth1); r.put(hostChanged{}) }},
			{"the ports of an interface are lost", func() { r.put(portsLost{eth0.Index, errors.New("lost")}) }},
			{"those of clients on this host are lost", func() { r.put(portsLost{actortest.Near.Index, errors.New("lost")}) }},
			{"they are open again", func() { r.pass(2 * maxRetry) }},
			{"ipvsadm removes a VIP", func() { r.edit(site.Edit{Op: site.DelService, Service: add("10.0.0.100")[0].Service}) }},
			{"a reload with a VIP less", func() { _, _ = r.reload(service(other, rs3)) }},
			{"all services go", func() { r.edit(site.Edit{Op: site.Flush}) }},
		} {
			step.do()
			c, s := r.l.converge, r.l.state
			if got, want := c.nicsOf(s), s.NICs(); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: the interfaces are %+v, want %+v", step.name, got, want)
			}
			var want localWish
			want.vips, want.mtu, want.lacking = s.LocalVIPs()
			if got := c.localOf(s); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: clients on this host get %+v, want %+v", step.name, got, want)
			}
			guards := map[shield.Guard]bool{}
			for _, g := range s.Guards() {
				if g.Interface != localclient.DirectorEnd || c.local.link.Index != 0 {
					guards[shield.Guard{VIP: g.VIP, Interface: g.Interface}] = true
				}
			}
			if got := c.guards(s); !reflect.DeepEqual(got, guards) || !reflect.DeepEqual(r.Guards, guards) {
				t.Errorf("%s: the guards are %v, set are %v, want %v", step.name, got, r.Guards, guards)
			}
		}
	})
}

func TestAMemoLooksOnceUntilItForgets(t *testing.T) {
	var m memo[int]
	looks := 0
	look := func() int { looks++; return looks }
	for _, c := range []struct {
		forget bool
		want   int
	}{{false, 1}, {false, 1}, {true, 2}, {false, 2}, {true, 3}} {
		if c.forget {
			m.forget()
		}
		if got := m.get(look); got != c.want || looks != c.want {
			t.Errorf("it is %d after %d looks, want %d", got, looks, c.want)
		}
	}
}
