package director

import (
	"slices"
	"testing"

	"lvsdr/control/api"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// The averages that a kernel had 5 s after all the traffic at the start: two
// ticks.
func TestRates(t *testing.T) {
	var e estimator
	c := counted{service: dataplane.ServiceKey{Mark: 1}}
	tick := func(n dataplane.Traffic) {
		e.tick(slices.Values([]dataplane.ServiceStatus{{Config: dataplane.ServiceConfig{Key: c.service}, Traffic: n}}))
	}
	if (e.listed(c) != api.Listed{}) {
		t.Error("something is counted before the first tick")
	}
	for _, test := range []struct {
		counted       dataplane.Traffic
		cps, pps, bps uint64
	}{
		{dataplane.Traffic{Conns: 8, Packets: 18, Bytes: 720}, 1, 2, 67},
		{dataplane.Traffic{Conns: 6, Packets: 14, Bytes: 560}, 1, 1, 52},
		{dataplane.Traffic{Conns: 2, Packets: 4, Bytes: 160}, 0, 0, 15},
		{dataplane.Traffic{Conns: 1, Packets: 1, Bytes: 60}, 0, 0, 6},
	} {
		e = estimator{}
		tick(test.counted)
		tick(test.counted)
		want := api.Listed{Traffic: WireTraffic(test.counted), CPS: test.cps, PPS: test.pps, BPS: test.bps}
		if got := e.listed(c); got != want {
			t.Errorf("%+v gives %+v, want %+v", test.counted, got, want)
		}
	}
}

// A steady rate is reached, and none is left of one that is over. A counter
// that was set to zero counts from there.
func TestRatesSettle(t *testing.T) {
	var e estimator
	c := counted{service: dataplane.ServiceKey{Mark: 1}, server: frame.Addr{1}, port: 80}
	var n dataplane.Traffic
	tick := func() {
		e.tick(slices.Values([]dataplane.ServiceStatus{{Config: dataplane.ServiceConfig{Key: c.service},
			Servers: []dataplane.ServerStatus{{Config: dataplane.ServerConfig{Addr: c.server, Port: c.port}, Traffic: n}}}}))
	}
	rates := func() [3]uint64 { l := e.listed(c); return [3]uint64{l.CPS, l.PPS, l.BPS} }
	for range 100 {
		n.Conns, n.Packets, n.Bytes = n.Conns+200, n.Packets+2000, n.Bytes+2_000_000_000
		tick()
	}
	if got, want := rates(), [3]uint64{100, 1000, 1_000_000_000}; got != want {
		t.Errorf("a steady rate shows as %v, want %v", got, want)
	}
	n = dataplane.Traffic{Conns: 200, Packets: 2000, Bytes: 2_000_000_000}
	tick()
	if got := rates(); got[0] != 100 || got[1] != 1000 {
		t.Errorf("counters that were set to zero show as %v", got)
	}
	for range 100 {
		tick()
	}
	if got := rates(); got != [3]uint64{} {
		t.Errorf("what is over shows as %v", got)
	}
	for range 10 { // it is away for a while
		e.tick(slices.Values([]dataplane.ServiceStatus(nil)))
	}
	if e.listed(c).Traffic != WireTraffic(n) {
		t.Error("a server that was away lost its counters")
	}
	for range 600 {
		e.tick(slices.Values([]dataplane.ServiceStatus(nil)))
	}
	if e.listed(c).Traffic != (api.Traffic{}) || len(e.counts) != 0 {
		t.Error("what is gone is remembered for ever")
	}
}

// -Z sets to zero what is listed, and what the next sums start with.
func TestZero(t *testing.T) {
	var e estimator
	var all []dataplane.ServiceStatus
	for mark := range uint32(3) {
		all = append(all, dataplane.ServiceStatus{Config: dataplane.ServiceConfig{Key: dataplane.ServiceKey{Mark: mark + 1}}, Traffic: dataplane.Traffic{Conns: 100}})
	}
	e.tick(slices.Values(all))
	counts := func() (n [3]uint64) {
		for i := range all {
			l := e.listed(counted{service: all[i].Config.Key})
			n[i] = l.Conns + l.CPS
		}
		return n
	}
	e.zero(&all[1].Config.Key)
	if got := counts(); got != [3]uint64{112, 0, 112} {
		t.Errorf("after -Z of the second: %v", got)
	}
	e.zero(nil)
	if got := counts(); got != [3]uint64{} {
		t.Errorf("after -Z: %v", got)
	}
}

// What the engine has counted is listed with the next Tick, and gone after Zero.
func TestCountersAreListedAsOfTheLastTick(t *testing.T) {
	engine, err := dataplane.New(dataplane.Config{})
	if err != nil {
		t.Fatal(err)
	}
	d := New(engine, func() int64 { return 1 })
	k := api.ServiceKey{FWMark: 1}
	edits := []api.Edit{{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: k, Scheduler: "rr"}}}
	if refused, err := d.Edit(t.Context(), edits); err != nil || refused[0] != nil {
		t.Fatal(refused, err)
	}
	status := engine.Services()
	status[0].Traffic.Conns = 8
	listed := func() api.Listed { return d.Service(&status[0]).Listed }
	if l := listed(); l.Conns != 0 {
		t.Errorf("before the first tick: %+v", l)
	}
	d.sums.tick(slices.Values(status))
	if l := listed(); l.Conns != 8 || l.CPS != 1 {
		t.Errorf("after a tick: %+v", l)
	}
	for _, key := range []api.ServiceKey{k, {}} {
		d.sums.tick(slices.Values(status))
		if refused, err := d.Edit(t.Context(), []api.Edit{{Op: api.Zero, Service: api.ServiceConfig{ServiceKey: key}}}); err != nil || refused[0] != nil {
			t.Fatal(refused, err)
		}
		if l := listed(); l != (api.Listed{}) {
			t.Errorf("after -Z of %v: %+v", key, l)
		}
	}
	d.Tick()
	if l := listed(); l.Conns != 0 {
		t.Errorf("the engine has counted nothing: %+v", l)
	}
}
