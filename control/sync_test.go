package control

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
	daemons "lvsdr/control/connsync/daemon"
	"lvsdr/control/director"
	"lvsdr/control/hostnet"
	"lvsdr/control/site"
	"lvsdr/control/vrrp"
	"lvsdr/dataplane/frame"
)

// listed are the daemons that ipvsadm lists, by role.
func listed(r *rig) []string {
	r.Helper()
	a := &admin{loop: r.l}
	all, err := a.Daemons(r.Context())
	if err != nil {
		r.Fatal(err)
	}
	roles := []string{}
	for _, d := range all {
		roles = append(roles, d.Role+" "+d.Interface)
	}
	return roles
}

func TestDaemonsOfIpvsadmReachTheActorAndOutliveReloads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		master := api.Edit{Op: api.StartDaemon, Daemon: api.Daemon{Role: api.SyncMaster, Interface: "eth1", SyncID: 7}}
		errs := asked(r, master, master,
			api.Edit{Op: api.StartDaemon, Daemon: api.Daemon{Role: api.SyncBackup, Interface: "eth9"}},
			api.Edit{Op: api.StopDaemon, Daemon: api.Daemon{Role: api.SyncBackup}},
			api.Edit{Op: api.StartDaemon, Daemon: api.Daemon{Role: "both", Interface: "eth1"}},
			api.Edit{Op: api.StopDaemon, Daemon: api.Daemon{Role: "both"}},
			api.Edit{Op: api.StartDaemon, Daemon: api.Daemon{Role: api.SyncBackup, Interface: "eth0"}})
		for i, want := range []error{nil, api.ErrDaemonRuns, api.ErrNoDevice, api.ErrNoDaemon} {
			if !errors.Is(errs[i], want) || (errs[i] == nil) != (want == nil) {
				t.Errorf("edit %d: %v, want %v", i, errs[i], want)
			}
		}
		if errs[4] == nil || errs[5] == nil || errs[6] != nil {
			t.Errorf("a role that there is not, and a good one: %v", errs[4:])
		}
		want := daemons.Wish{Links: [2]int{eth1.Index, eth0.Index}, Number: 1}
		want.Master = daemons.Config{Interface: "eth1", SyncID: 7}.WithDefaults(daemons.Master, eth1.MTU)
		want.Backup = daemons.Config{Interface: "eth0"}.WithDefaults(daemons.Backup, eth0.MTU)
		if got := r.Fakes.Sync; !reflect.DeepEqual(got, want) {
			t.Errorf("the actor has %+v, want %+v", got, want)
		}
		if got := listed(r); !slices.Equal(got, []string{"master eth1", "backup eth0"}) {
			t.Errorf("listed are %q", got)
		}
		r.Calls = nil
		if _, err := r.reload(service(vip, rs2)); err != nil {
			t.Fatal(err)
		}
		if got := r.Fakes.Sync; !reflect.DeepEqual(got, want) || slices.Contains(r.Calls, "sync.Set") {
			t.Errorf("after a reload the actor has %+v; calls %q", got, r.Calls)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// Servers in no service to which another director's connections go are asked for their MAC
// addresses, and the director is told of those; both end with the connections.
func TestServersOfOtherDirectorsConnectionsAreReached(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		asked := len(r.Targets)
		strange := ip("10.0.0.77")
		for range 3 { // seconds
			r.l.tellStrangers([]frame.Addr{frame.AddrFrom(strange)})
			r.pass(time.Second)
		}
		if len(r.Targets) != asked+1 {
			t.Errorf("targets %+v", r.Targets)
		}
		mac := frame.MAC{2, 0, 0, 0, 0, 77}
		r.l.box.put(nil, site.Neighbour{Addr: strange, Ifindex: eth1.Index, MAC: mac})
		r.pass(time.Second)
		if h := r.Hops[strange]; h.MAC != mac || h.Link != eth1 {
			t.Errorf("reached by %+v", h)
		}
		r.l.tellStrangers(nil)
		r.pass(time.Second)
		if _, still := r.Hops[strange]; still || len(r.Targets) != asked {
			t.Errorf("when its connections have ended: %+v, targets %+v", r.Hops, r.Targets)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// VRRP takes no address from a master that has connections which this host still fetches: it is told so before it has
// the instances, and told of the end.
func TestVRRPWaitsForTheConnectionsOfTheMaster(t *testing.T) {
	bubble(t, func(t *testing.T) {
		daemon := "global_defs {\n lvs_sync_daemon eth1 A id 5\n}\n"
		file := daemon + virtualRouter("A", 51, "", vip)
		r := running(t, file+service(vip, rs1))
		hold := func(when string, want bool) {
			t.Helper()
			if len(r.Election.Instances) != 1 || r.Election.Hold != want {
				t.Errorf("%s: %d instances, hold %v, want %v", when, len(r.Election.Instances), r.Election.Hold, want)
			}
		}
		hold("at the start", true)
		if r.Fakes.Sync.Number != 1 {
			t.Errorf("the backup has number %d", r.Fakes.Sync.Number)
		}
		r.put(site.Fetched{Backup: 0})
		hold("another backup has them", true)
		r.put(site.Fetched{Backup: 1})
		hold("the connections are here", false)
		r.role("A", vrrp.Master)
		hold("as master", false)
		r.role("A", vrrp.Backup)
		hold("as a backup again", true)
		r.put(site.Fetched{Backup: 1})
		hold("the first backup speaks late", true)
		r.put(site.Fetched{Backup: r.Fakes.Sync.Number})
		hold("they are here again", false)
		if _, err := r.reload(file + service(vip, rs2)); err != nil {
			t.Fatal(err)
		}
		hold("after a reload", false)
	})
}

// A daemon whose interface comes again has another index to bind to.
func TestTheActorIsToldWhenAnInterfaceComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		if errs := asked(r, api.Edit{Op: api.StartDaemon, Daemon: api.Daemon{Role: api.SyncBackup, Interface: "eth1"}}); errs[0] != nil {
			t.Fatal(errs[0])
		}
		again := eth1
		again.Index = 8
		for _, c := range []struct {
			links []hostnet.Link
			want  int
		}{{[]hostnet.Link{eth0}, 0}, {[]hostnet.Link{eth0, again}, 8}, {[]hostnet.Link{eth0, eth1}, eth1.Index}} {
			r.Snapshot = network(c.links...)
			r.put(hostChanged{})
			if got := r.Fakes.Sync.Links[daemons.Backup]; got != c.want {
				t.Errorf("with %v the index is %d, want %d", c.links, got, c.want)
			}
		}
	})
}

func TestADaemonThatFailsIsToldOfAndTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, rs1))
		r.Fail = func(call string) error {
			if call == "sync.Set" {
				return errors.New("address in use")
			}
			return nil
		}
		if errs := asked(r, api.Edit{Op: api.StartDaemon, Daemon: api.Daemon{Role: api.SyncBackup, Interface: "eth1"}}); errs[0] != nil {
			t.Fatalf("what is to run is the director's business: %v", errs[0])
		}
		if p := r.l.view.Load().Problems; len(p) != 1 || !strings.Contains(p[0], "connection sync: address in use") {
			t.Errorf("problems %q", p)
		}
		r.Fail = nil
		r.pass(2 * maxRetry)
		if p := r.l.view.Load().Problems; len(p) != 0 || !r.Fakes.Sync.Backup.Runs() {
			t.Errorf("problems %q, the actor has %+v", p, r.Fakes.Sync)
		}
	})
}

// The engine's own administration knows no daemons of the site.
func TestEventsOfEditsThatAreNotOfTheTable(t *testing.T) {
	for op, isEvent := range map[api.EditOp]bool{api.SetTimeouts: true, api.StartDaemon: true, api.StopDaemon: true, api.Zero: false} {
		e, err := eventOf(&api.Edit{Op: op, Daemon: api.Daemon{Role: api.SyncMaster}})
		if err != nil || (e != nil) != isEvent {
			t.Errorf("%s: %v, %v", op, e, err)
		}
	}
	if got := director.WireDaemons(daemons.Set{}); got == nil || len(got) != 0 {
		t.Errorf("no daemons are %#v", got)
	}
}
