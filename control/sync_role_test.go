package control

import (
	"strings"
	"testing"

	daemons "lvsdr/control/connsync/daemon"
	"lvsdr/control/vrrp"
)

// runningDaemons are the daemons that the actor of connection sync has.
func runningDaemons(r *rig) string {
	var all []string
	for _, role := range daemons.Roles {
		if r.Fakes.Sync.Of(role).Runs() {
			all = append(all, role.String())
		}
	}
	return strings.Join(all, " ")
}

// With lvs_sync_daemon INTERFACE INSTANCE the master daemon runs while that instance is master, and the
// backup daemon while it is not, whatever it is instead; other instances do not count. Without an
// instance both run all the time.
func TestTheDaemonsFollowTheRoleOfTheirInstance(t *testing.T) {
	routers := virtualRouter("A", 51, "", vip) + virtualRouter("B", 52, "", other)
	services := service(vip, rs1) + service(other, rs2)
	steps := []struct {
		instance string
		role     vrrp.Role
		want     string // of A's daemons
	}{
		{"A", vrrp.Backup, "backup"},
		{"B", vrrp.Master, "backup"},
		{"A", vrrp.Master, "master"},
		{"B", vrrp.Backup, "master"},
		{"B", vrrp.Fault, "master"},
		{"A", vrrp.Fault, "backup"},
		{"A", vrrp.Backup, "backup"},
		{"A", vrrp.Master, "master"},
		{"A", vrrp.Init, "backup"},
	}
	for _, c := range []struct {
		name, line string
		always     bool
	}{{"with its instance", "lvs_sync_daemon eth1 A id 5", false}, {"with the word inst", "lvs_sync_daemon eth1 inst A id 5", false}, {"without one", "lvs_sync_daemon eth1 id 5", true}} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := running(t, "global_defs {\n "+c.line+"\n}\n"+routers+services)
				check := func(when, want string) {
					t.Helper()
					if c.always {
						want = "master backup"
					}
					if got := runningDaemons(r); got != want {
						t.Errorf("%s: %q run, want %q", when, got, want)
					}
				}
				check("before it has a role", "backup")
				for _, s := range steps {
					r.role(s.instance, s.role)
					check(s.instance+" is "+s.role.String(), s.want)
				}
			})
		})
	}
}

// A daemon that takes the other's place has its interface and domain, and the backup that comes
// again asks for the table anew.
func TestAChangeOfRolesKeepsInterfaceAndDomain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, "global_defs {\n lvs_sync_daemon eth1 A id 5\n}\n"+virtualRouter("A", 51, "", vip)+service(vip, rs1))
		first := r.Fakes.Sync.Number
		for range 3 {
			r.role("A", vrrp.Master)
			if d := r.Fakes.Sync.Of(daemons.Master); d.Interface != "eth1" || d.SyncID != 5 || r.Fakes.Sync.Links[daemons.Master] != eth1.Index {
				t.Errorf("as the master: %+v, links %v", d, r.Fakes.Sync.Links)
			}
			before := r.Fakes.Sync.Number
			r.role("A", vrrp.Backup)
			w := r.Fakes.Sync
			if d := w.Of(daemons.Backup); d.Interface != "eth1" || d.SyncID != 5 || w.Links[daemons.Backup] != eth1.Index || w.Number <= before {
				t.Errorf("as a backup again: %+v, links %v, number %d after %d", d, w.Links, w.Number, before)
			}
		}
		if r.Fakes.Sync.Number == first {
			t.Error("no backup asks for the table anew")
		}
	})
}
