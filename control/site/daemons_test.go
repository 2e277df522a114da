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

// What the file asks for runs, until ipvsadm or another file says otherwise.
func TestTheFileStartsAndStopsDaemons(t *testing.T) {
	file := func(words string) Event {
		return Loaded{Config: config(t, "global_defs {\n"+words+"\n}\n"+web("11")), Host: network()}
	}
	on := "mcast=eth1, syncid=9, maxlen=1472, group=224.0.0.81, port=8848, ttl=1"
	sc := newScene(t)
	for _, c := range []struct {
		law            string
		event          Event
		master, backup string // empty: it does not run
	}{
		{"a file without the word starts none", file(""), "", ""},
		{"without a VRRP instance both run", file("lvs_sync_daemon eth1 id 9"), on, "mcast=eth1, syncid=9, maxlen=8972, group=224.0.0.81, port=8848, ttl=1"},
		{"ipvsadm may stop one", DaemonStopped{daemon.Backup}, on, ""},
		{"the same file changes nothing", file("lvs_sync_daemon eth1 id 9"), on, ""},
		{"a secret is no other daemon", file("lvs_sync_daemon eth1 id 9\nlvsdr_sync_secret word\nlvsdr_sync_peer 10.0.0.2"), on, ""},
		{"another line starts both anew", file("lvs_sync_daemon eth1 id 8"), "mcast=eth1, syncid=8, maxlen=1472, group=224.0.0.81, port=8848, ttl=1",
			"mcast=eth1, syncid=8, maxlen=8972, group=224.0.0.81, port=8848, ttl=1"},
		{"the file takes away what it brought", file(""), "", ""},
		{"what ipvsadm starts stays", DaemonStarted{daemon.Master, daemon.Config{Interface: "eth1", SyncID: 9}}, on, ""},
		{"with such a file, too", file(""), on, ""},
		{"an interface may come later", file("lvs_sync_daemon eth7"), "mcast=eth7, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1",
			"mcast=eth7, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1"},
	} {
		before := sc.s.Sync()
		changes, err := sc.try(c.event)
		if err != nil {
			t.Fatal(err)
		}
		for role, want := range map[daemon.Role]string{daemon.Master: c.master, daemon.Backup: c.backup} {
			if got := sc.s.Daemons().Of(role); got.Runs() != (want != "") || want != "" && got.String() != want {
				t.Errorf("%s: the %v is %v, want %s", c.law, role, got, want)
			}
		}
		if after := sc.s.Sync(); changes.Sync == before.Equal(&after) {
			t.Errorf("%s: the actor is told: %v", c.law, changes.Sync)
		}
	}
	if w := sc.s.Sync(); w.Links != [2]int{} {
		t.Errorf("an interface that there is not has the indexes %v", w.Links)
	}
}

// The connections of another director are fetched by each backup daemon anew, until that one
// says that it has them.
func TestConnectionsAreFetchedByEachBackup(t *testing.T) {
	start := func(r daemon.Role, id uint8) Event {
		return DaemonStarted{r, daemon.Config{Interface: "eth1", SyncID: id}}
	}
	sc := newScene(t)
	for _, c := range []struct {
		law      string
		event    Event
		fetching bool
		number   uint64
	}{
		{"a master fetches nothing", start(daemon.Master, 1), false, 0},
		{"a backup does", start(daemon.Backup, 1), true, 1},
		{"whatever else happens", Admin{Edits: []Edit{{Op: Flush}}}, true, 1},
		{"the host changes", HostChanged{network(without(3))}, true, 1},
		{"it has them", Fetched{1}, false, 1},
		{"it says so again", Fetched{1}, false, 1},
		{"the master ends", DaemonStopped{daemon.Master}, false, 1},
		{"the backup ends", DaemonStopped{daemon.Backup}, false, 2},
		{"another file needs another one", Loaded{Config: config(t, "global_defs {\nlvs_sync_daemon eth0 id 9\n}\n"+web("11")), Host: network()}, true, 3},
		{"an earlier one is late with its word", Fetched{1}, true, 3},
		{"the file changes its domain", Loaded{Config: config(t, "global_defs {\nlvs_sync_daemon eth0 id 8\n}\n"+web("11")), Host: network()}, true, 4},
		{"the one before it is late", Fetched{3}, true, 4},
		{"this one has them", Fetched{4}, false, 4},
		{"a backup that ends before it has them", Loaded{Config: config(t, web("11")), Host: network()}, false, 5},
	} {
		before := sc.s.Fetching()
		changes, err := sc.try(c.event)
		if err != nil {
			t.Fatalf("%s: %v", c.law, err)
		}
		if got := sc.s.Fetching(); got != c.fetching || sc.s.Sync().Number != c.number {
			t.Errorf("%s: fetching %v by number %d, want %v by %d", c.law, got, sc.s.Sync().Number, c.fetching, c.number)
		}
		if changes.Fetching != (before != c.fetching) {
			t.Errorf("%s: VRRP is told: %v", c.law, changes.Fetching)
		}
	}
}
