package vrrp_test

import (
	"net/netip"
	"testing"
	"time"

	"lvsdr/control/vrrp"
	"lvsdr/control/vrrp/vrrptest"
)

// script is the tracker of a script with this name.
func script(name string) vrrp.Tracker { return vrrp.Tracker{Kind: "track_script", Name: name} }

func tracks(list ...vrrp.Track) func(*vrrp.Instance) {
	return func(i *vrrp.Instance) { i.Tracks = list }
}

// Priorities and roles by what trackers say, as keepalived 2.2.7 has them (measured for scripts).
func TestTrackersChangePriorityAndRole(t *testing.T) {
	up, down := vrrp.Tracked{Tracker: script("s"), Up: true}, vrrp.Tracked{Tracker: script("s")}
	file := func(n int) vrrp.Tracked { return vrrp.Tracked{Tracker: script("s"), Value: n} }
	one := func(weight int, reverse bool) vrrp.Track {
		return vrrp.Track{Tracker: script("s"), Weight: weight, Reverse: reverse}
	}
	factor := func(weight int, reverse bool) vrrp.Track {
		return vrrp.Track{Tracker: script("s"), Weight: weight, Reverse: reverse, Factor: true}
	}
	for _, tt := range []struct {
		name     string
		track    vrrp.Track
		said     vrrp.Tracked
		base     uint8
		priority uint8
		role     vrrp.Role
	}{
		{"up, weight 5", one(5, false), up, 100, 105, vrrp.Master},
		{"up, weight 5 reverse", one(5, true), up, 100, 95, vrrp.Master},
		{"up, weight -5", one(-5, false), up, 100, 100, vrrp.Master},
		{"up, weight -5 reverse", one(-5, true), up, 100, 100, vrrp.Master},
		{"up, weight 0", one(0, false), up, 100, 100, vrrp.Master},
		{"up, weight 0 reverse", one(0, true), up, 100, 100, vrrp.Fault},
		{"down, weight 5", one(5, false), down, 100, 100, vrrp.Master},
		{"down, weight 5 reverse", one(5, true), down, 100, 100, vrrp.Master},
		{"down, weight -5", one(-5, false), down, 100, 95, vrrp.Master},
		{"down, weight -5 reverse", one(-5, true), down, 100, 105, vrrp.Master},
		{"down, weight 0", one(0, false), down, 100, 100, vrrp.Fault},
		{"down, weight 0 reverse", one(0, true), down, 100, 100, vrrp.Master},
		{"not below 1", one(-200, false), down, 100, 1, vrrp.Master},
		{"not above 254", one(200, false), up, 100, 254, vrrp.Master},
		{"an owner stays one", one(-200, false), down, vrrp.Owner, vrrp.Owner, vrrp.Master},
		{"a file, times its weight", factor(3, false), file(7), 100, 121, vrrp.Master},
		{"a file, reversed", factor(3, true), file(7), 100, 79, vrrp.Master},
		{"a file that says -254", factor(1, false), file(-254), 100, 1, vrrp.Fault},
		{"a file that says much", factor(10, false), file(1000), 100, 254, vrrp.Master},
		{"a file without a weight that says 0", factor(0, false), file(0), 100, 100, vrrp.Master},
		{"a file without a weight that says 1", factor(0, false), file(1), 100, 100, vrrp.Fault},
		{"the same, reversed", factor(0, true), file(1), 100, 100, vrrp.Master},
		{"one that has said nothing is up", vrrp.Track{Tracker: script("other")}, up, 100, 100, vrrp.Master},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := vrrptest.New(1)
			d := n.Add("one", only(router(tt.base, tracks(tt.track))), at(1))
			d.Do(func(m *vrrp.Machine, now int64) { m.Track(now, tt.said) })
			n.Run(10 * time.Second)
			if s := d.Machine.States()[0]; s.Role != tt.role || s.Priority != tt.priority {
				t.Errorf("%v %d, want %v %d", s.Role, s.Priority, tt.role, tt.priority)
			}
		})
	}
}

func TestAFaultTakesTheRoleAndGivesItBack(t *testing.T) {
	n, one, other := two(router(150, tracks(vrrp.Track{Tracker: script("s")})), router(100))
	say := func(up bool) {
		one.Do(func(m *vrrp.Machine, now int64) { m.Track(now, vrrp.Tracked{Tracker: script("s"), Up: up}) })
	}
	say(false)
	n.Run(time.Second)
	wantHistory(t, one, "10s V FAULT 150")
	if other.Role("V") != vrrp.Master {
		t.Error("the other is no master within its skew, though the first one said that it leaves")
	}
	say(true)
	n.Run(10 * time.Second)
	if got := roles(one, other); got != "MASTER BACKUP" {
		t.Errorf("afterwards: %s", got)
	}
}

func TestAPriorityThatFallsBelowTheOthersGivesTheRoleAway(t *testing.T) {
	n, one, other := two(router(110, tracks(vrrp.Track{Tracker: script("s"), Weight: -20})), router(100))
	one.Do(func(m *vrrp.Machine, now int64) { m.Track(now, vrrp.Tracked{Tracker: script("s")}) })
	n.Run(10 * time.Second)
	if got := roles(one, other); got != "BACKUP MASTER" {
		t.Errorf("%s: %s", got, history(one))
	}
	if c := one.Changes[0]; c.Cause != vrrp.PriorityChanged || c.Priority != 90 || c.Role != vrrp.Master {
		t.Errorf("first change %+v", c)
	}
}

func TestWithoutASourceAddressAnInstanceIsInFault(t *testing.T) {
	n := vrrptest.New(1)
	d := n.Add("one", only(router(100)), nil)
	n.Run(10 * time.Second)
	d.Do(func(m *vrrp.Machine, now int64) { m.Source(now, segment, false, netip.MustParseAddr("10.0.0.1")) })
	n.Run(10 * time.Second)
	d.Do(func(m *vrrp.Machine, now int64) { m.Source(now, segment, false, netip.Addr{}) })
	wantHistory(t, d, "0s V FAULT 100; 10s V BACKUP 100; 13.609s V MASTER 100; 20s V FAULT 100")
	named := vrrptest.New(1)
	e := named.Add("one", only(router(100, func(i *vrrp.Instance) { i.Source = netip.MustParseAddr("10.0.0.9") })), nil)
	wantHistory(t, e, "0s V BACKUP 100")
}

// grouped are two instances in a group, on two segments.
func grouped(v, w uint8, change ...func(*vrrp.Instance)) vrrp.Settings {
	i := router(v, change...)
	j := router(w, change...)
	j.Name, j.ID, j.Interface = "W", 52, "eth1"
	return vrrp.Settings{Instances: []vrrp.Instance{i, j}, Groups: []vrrp.Group{{Name: "G", Members: []string{"V", "W"}}}}
}

func TestAGroupIsMasterWhenAllItsTimersHaveRunOut(t *testing.T) {
	n := vrrptest.New(1)
	d := n.Add("one", grouped(100, 50), at(1, "eth1"))
	n.Run(10 * time.Second)
	wantHistory(t, d, "0s V BACKUP 100; 0s W BACKUP 50; 0s group G BACKUP 0; 3.805s V MASTER 100; 3.805s W MASTER 50; 3.805s group G MASTER 0")
}

func TestAFaultOfOneMemberIsAFaultOfAll(t *testing.T) {
	n := vrrptest.New(1)
	s := grouped(150, 150)
	s.Instances[1].Tracks = []vrrp.Track{{Tracker: script("s")}}
	one := n.Add("one", s, at(1, "eth1"))
	other := n.Add("other", grouped(100, 100), at(2, "eth1"))
	n.Run(10 * time.Second)
	one.Changes = nil
	one.Do(func(m *vrrp.Machine, now int64) { m.Track(now, vrrp.Tracked{Tracker: script("s")}) })
	n.Run(time.Second)
	wantHistory(t, one, "10s V FAULT 150; 10s W FAULT 150; 10s group G FAULT 0")
	if other.Role("V") != vrrp.Master || other.Role("W") != vrrp.Master {
		t.Errorf("the other: %s", history(other))
	}
}

func TestTrackersOfAGroupCountForAllMembers(t *testing.T) {
	n := vrrptest.New(1)
	s := grouped(100, 90)
	s.Groups[0].Tracks = []vrrp.Track{{Tracker: script("s"), Weight: 5}}
	d := n.Add("one", s, at(1, "eth1"))
	st := d.Machine.States()
	if st[0].Priority != 105 || st[1].Priority != 95 {
		t.Errorf("priorities %d and %d, want 105 and 95", st[0].Priority, st[1].Priority)
	}
}

// Two directors of which each is better on one segment: one has both.
func TestGroupsOfCrossedPrioritiesDoNotSplitNorFlap(t *testing.T) {
	n := vrrptest.New(1)
	one := n.Add("one", grouped(150, 50), at(1, "eth1"))
	other := n.Add("other", grouped(100, 100), at(2, "eth1"))
	nodes := []*vrrptest.Node{one, other}
	watchGroups(t, n, &nodes)
	n.Run(10 * time.Second)
	settled(t, n, "start")
	one.Changes, other.Changes = nil, nil
	n.Run(time.Minute)
	settled(t, n, "a minute later")
	if len(one.Changes)+len(other.Changes) > 0 {
		t.Errorf("changes: %s; %s", history(one), history(other))
	}
}

func TestAReload(t *testing.T) {
	master := "10s V MASTER 150"
	for _, tt := range []struct {
		name   string
		change func(*vrrp.Settings)
		want   string // what it reports
		role   string
	}{
		{"that changes nothing changes nothing", func(*vrrp.Settings) {}, "", "MASTER"},
		{"with another priority keeps the role", func(s *vrrp.Settings) { s.Instances[0].Priority = 140 }, "10s V MASTER 140 (priority changed)", "MASTER"},
		{"with other addresses keeps it", func(s *vrrp.Settings) { s.Instances[0].Addresses = nil }, "", "MASTER"},
		{"with another interval keeps it", func(s *vrrp.Settings) { s.Instances[0].Interval = 100 * time.Millisecond }, "", "MASTER"},
		{"with another virtual router ID begins anew", func(s *vrrp.Settings) { s.Instances[0].ID = 9 }, "10s V STOP 150; 10s V BACKUP 150", "BACKUP"},
		{"with another version begins anew", func(s *vrrp.Settings) { s.Instances[0].Version = 2 }, "10s V STOP 150; 10s V BACKUP 150", "BACKUP"},
		{"without the instance stops it", func(s *vrrp.Settings) { s.Instances = nil }, "10s V STOP 150", "STOP"},
		{"with one more starts that", func(s *vrrp.Settings) {
			i := router(100)
			i.Name, i.ID = "X", 99
			s.Instances = append(s.Instances, i)
		}, "10s X BACKUP 100", "MASTER"},
		{"with a fault is a fault", func(s *vrrp.Settings) { s.Instances[0].Tracks = []vrrp.Track{{Tracker: script("s"), Reverse: true}} }, "10s V FAULT 150", "FAULT"},
		{"that makes a group of a master and a new one makes both masters", func(s *vrrp.Settings) { *s = grouped(150, 150) }, "10s W MASTER 150", "MASTER"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n, one, _ := two(router(150), router(100))
			s := only(router(150))
			tt.change(&s)
			one.Do(func(m *vrrp.Machine, now int64) {
				m.Source(now, "eth1", false, netip.MustParseAddr("10.1.0.1"))
				m.Set(now, s)
			})
			wantHistory(t, one, tt.want)
			if got := one.Role("V").String(); got != tt.role {
				t.Errorf("role %s, want %s (it was %s)", got, tt.role, master)
			}
			n.Run(time.Second)
		})
	}
}

func TestAClosedMachineDoesNothingMore(t *testing.T) {
	n := vrrptest.New(1)
	d := n.Add("one", grouped(100, 100), at(1, "eth1"))
	n.Run(10 * time.Second)
	d.Changes = nil
	sent := n.Packets
	d.Do((*vrrp.Machine).Close)
	d.Do((*vrrp.Machine).Close)
	d.Do(func(m *vrrp.Machine, now int64) {
		m.Set(now, grouped(100, 100))
		m.Track(now, vrrp.Tracked{Tracker: script("s")})
		m.Source(now, segment, false, netip.Addr{})
		m.Tick(now)
	})
	n.Run(10 * time.Second)
	wantHistory(t, d, "10s V STOP 100; 10s W STOP 100; 10s group G STOP 0")
	if n.Packets != sent+2 { // each with priority 0
		t.Errorf("%d packets, want 2", n.Packets-sent)
	}
}
