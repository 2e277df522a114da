package vrrp

import (
	"net/netip"
	"time"
)

// A Standing holds what a process knows of VRRP that another one goes on with: it has the same roles, and no
// other router hears that there was a change. It is plain data.
type Standing struct {
	Instances []Saved
	Trackers  []Tracked // what they have said last
}

// A Saved is an instance as it is now.
type Saved struct {
	Settings Instance
	Role     Role
	Priority uint8         // in force
	Interval time.Duration // of the master
	Master   netip.Addr    // whose advert was accepted last; invalid: nobody's
	Stats    Stats
}

// Save gives the instances that have a role, and the trackers.
func (m *Machine) Save() (s Standing) {
	for _, i := range m.instances {
		if i.started() {
			s.Instances = append(s.Instances, Saved{i.s, i.role, i.priority, i.interval, i.master, i.stats})
		}
	}
	for _, t := range m.trackers {
		s.Trackers = append(s.Trackers, t)
	}
	return s
}

// Inherit has the first Set, which comes after it, keep these instances as if it were not the first. A master speaks at once; a
// backup waits anew for its master.
func (m *Machine) Inherit(s Standing) {
	for _, in := range s.Instances {
		if i := (&instance{s: in.Settings, role: in.Role, priority: in.Priority, interval: in.Interval, master: in.Master, stats: in.Stats}); i.started() {
			m.heirs = append(m.heirs, i)
		}
	}
	for _, t := range s.Trackers {
		m.trackers[t.Tracker] = t
	}
}

// Save gives what another process needs to go on.
func (a *Actor) Save() (s Standing) {
	_ = a.call(func() { s = a.machine.Save() }) // a closed Actor has nothing
	return s
}

// Leave ends the Actor as if it had not been there: another process goes on with its instances. It may be called more than once.
func (a *Actor) Leave() error {
	a.put(func() { a.stop = true })
	return a.end()
}
