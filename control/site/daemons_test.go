package site

import (
	"errors"
	"testing"

	"lvsdr/control/connsync/daemon"
)

// What ipvsadm starts runs until ipvsadm stops it, whatever becomes of services, the file
// and the host's links.
func TestDaemonsOfIpvsadmOutliveReloads(t *testing.T) {
	sc := newScene(t)
	want := daemon.Set{}
	for _, c := range []struct {
		law   string
		event Event
		err   error
		role  daemon.Role
		now   string // the daemon of role afterwards; empty: none
		moved bool   // the actor is to be told
	}{
		{"an interface that is not there is refused", DaemonStarted{daemon.Master, daemon.Config{Interface: "s9"}}, daemon.ErrNoDevice, daemon.Master, "", false},
		{"what does not run cannot be stopped", DaemonStopped{daemon.Master}, daemon.ErrNone, daemon.Master, "", false},
		{"a daemon is started with what IPVS starts it with", DaemonStarted{daemon.Master, daemon.Config{Interface: "eth1"}}, nil,
			daemon.Master, "mcast=eth1, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1", true},
		{"it is started once", DaemonStarted{daemon.Master, daemon.Config{Interface: "eth0"}}, daemon.ErrRuns,
			daemon.Master, "mcast=eth1, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1", false},
		{"the other role is another daemon", DaemonStarted{daemon.Backup, daemon.Config{Interface: "eth1", SyncID: 9}}, nil,
			daemon.Backup, "mcast=eth1, syncid=9, maxlen=8972, group=224.0.0.81, port=8848, ttl=1", true},
		{"a file says nothing of it", Loaded{Config: config(t, web("11")), Host: network()}, nil,
			daemon.Master, "mcast=eth1, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1", false},
		{"another file neither", Loaded{Config: config(t, web("12")), Host: network()}, nil,
			daemon.Backup, "mcast=eth1, syncid=9, maxlen=8972, group=224.0.0.81, port=8848, ttl=1", false},
		{"a flush is about services", Admin{Edits: []Edit{{Op: Flush}}}, nil,
			daemon.Backup, "mcast=eth1, syncid=9, maxlen=8972, group=224.0.0.81, port=8848, ttl=1", false},
		{"a daemon waits for its interface", HostChanged{network(without(3))}, nil,
			daemon.Backup, "mcast=eth1, syncid=9, maxlen=8972, group=224.0.0.81, port=8848, ttl=1", true},
		{"one is not started without it", DaemonStarted{daemon.Master, daemon.Config{Interface: "eth1"}}, daemon.ErrNoDevice,
			daemon.Master, "mcast=eth1, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1", false},
		{"and has it when it comes back", HostChanged{network()}, nil,
			daemon.Backup, "mcast=eth1, syncid=9, maxlen=8972, group=224.0.0.81, port=8848, ttl=1", true},
		{"one daemon stops alone", DaemonStopped{daemon.Master}, nil, daemon.Master, "", true},
		{"and then the other", DaemonStopped{daemon.Backup}, nil, daemon.Backup, "", true},
	} {
		changes, err := sc.try(c.event)
		if !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.law, err, c.err)
		}
		got := sc.s.Daemons()
		if text := got.Of(c.role).String(); got.Of(c.role).Runs() != (c.now != "") || c.now != "" && text != c.now {
			t.Errorf("%s: %s, want %s", c.law, text, c.now)
		}
		if other := daemon.Roles[1-c.role]; c.err == nil && got.Of(other) != want.Of(other) {
			t.Errorf("%s: %v was %v", c.law, got.Of(other), want.Of(other))
		}
		if changes.Sync != c.moved {
			t.Errorf("%s: the actor is told: %v", c.law, changes.Sync)
		}
		want = got
	}
}
