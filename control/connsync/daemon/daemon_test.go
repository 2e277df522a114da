package daemon_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"

	"lvsdr/control/connsync/daemon"
)

func TestDefaultsOfADaemonAreThoseOfIPVS(t *testing.T) {
	v6 := netip.MustParseAddr("ff02::81")
	for _, c := range []struct {
		law  string
		role daemon.Role
		in   daemon.Config
		mtu  int
		want string
	}{
		{"a master has the group, port and TTL of IPVS", daemon.Master, daemon.Config{Interface: "s0"}, 1500,
			"mcast=s0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1"},
		{"a master sends small packets whatever its interface could send", daemon.Master, daemon.Config{Interface: "s0", SyncID: 7}, 9000,
			"mcast=s0, syncid=7, maxlen=1472, group=224.0.0.81, port=8848, ttl=1"},
		{"a backup takes what its interface can bring", daemon.Backup, daemon.Config{Interface: "s0"}, 9000,
			"mcast=s0, syncid=0, maxlen=8972, group=224.0.0.81, port=8848, ttl=1"},
		{"a backup takes full packets on an interface with a small MTU", daemon.Backup, daemon.Config{Interface: "s0"}, 576,
			"mcast=s0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1"},
		{"the header of IPv6 is longer", daemon.Backup, daemon.Config{Interface: "s0", Group: v6}, 1500,
			"mcast=s0, syncid=0, maxlen=1452, group=ff02::81, port=8848, ttl=1"},
		{"what is said stays", daemon.Master, daemon.Config{Interface: "s1", SyncID: 255, MaxLen: 1000, Group: netip.MustParseAddr("224.0.1.5"), Port: 9999, TTL: 7}, 1500,
			"mcast=s1, syncid=255, maxlen=1000, group=224.0.1.5, port=9999, ttl=7"},
		{"a master may send short messages", daemon.Master, daemon.Config{Interface: "s0", MaxLen: 100}, 1500,
			"mcast=s0, syncid=0, maxlen=100, group=224.0.0.81, port=8848, ttl=1"},
		{"a backup is ready for messages of 1024 bytes at least", daemon.Backup, daemon.Config{Interface: "s0", MaxLen: 100}, 1500,
			"mcast=s0, syncid=0, maxlen=1024, group=224.0.0.81, port=8848, ttl=1"},
		{"no message is longer than a packet", daemon.Master, daemon.Config{Interface: "s0", MaxLen: 65535}, 1500,
			"mcast=s0, syncid=0, maxlen=65507, group=224.0.0.81, port=8848, ttl=1"},
		{"nor with IPv6", daemon.Backup, daemon.Config{Interface: "s0", MaxLen: 65535, Group: v6}, 1500,
			"mcast=s0, syncid=0, maxlen=65487, group=ff02::81, port=8848, ttl=1"},
		{"an interface that is not known counts as an Ethernet", daemon.Backup, daemon.Config{Interface: "s0"}, 0,
			"mcast=s0, syncid=0, maxlen=1472, group=224.0.0.81, port=8848, ttl=1"},
	} {
		got := c.in.WithDefaults(c.role, c.mtu)
		if got.String() != c.want {
			t.Errorf("%s: %v, want %s", c.law, got, c.want)
		}
		if again := got.WithDefaults(c.role, c.mtu); again != got {
			t.Errorf("%s: what has its defaults changes to %v", c.law, again)
		}
	}
}

// A set is two switches. This is a walk over all that can be done to it, against two
// flags.
func TestASetRunsAtMostOneDaemonOfEachRole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var set daemon.Set
	runs := map[daemon.Role]bool{}
	for range 1000 {
		role := daemon.Roles[r.IntN(2)]
		other := daemon.Roles[1-role]
		before, kept := set, set.Of(other)
		var err error
		switch what := r.IntN(3); what {
		case 0:
			set, err = set.Stop(role)
			if want := !runs[role]; errors.Is(err, daemon.ErrNone) != want {
				t.Fatalf("stop %v of %v: %v", role, before, err)
			}
			runs[role] = false
		case 1:
			set, err = set.Start(role, daemon.Config{Interface: "s0"}, 1500)
			if want := runs[role]; errors.Is(err, daemon.ErrRuns) != want {
				t.Fatalf("start %v of %v: %v", role, before, err)
			}
			runs[role] = true
		case 2:
			if set, err = set.Start(role, daemon.Config{Interface: "none"}, 0); !errors.Is(err, daemon.ErrNoDevice) {
				t.Fatalf("start %v without a device: %v", role, err)
			}
		}
		if err != nil && set != before {
			t.Fatalf("a refusal has changed %v to %v", before, set)
		}
		if set.Of(role).Runs() != runs[role] || set.Of(other) != kept {
			t.Fatalf("%v after %v and an edit of %v", set, before, role)
		}
	}
}

func TestRolesAreWrittenAsIpvsadmDoes(t *testing.T) {
	for _, r := range daemon.Roles {
		if got, err := daemon.ParseRole(r.String()); err != nil || got != r {
			t.Errorf("%v is read as %v, %v", r, got, err)
		}
	}
	for _, s := range []string{"", "Master", "both"} {
		if _, err := daemon.ParseRole(s); err == nil {
			t.Errorf("%q is a role", s)
		}
	}
}
