package director_test

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/connsync/daemon"
	"lvsdr/control/director"
)

// devices are two interfaces, one with jumbo frames.
func devices(name string) int { return map[string]int{"s0": 1500, "s1": 9000}[name] }

// one carries out one edit.
func one(t *testing.T, d *director.Director, e api.Edit) error {
	t.Helper()
	refused, err := d.Edit(t.Context(), []api.Edit{e})
	if err != nil {
		t.Fatal(err)
	}
	return refused[0]
}

func TestDaemonsAreStartedListedAndStopped(t *testing.T) {
	d, _ := newDirector(t)
	start := func(daemon api.Daemon) api.Edit { return api.Edit{Op: api.StartDaemon, Daemon: daemon} }
	stop := func(role string) api.Edit { return api.Edit{Op: api.StopDaemon, Daemon: api.Daemon{Role: role}} }
	if err := one(t, d, start(api.Daemon{Role: api.SyncMaster, Interface: "s0"})); !errors.Is(err, api.ErrNoDevice) {
		t.Errorf("without interfaces: %v", err)
	}
	d.Devices = devices
	master := api.Daemon{Role: api.SyncMaster, Interface: "s1", MaxLen: 1472, Group: addr("224.0.0.81"), Port: 8848, TTL: 1}
	backup := api.Daemon{Role: api.SyncBackup, Interface: "s1", SyncID: 9, MaxLen: 8952, Group: addr("ff02::81"), Port: 1, TTL: 255}
	for _, c := range []struct {
		law  string
		edit api.Edit
		err  error
		then []api.Daemon
	}{
		{"there is nothing to stop", stop(api.SyncMaster), api.ErrNoDaemon, []api.Daemon{}},
		{"an interface is there, or the daemon is not started", start(api.Daemon{Role: api.SyncBackup, Interface: "s9"}), api.ErrNoDevice, []api.Daemon{}},
		{"a backup is started as it is told", start(api.Daemon{Role: api.SyncBackup, Interface: "s1", SyncID: 9, Group: addr("ff02::81"), Port: 1, TTL: 255}), nil, []api.Daemon{backup}},
		{"the master is listed first", start(api.Daemon{Role: api.SyncMaster, Interface: "s1"}), nil, []api.Daemon{master, backup}},
		{"a second master is refused", start(api.Daemon{Role: api.SyncMaster, Interface: "s0"}), api.ErrDaemonRuns, []api.Daemon{master, backup}},
		{"a flush leaves daemons alone", api.Edit{Op: api.Flush}, nil, []api.Daemon{master, backup}},
		{"the backup goes alone", stop(api.SyncBackup), nil, []api.Daemon{master}},
		{"the master goes, too", stop(api.SyncMaster), nil, []api.Daemon{}},
	} {
		if err := one(t, d, c.edit); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: %v, want %v", c.law, err, c.err)
		}
		if got, err := d.Daemons(t.Context()); err != nil || !reflect.DeepEqual(got, c.then) {
			t.Errorf("%s: %+v, %v, want %+v", c.law, got, err, c.then)
		}
	}
}

func TestADaemonThatCannotBeIsRefused(t *testing.T) {
	for text, d := range map[string]api.Daemon{
		`sync daemon "both": neither master nor backup`: {Role: "both"},
		"sync_id 256: not 0 to 255":                     {Role: api.SyncMaster, SyncID: 256},
		"sync_id -1: not 0 to 255":                      {Role: api.SyncMaster, SyncID: -1},
		"max_length 65536: not 0 to 65535":              {Role: api.SyncMaster, MaxLen: 65536},
		"max_length -1: not 0 to 65535":                 {Role: api.SyncMaster, MaxLen: -1},
		"ttl 256: not 0 to 255":                         {Role: api.SyncBackup, TTL: 256},
		"group 10.0.0.1: not a multicast address":       {Role: api.SyncBackup, Group: addr("10.0.0.1")},
		"group ff02::1%eth0: not a multicast address":   {Role: api.SyncBackup, Group: addr("ff02::1%eth0")},
	} {
		x, _ := newDirector(t)
		x.Devices = devices
		d.Interface = "s0"
		if err := one(t, x, api.Edit{Op: api.StartDaemon, Daemon: d}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%+v: %v, want %s", d, err, text)
		}
		if x.Running() != (daemon.Set{}) {
			t.Errorf("%+v runs", d)
		}
	}
}

// Of edits at the same time one starts the daemon.
func TestOneOfManyStartsIsCarriedOut(t *testing.T) {
	d, _ := newDirector(t)
	d.Devices = devices
	var group sync.WaitGroup
	started := make(chan error, 16)
	for range cap(started) {
		group.Go(func() {
			refused, _ := d.Edit(t.Context(), []api.Edit{{Op: api.StartDaemon, Daemon: api.Daemon{Role: api.SyncMaster, Interface: "s0"}}})
			started <- refused[0]
		})
	}
	group.Wait()
	close(started)
	n := 0
	for err := range started {
		if err == nil {
			n++
		} else if !errors.Is(err, api.ErrDaemonRuns) {
			t.Error(err)
		}
	}
	if n != 1 {
		t.Errorf("%d daemons were started", n)
	}
}
