package ladder

import (
	"slices"
	"testing"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// Each candidate schedules new connections among as many servers as the rung's name
// says, by the scheduler of its name.
func TestTheRungScheduleHasTheSchedulersOfItsCandidates(t *testing.T) {
	o, err := short("schedule").complete()
	if err != nil {
		t.Fatal(err)
	}
	r := scheduleRung(&o)
	if r.Name != "schedule/1000" || r.Candidates[0].Name != "wrr" {
		t.Errorf("rung %s against %s", r.Name, r.Candidates[0].Name)
	}
	for _, c := range r.Candidates {
		if !slices.Contains(scheduler.Names(), c.Name) {
			t.Errorf("there is no scheduler %s", c.Name)
		}
		if v, err := c.Run(t.Context(), time.Nanosecond); err != nil || len(v) != 1 || v[0] <= 0 {
			t.Errorf("%s: %v, %v", c.Name, v, err)
		}
		d, err := newPlane(manySetup(1<<14, c.Name), 1)
		if err != nil {
			t.Fatal(err)
		}
		s := d.Services()
		if len(s) != 1 || s[0].Config.Scheduler != c.Name || len(s[0].Servers) != manyServers || s[0].Servers[0].Config.Weight != serverWeight {
			t.Errorf("%s: %d services, the first %+v", c.Name, len(s), s[0].Config)
		}
		if err := newWorker(d, 0).Close(); err != nil {
			t.Error(err)
		}
	}
}

// The other rungs have wrr and servers of weight 1, as before.
func TestASetupHasWeightedRoundRobinByDefault(t *testing.T) {
	d, err := newPlane(DefaultSetup(0), 1)
	if err != nil {
		t.Fatal(err)
	}
	k := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom4([4]byte{10, 0, 0, 1}), Port: 80}
	if s := d.Services()[0]; s.Config.Key != k || s.Config.Scheduler != "wrr" || s.Servers[0].Config.Weight != 1 {
		t.Errorf("service %+v", s)
	}
	if err := newWorker(d, 0).Close(); err != nil {
		t.Error(err)
	}
}
