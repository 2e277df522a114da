package vrrp_test

import (
	"testing"
	"time"

	"lvsdr/control/vrrp"
	"lvsdr/control/vrrp/vrrptest"
)

// holding are the settings of i alone, with Hold.
func holding(i vrrp.Instance) vrrp.Settings {
	s := only(i)
	s.Hold = true
	return s
}

// since are d's changes from a moment on, counted from then.
func since(d *vrrptest.Node, begin time.Duration) string {
	kept := d.Changes[:0]
	for _, c := range d.Changes {
		if c.At >= begin {
			c.At -= begin
			kept = append(kept, c)
		}
	}
	d.Changes = kept
	return history(d)
}

// A host that returns with Hold takes over from a silent master as always, and from one that it hears only when Hold
// has ended, or after HoldAtMost.
func TestAHeldBackupTakesOverFromSilentMastersOnly(t *testing.T) {
	const step = 5 * time.Second // from the return to what happens
	owner := func(i *vrrp.Instance) { i.StartMaster, i.Priority = true, vrrp.Owner }
	release := func(i vrrp.Instance) func(*vrrptest.Net, *vrrptest.Node, *vrrptest.Node) {
		return func(_ *vrrptest.Net, one, _ *vrrptest.Node) {
			one.Do(func(m *vrrp.Machine, now int64) { m.Set(now, only(i)) })
		}
	}
	nothing := func(*vrrptest.Net, *vrrptest.Node, *vrrptest.Node) {}
	kill := func(_ *vrrptest.Net, _, other *vrrptest.Node) { other.Kill() }
	for _, tt := range []struct {
		name   string
		higher vrrp.Instance
		event  func(n *vrrptest.Net, one, other *vrrptest.Node)
		// master is when it is master after its return: within these bounds. Both 0: never.
		from, to time.Duration
	}{
		{"until the bound", router(150), nothing, vrrp.HoldAtMost + 2*time.Second, vrrp.HoldAtMost + 4500*time.Millisecond},
		{"until it ends", router(150), release(router(150)), step + 2*time.Second, step + 4500*time.Millisecond},
		{"the other one dies", router(150), kill, step + 2*time.Second, step + 3500*time.Millisecond},
		{"the other one stops", router(150), func(_ *vrrptest.Net, _, other *vrrptest.Node) { other.Do((*vrrp.Machine).Close) }, step, step + 500*time.Millisecond},
		{"with nopreempt it stays a backup", router(150, stays), release(router(150, stays)), 0, 0},
		{"preempt_delay counts from the end", router(150, delayed), release(router(150, delayed)), step, step + 15*time.Second},
		{"an owner listens first", router(150, owner), nothing, vrrp.HoldAtMost + 2*time.Second, vrrp.HoldAtMost + 4500*time.Millisecond},
		{"and is master when it hears none", router(150, owner), kill, step + 2*time.Second, step + 3500*time.Millisecond},
		{"a lower one never is", router(50), release(router(50)), 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := vrrptest.New(1)
			one, other := n.Add("one", only(tt.higher), at(1)), n.Add("other", only(router(100)), at(2))
			one.Kill()
			n.Run(10 * time.Second)
			back := n.Now()
			one.Revive(holding(tt.higher), at(1))
			n.Run(step)
			if got := roles(one, other); got != "BACKUP MASTER" {
				t.Fatalf("it returns: %s", got)
			}
			tt.event(n, one, other)
			n.Run(time.Minute)
			got := since(one, back)
			var master time.Duration
			for _, c := range one.Changes {
				if c.Role == vrrp.Master {
					master = c.At
				}
			}
			if master < tt.from || master > tt.to {
				t.Errorf("%s; want it to be master from %v to %v", got, tt.from, tt.to)
			}
			if masters := n.Masters("V"); len(masters) != 1 {
				t.Errorf("masters %v", masters)
			}
		})
	}
}

func delayed(i *vrrp.Instance) { i.PreemptDelay = 10 * time.Second }

// Hold takes nothing from a master, and counts anew when it is set again.
func TestHoldIsAboutBackupsAndCountsAnew(t *testing.T) {
	n, one, other := two(router(150), router(100))
	set := func(s vrrp.Settings) { one.Do(func(m *vrrp.Machine, now int64) { m.Set(now, s) }) }
	set(holding(router(150)))
	n.Run(time.Minute)
	if got := roles(one, other); got != "MASTER BACKUP" {
		t.Errorf("a master that is held: %s", got)
	}
	one.Kill()
	n.Run(10 * time.Second)
	one.Revive(holding(router(150)), at(1))
	for range 3 { // each time it is set anew within its bound
		n.Run(vrrp.HoldAtMost - 5*time.Second)
		set(only(router(150)))
		set(holding(router(150)))
	}
	if got := roles(one, other); got != "BACKUP MASTER" {
		t.Errorf("while it is set again and again: %s", got)
	}
	for range 3 { // the same settings do not begin it anew
		n.Run(12 * time.Second)
		set(holding(router(150)))
	}
	if got := roles(one, other); got != "MASTER BACKUP" {
		t.Errorf("after its bound: %s", got)
	}
}

// A host without anybody else is as soon master with Hold as without it; but an owner listens.
func TestAHostAloneDoesNotWaitForHold(t *testing.T) {
	for _, s := range []vrrp.Settings{only(router(100)), holding(router(100))} {
		n := vrrptest.New(1)
		d := n.Add("one", s, at(1))
		n.Run(10 * time.Second)
		wantHistory(t, d, "0s V BACKUP 100; 3.609s V MASTER 100")
	}
	n := vrrptest.New(1)
	d := n.Add("one", holding(router(vrrp.Owner, func(i *vrrp.Instance) { i.StartMaster = true })), at(1))
	n.Run(10 * time.Second)
	wantHistory(t, d, "0s V BACKUP 255; 3.004s V MASTER 255")
}

// Members of a group are held together: they go when all may.
func TestAHeldGroupPreemptsTogether(t *testing.T) {
	group := func(priority uint8, hold bool) vrrp.Settings {
		a := router(priority)
		b := router(priority, func(i *vrrp.Instance) { i.Name, i.ID = "W", 52 })
		return vrrp.Settings{Instances: []vrrp.Instance{a, b}, Groups: []vrrp.Group{{Name: "G", Members: []string{"V", "W"}}}, Hold: hold}
	}
	n := vrrptest.New(1)
	other := n.Add("other", group(100, false), at(2))
	n.Run(10 * time.Second)
	one := n.Add("one", group(150, true), at(1))
	n.Run(20 * time.Second)
	for _, name := range []string{"V", "W"} {
		if one.Role(name) != vrrp.Backup || other.Role(name) != vrrp.Master {
			t.Errorf("held: %s is %v and %v", name, one.Role(name), other.Role(name))
		}
	}
	one.Do(func(m *vrrp.Machine, now int64) { m.Set(now, group(150, false)) })
	n.Run(10 * time.Second)
	for _, name := range []string{"V", "W"} {
		if one.Role(name) != vrrp.Master || other.Role(name) != vrrp.Backup {
			t.Errorf("released: %s is %v and %v", name, one.Role(name), other.Role(name))
		}
	}
}

// With unicast_fault_no_peer an instance without peers is in fault, as with keepalived 2.2.7, also if nothing else speaks of
// unicast; it comes out of it with a peer.
func TestAnInstanceThatNeedsAPeerIsInFaultWithoutOne(t *testing.T) {
	needs := func(i *vrrp.Instance) { i.NeedsPeer = true }
	peer := func(i *vrrp.Instance) { i.Peers = []vrrp.Peer{{Addr: at(2)[segment]}} }
	for _, tt := range []struct {
		name string
		i    vrrp.Instance
		want string
	}{
		{"without a peer", router(100, needs), "0s V FAULT 100"},
		{"an owner", router(vrrp.Owner, needs, func(i *vrrp.Instance) { i.StartMaster = true }), "0s V FAULT 255"},
		{"with a peer", router(100, needs, peer), "0s V BACKUP 100; 3.609s V MASTER 100"},
		{"one that needs none", router(100), "0s V BACKUP 100; 3.609s V MASTER 100"},
	} {
		n := vrrptest.New(1)
		d := n.Add("one", only(tt.i), at(1))
		n.Run(10 * time.Second)
		if got := history(d); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	n := vrrptest.New(1)
	d := n.Add("one", only(router(100, needs)), at(1))
	n.Run(time.Second)
	d.Do(func(m *vrrp.Machine, now int64) { m.Set(now, only(router(100, needs, peer))) })
	n.Run(10 * time.Second)
	if got := d.Role("V"); got != vrrp.Master {
		t.Errorf("with a peer from a reload it is %v", got)
	}
	d.Do(func(m *vrrp.Machine, now int64) { m.Set(now, only(router(100, needs))) })
	if got := d.Role("V"); got != vrrp.Fault {
		t.Errorf("without it again it is %v", got)
	}
}
