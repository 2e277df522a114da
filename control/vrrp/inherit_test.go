package vrrp_test

import (
	"encoding/json"
	"testing"
	"time"

	"lvsdr/control/vrrp"
	"lvsdr/control/vrrp/vrrptest"
)

// succeed has another process go on after a pause with what d has.
func succeed(t *testing.T, n *vrrptest.Net, d *vrrptest.Node, s vrrp.Settings, pause time.Duration) {
	t.Helper()
	told, err := json.Marshal(d.Machine.Save())
	if err != nil {
		t.Fatal(err)
	}
	var standing vrrp.Standing
	if err := json.Unmarshal(told, &standing); err != nil {
		t.Fatal(err)
	}
	d.Kill()
	n.Run(pause)
	d.Succeed(standing, s, at(1))
}

// A process that goes on with the instances of another one has their roles, and no router hears of a change, itself
// neither: for as long as a backup is patient there may even be none.
func TestRolesGoFromProcessToProcess(t *testing.T) {
	weighted := func(i *vrrp.Instance) {
		i.Tracks = []vrrp.Track{{Tracker: vrrp.Tracker{Kind: "track_script", Name: "s"}, Weight: -60}}
	}
	faulty := func(i *vrrp.Instance) {
		i.Tracks = []vrrp.Track{{Tracker: vrrp.Tracker{Kind: "track_script", Name: "s"}}}
	}
	down := func(m *vrrp.Machine, now int64) {
		m.Track(now, vrrp.Tracked{Tracker: vrrp.Tracker{Kind: "track_script", Name: "s"}})
	}
	for _, tt := range []struct {
		name   string
		before vrrp.Instance
		other  uint8
		event  func(m *vrrp.Machine, now int64) // before it
		after  vrrp.Settings
		pause  time.Duration
		roles  string // of both, from the take-over on
		one    string // changes since the take-over
		others int    // changes of the other router
	}{
		{"a master", router(150), 100, nil, only(router(150)), 0, "MASTER BACKUP", "", 0},
		{"a master, with a pause", router(150), 100, nil, only(router(150)), 2 * time.Second, "MASTER BACKUP", "", 0},
		{"a master of version 2", router(150, v2), 100, nil, only(router(150, v2)), 2 * time.Second, "MASTER BACKUP", "", 0},
		{"a master does not wait for the start", router(150), 100, nil, vrrp.Settings{Instances: []vrrp.Instance{router(150)}, StartupDelay: time.Minute}, 0, "MASTER BACKUP", "", 0},
		{"a backup", router(50), 100, nil, only(router(50)), 0, "BACKUP MASTER", "", 0},
		{"a backup, with a pause", router(50), 100, nil, only(router(50)), time.Minute, "BACKUP MASTER", "", 0},
		{"a backup whose tracker is down", router(150, weighted), 100, down, only(router(150, weighted)), 0, "BACKUP MASTER", "", 0},
		{"one in fault", router(150, faulty), 100, down, only(router(150, faulty)), 0, "FAULT MASTER", "", 0},
		{"with another priority", router(150), 100, nil, only(router(140)), 0, "MASTER BACKUP", "0s V MASTER 140 (priority changed)", 0},
		{"an instance of another ID begins anew", router(150), 100, nil, only(router(150, func(i *vrrp.Instance) { i.ID = 52 })), 0, "MASTER MASTER", "0s V STOP 150; 0s V BACKUP 150; 3.414s V MASTER 150", 1},
		{"an instance that is not in the file any more is given up", router(150), 100, nil, vrrp.Settings{}, 0, "STOP MASTER", "0s V STOP 150", 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := vrrptest.New(1)
			other := router(tt.other)
			other.Version = tt.before.Version
			one, two := n.Add("one", only(tt.before), at(1)), n.Add("two", only(other), at(2))
			if tt.event != nil {
				one.Do(tt.event)
			}
			n.Run(20 * time.Second)
			before, began := len(two.Changes), n.Now()
			succeed(t, n, one, tt.after, tt.pause)
			back := n.Now()
			n.Run(20 * time.Second)
			if got := roles(one, two); got != tt.roles {
				t.Errorf("roles %s, want %s", got, tt.roles)
			}
			if got := since(one, back); got != tt.one {
				t.Errorf("it reports %s, want %s", got, tt.one)
			}
			if got := len(two.Changes) - before; got != tt.others {
				t.Errorf("the other one has changed %d times since %v, want %d: %s", got, began, tt.others, history(two))
			}
		})
	}
}

// What was counted goes on, and so does what a backup has learned of its master.
func TestCountersGoFromProcessToProcess(t *testing.T) {
	n := vrrptest.New(1)
	slow := router(150)
	slow.Interval = 3 * time.Second
	one, two := n.Add("one", only(router(50)), at(1)), n.Add("two", only(slow), at(2))
	n.Run(time.Minute)
	before := one.Machine.States()[0]
	succeed(t, n, one, only(router(50)), 0)
	if after := one.Machine.States()[0]; after != before || before.Interval != slow.Interval || before.Stats.Received[vrrp.Accepted] == 0 {
		t.Errorf("%+v, before it %+v", after, before)
	}
	two.Kill()
	killed := n.Now()
	n.Run(time.Minute)
	if c := one.Changes[len(one.Changes)-1]; c.Role != vrrp.Master || c.At-killed < 6*time.Second || c.At-killed > 12*time.Second {
		t.Errorf("the master is killed at %v, and its backup reports %s", killed, history(one))
	}
}

// Members of a group stay together, and none of them reports anything.
func TestAGroupGoesFromProcessToProcess(t *testing.T) {
	both := vrrp.Settings{Instances: []vrrp.Instance{router(150), router(150, func(i *vrrp.Instance) { i.Name, i.ID = "W", 52 })}, Groups: []vrrp.Group{{Name: "G", Members: []string{"V", "W"}}}}
	n := vrrptest.New(1)
	one := n.Add("one", both, at(1))
	n.Run(20 * time.Second)
	succeed(t, n, one, both, time.Second)
	back := n.Now()
	n.Run(20 * time.Second)
	if got := since(one, back); got != "" || one.Role("V") != vrrp.Master || one.Role("W") != vrrp.Master {
		t.Errorf("it reports %q; roles %v %v", got, one.Role("V"), one.Role("W"))
	}
}

// A master that has been replaced while no process was there hears so, and gives way.
func TestAnInheritedMasterGivesWay(t *testing.T) {
	n := vrrptest.New(1)
	one, two := n.Add("one", only(router(100)), at(1)), n.Add("two", only(router(150)), at(2))
	two.Kill()
	n.Run(20 * time.Second)
	two.Revive(only(router(150)), at(2))
	succeed(t, n, one, only(router(100)), 10*time.Second)
	n.Run(20 * time.Second)
	if got := roles(one, two); got != "BACKUP MASTER" {
		t.Errorf("roles %s", got)
	}
}

// What has no role yet has nothing to hand over.
func TestAnInstanceThatHasNotStartedIsNotHandedOver(t *testing.T) {
	n := vrrptest.New(1)
	s := only(router(150))
	s.StartupDelay = time.Minute
	one := n.Add("one", s, at(1))
	if got := one.Machine.Save(); len(got.Instances) > 0 {
		t.Errorf("%+v", got)
	}
}
