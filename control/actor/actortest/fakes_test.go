package actortest_test

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/arp"
	"lvsdr/control/actor"
	"lvsdr/control/actor/actortest"
	"lvsdr/control/check"
	"lvsdr/control/drroute"
	"lvsdr/control/localclient"
	"lvsdr/control/nics"
	"lvsdr/control/shield"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

var (
	one, two = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	errLuck  = errors.New("out of luck")
)

// What a fake is told it has, until it is told otherwise; a call that fails
// leaves it as it was.
func TestAFakeHasWhatItWasToldLast(t *testing.T) {
	for _, c := range []struct {
		call string
		set  func(actor.All, netip.Addr) error
		has  func(*actortest.Fakes) []netip.Addr
	}{
		{"shield.Set", func(a actor.All, v netip.Addr) error { return a.Guard.Set([]shield.Guard{{VIP: v}}) },
			func(f *actortest.Fakes) (all []netip.Addr) {
				for g := range f.Guards {
					all = append(all, g.VIP)
				}
				return all
			}},
		{"ARP.SetVIPs", func(a actor.All, v netip.Addr) error { return a.ARP.SetVIPs([]arp.VIP{{Addr: v}}) }, (*actortest.Fakes).Announced},
		{"ARP.SetTargets", func(a actor.All, v netip.Addr) error { return a.ARP.SetTargets([]arp.Target{{IP: v}}) },
			func(f *actortest.Fakes) (all []netip.Addr) {
				for _, target := range f.Targets {
					all = append(all, target.IP)
				}
				return all
			}},
		{"routes.Set", func(a actor.All, v netip.Addr) error { return a.Routes.Set([]drroute.Path{{RS: v}}) },
			func(f *actortest.Fakes) (all []netip.Addr) {
				for _, p := range f.Paths {
					all = append(all, p.RS)
				}
				return all
			}},
		{"redirect.Set", func(a actor.All, v netip.Addr) error { return a.Redirect.Set([]localclient.VIP{{Addr: v}}) },
			func(f *actortest.Fakes) (all []netip.Addr) {
				for _, r := range f.Redirects {
					all = append(all, r.Addr)
				}
				return all
			}},
		{"checks.Set", func(a actor.All, v netip.Addr) error { return a.Checks.Set([]check.Spec{{ID: v.String()}}) },
			func(f *actortest.Fakes) (all []netip.Addr) {
				for _, s := range f.Checks {
					all = append(all, netip.MustParseAddr(s.ID))
				}
				return all
			}},
	} {
		f := actortest.New(nil)
		a := f.Actors()
		if err := c.set(a, one); err != nil || !slices.Equal(c.has(f), []netip.Addr{one}) {
			t.Errorf("%s: %v, has %v", c.call, err, c.has(f))
		}
		if err := c.set(a, two); err != nil || !slices.Equal(c.has(f), []netip.Addr{two}) {
			t.Errorf("%s again: %v, has %v", c.call, err, c.has(f))
		}
		f.Fail = func(call string) error {
			if call != c.call {
				t.Errorf("%s asks whether %s fails", c.call, call)
			}
			return errLuck
		}
		if err := c.set(a, one); !errors.Is(err, errLuck) || !slices.Equal(c.has(f), []netip.Addr{two}) {
			t.Errorf("%s fails: %v, has %v", c.call, err, c.has(f))
		}
		if want := []string{c.call, c.call, c.call}; !slices.Equal(f.Calls, want) {
			t.Errorf("calls %v, want %v", f.Calls, want)
		}
	}
}

func TestPortsFailForOneInterfaceAndStayAsTheyWere(t *testing.T) {
	f := actortest.New(nil)
	a := f.Actors()
	wish := func(index int, vip netip.Addr) nics.Wish {
		return nics.Wish{Index: index, Name: "eth" + string(rune('0'+index)), VIPs: []netip.Addr{vip}}
	}
	if errs := a.NICs.Set([]nics.Wish{wish(1, one), wish(2, two)}); len(errs) > 0 {
		t.Fatal(errs)
	}
	if got, want := f.Received(), []string{"192.0.2.1 eth1", "192.0.2.2 eth2"}; !slices.Equal(got, want) {
		t.Errorf("received: %v, want %v", got, want)
	}
	f.Fail = func(string) error { return errLuck }
	errs := a.NICs.Set([]nics.Wish{wish(1, two), wish(2, one)})
	if len(errs) != 1 || !errors.Is(errs[1], errLuck) {
		t.Errorf("errors %v, want one of the first interface", errs)
	}
	if got, want := f.Received(), []string{"192.0.2.1 eth1", "192.0.2.1 eth2"}; !slices.Equal(got, want) {
		t.Errorf("received: %v, want %v", got, want)
	}
	if errs := a.NICs.Set([]nics.Wish{wish(3, one)}); len(errs) != 1 || len(f.NICs) != 0 {
		t.Errorf("a first interface without ports: %v, and has %v", errs, f.NICs)
	}
	if errs := a.NICs.Set(nil); errs != nil {
		t.Errorf("no interface: %v", errs)
	}
}

func TestTheEngineRefusesEditsOneByOne(t *testing.T) {
	key := func(port uint16) dataplane.ServiceKey {
		return dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(one), Port: port}
	}
	add := func(port uint16) site.Edit {
		return site.Edit{Op: site.AddService, Service: dataplane.ServiceConfig{Key: key(port), Scheduler: "rr"}}
	}
	services := func(f *actortest.Fakes) int { return f.Table.Len() }
	f := actortest.New(nil)
	e := f.Actors().Engine
	if errs := e.Change(actor.Change{Edits: []site.Edit{add(80), add(81)}}); errs != nil || services(f) != 2 || len(f.Edits) != 2 {
		t.Fatalf("two services: %v, %d, edits %d", errs, services(f), len(f.Edits))
	}
	if errs := e.Change(actor.Change{Edits: []site.Edit{add(80), add(82)}}); len(errs) != 2 || errs[0] == nil || errs[1] != nil || services(f) != 3 {
		t.Errorf("one that is there and one that is not: %v, %d services", errs, services(f))
	}
	f.Refuse = func(edit site.Edit) error {
		if edit.Service.Key.Port == 83 {
			return errLuck
		}
		return nil
	}
	if errs := e.Change(actor.Change{Edits: []site.Edit{add(83), add(84)}}); len(errs) != 2 || !errors.Is(errs[0], errLuck) || errs[1] != nil || services(f) != 4 {
		t.Errorf("one that is refused: %v, %d services", errs, services(f))
	}
	f.Fail = func(string) error { return errLuck }
	if errs := e.Change(actor.Change{Edits: []site.Edit{add(85), add(86)}}); len(errs) != 2 || errs[0] == nil || errs[1] == nil || services(f) != 4 {
		t.Errorf("a call that fails: %v, %d services", errs, services(f))
	}
	if errs := e.Change(actor.Change{}); errs != nil {
		t.Errorf("without edits nothing fails: %v", errs)
	}
}

func TestTheEngineForgetsHopsWithoutAMACAddress(t *testing.T) {
	f := actortest.New(nil)
	e := f.Actors().Engine
	hop := func(a netip.Addr, last byte) site.Hop { return site.Hop{Addr: a, MAC: frame.MAC{5: last}} }
	own := []frame.Addr{frame.AddrFrom(one)}
	e.Change(actor.Change{Hops: []site.Hop{hop(one, 1), hop(two, 2)}, Own: own, Martians: own, Timeouts: &site.Timeouts{TCP: 7}})
	e.Change(actor.Change{Hops: []site.Hop{hop(one, 0), hop(two, 3)}})
	if want := map[netip.Addr]site.Hop{two: hop(two, 3)}; !maps.Equal(f.Hops, want) {
		t.Errorf("hops %v, want %v", f.Hops, want)
	}
	if !slices.Equal(f.Own, own) || !slices.Equal(f.Martians, own) || f.Timeouts.TCP != 7 {
		t.Errorf("what was not changed did not stay: %v, %v", f.Own, f.Timeouts)
	}
}

func TestACloseTakesBackWhatWasSet(t *testing.T) {
	f := actortest.New(nil)
	a := f.Actors()
	for _, err := range []error{a.Guard.Set([]shield.Guard{{VIP: one}}), a.Routes.Set([]drroute.Path{{RS: one}}), a.Redirect.Set([]localclient.VIP{{Addr: one}}), a.Checks.Set([]check.Spec{{}})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	a.NICs.Set([]nics.Wish{{Index: 1}})
	if err := a.Guard.Close(true); err != nil || len(f.Guards) != 1 {
		t.Errorf("guards that are to be kept: %v, %v", err, f.Guards)
	}
	a.Checks.Close()
	for _, err := range []error{a.Guard.Close(false), a.Routes.Close(), a.Redirect.Close(), a.NICs.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	if len(f.Guards)+len(f.Paths)+len(f.Redirects)+len(f.Checks)+len(f.NICs) > 0 {
		t.Errorf("left: %v, %v, %v, %v, %v", f.Guards, f.Paths, f.Redirects, f.Checks, f.NICs)
	}
}

func TestTheRedirectsInterfaceHasTheMTUThatWasAskedFor(t *testing.T) {
	f := actortest.New(nil)
	link, err := f.Actors().Redirect.Open(9000)
	if err != nil || link.MTU != 9000 || link.Name != localclient.DirectorEnd || actortest.Near.MTU != 1500 {
		t.Errorf("%+v, %v", link, err)
	}
	f.Fail = func(string) error { return errLuck }
	if _, err := f.Actors().Redirect.Open(1500); !errors.Is(err, errLuck) {
		t.Errorf("fails: %v", err)
	}
}

func TestStatesOfChecksAreThoseOfTheTest(t *testing.T) {
	f := actortest.New(nil)
	f.States = map[string]check.State{"a": {}}
	a := f.Actors()
	if _, ok := a.Checks.State("a"); !ok {
		t.Error("a state that the test has given is not there")
	}
	if _, ok := a.Checks.State("b"); ok {
		t.Error("there is a state that the test has not given")
	}
}

// A call hangs until it is released, and the next one does not.
func TestACallHangsUntilItIsReleased(t *testing.T) {
	f := actortest.New(nil)
	a := f.Actors()
	release := f.Hang("ARP.SetVIPs")
	done := make(chan error)
	go func() { done <- a.ARP.SetVIPs([]arp.VIP{{Addr: one}}) }()
	if err := a.Guard.Set(nil); err != nil { // another call does not wait
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("the call ended by itself: %v", err)
	case <-time.After(time.Millisecond):
	}
	release()
	if err := <-done; err != nil || !slices.Equal(f.Announced(), []netip.Addr{one}) {
		t.Errorf("released: %v, announced %v", err, f.Announced())
	}
	if err := a.ARP.SetVIPs(nil); err != nil || len(f.Announced()) != 0 {
		t.Errorf("the next call: %v, announced %v", err, f.Announced())
	}
}
