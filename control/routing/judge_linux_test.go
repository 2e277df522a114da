package routing

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// file has a route and a rule of each kind. ADVERT is the time between adverts.
const file = `global_defs {
    vrrp_version 3
}
static_routes {
    192.168.20.0/24 via 10.0.0.254 dev e0
    192.168.21.0/24 dev e0 table 100 metric 5 scope link
    2001:db8:20::/64 via 2001:db8::99 dev e0
}
static_rules {
    from 192.168.2.0/24 table 100 preference 39
    from 192.168.3.0/24 table 100
}
vrrp_instance V {
    state BACKUP
    interface e0
    virtual_router_id 51
    priority 100
    advert_int ADVERT
    virtual_ipaddress {
        10.0.0.100
    }
    virtual_routes {
        192.168.30.0/24 via 10.0.0.254 dev e0
        192.168.31.0/24 dev e0
        src 10.0.0.77 to 192.168.32.0/24 via 10.0.0.254 dev e0 metric 7
        192.168.33.0/24 table 200 nexthop via 10.0.0.253 dev e0 weight 1 nexthop via 10.0.0.252 dev e0 weight 3
        blackhole 192.168.34.0/24 no_track
        192.168.35.0/24 via 10.0.0.254 dev e0 mtu 1400 advmss 1360 protocol static
        192.168.36.0/24 via 10.9.9.9 dev e0 onlink tos 0x10
        default via 10.0.0.254 dev e0 table 300
        192.168.37.0/24 via 10.0.0.254 no_track protocol static
        192.168.38.0/24 via 10.0.0.254
        unreachable 192.168.39.0/24 metric 4 no_track
        prohibit 192.168.41.0/24 no_track
        throw 192.168.42.0/24 table 200 no_track
        192.168.43.0/24 dev e0 hoplimit 9 initcwnd 11 initrwnd 12 reordering 7 cwnd 20 ssthresh 5 quickack 1 fastopen_no_cookie 1 window 100
        192.168.44.0/24 dev e0 mtu lock 1300
        192.168.45.0/24 dev e0 append
        192.168.46.0/24 dev e0 add
        2001:db8:30::/64 dev e0
        2001:db8:31::/64 via fe80::1 dev e0 metric 77 table 200
        2001:db8:32::/64 nexthop via fe80::1 dev e0 weight 2 nexthop via fe80::2 dev e0
    }
    virtual_rules {
        from 192.168.50.0/24 table 200 preference 100
        to 192.168.51.0/24 iif e0 lookup 200 priority 101
        fwmark 0x10/0xff table 200 preference 102
        from 192.168.52.0/24 oif e0 table 254 preference 103
        from 192.168.53.0/24 blackhole preference 104
        from 192.168.54.0/24 unreachable preference 105
        from 192.168.55.0/24 prohibit preference 106
        from 192.168.56.0/24 goto 200 preference 107
        from all tos 0x10 table 200 preference 108
        not from 192.168.57.0/24 table 200 preference 109
        from 2001:db8::/64 table 200 preference 110
        from 192.168.58.0/24 table 200 suppress_prefixlength 8 preference 111
        from 192.168.59.0/24 nop preference 112
        from 192.168.60.0/24 table 200
    }
}
`

// In each role the kernel has the same routes and rules as with keepalived: before it is the master, as master, and at the
// end. At the start those that are left of a run before are removed.
func TestTheKernelHasWhatItHasWithKeepalived(t *testing.T) {
	program := netns.Tool(t, "keepalived", "keepalived")
	netns.Tool(t, "ip", "iproute2")
	ours, theirs := netns.NewTestHost(t, "ours", netns.HostConfig{IPv6: true}), netns.NewTestHost(t, "theirs", netns.HostConfig{IPv6: true})
	cable := func(addr, addr6 string) netns.Cable {
		return netns.Cable{Ifname: "e0", Addrs: []netip.Prefix{netip.MustParsePrefix(addr), netip.MustParsePrefix(addr6)}}
	}
	if err := netns.Lay(t.Context(), ours, cable("10.0.0.1/24", "2001:db8::1/64"), theirs, cable("10.0.0.2/24", "2001:db8::2/64")); err != nil {
		t.Fatal(err)
	}
	v := read(t, file)
	static := Set{v.StaticRoutes, v.StaticRules}
	of := Set{v.Instances[0].Routes, v.Instances[0].Rules}
	all := Set{slices.Concat(static.Routes, of.Routes), slices.Concat(static.Rules, of.Rules)}
	for _, h := range []*netns.Host{ours, theirs} {
		if err := h.AddAddr("e0", netip.MustParsePrefix("10.0.0.77/32")); err != nil {
			t.Fatal(err)
		}
		left := Set{Rules: of.Rules[:2]}
		if h == ours { // keepalived leaves routes where they are
			left.Routes = of.Routes[:2]
		}
		if err := h.Do(func() error { return New(nil).Set(Wish{Here: left}) }); err != nil {
			t.Fatal(err)
		}
	}
	r := New(nil)
	expect := func(when string, w Wish) {
		t.Helper()
		if err := ours.Do(func() error { return r.Set(w) }); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		agree(t, when, ours, theirs)
	}
	stop := daemon(t, theirs, program, "40") // it is a backup for more than two minutes
	expect("as backup", Wish{Here: static, Elsewhere: of})
	stop()
	stop = daemon(t, theirs, program, "0.1")
	expect("as master", Wish{Here: all})
	if n := len(strings.Split(dump(t, ours), "\n")); n < len(of.Routes)+len(of.Rules) {
		t.Errorf("%d lines about %d routes and %d rules:\n%s", n, len(of.Routes), len(of.Rules), dump(t, ours))
	}
	stop()
	expect("after the end", Wish{})
}

// daemon runs keepalived's VRRP on a host; stop ends it.
func daemon(t *testing.T, h *netns.Host, program, advert string) (stop func()) {
	t.Helper()
	dir := t.TempDir()
	conf := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(conf, []byte(strings.Replace(file, "ADVERT", advert, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := h.Command(context.WithoutCancel(t.Context()), program, "-P", "-n", "-l", "-f", conf, "-p", filepath.Join(dir, "k.pid"), "-r", filepath.Join(dir, "v.pid"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	stop = func() {
		if !ended {
			_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended
			_ = cmd.Wait()                       // its exit code says nothing of routes
			ended = true
		}
	}
	t.Cleanup(stop)
	return stop
}

// agree waits until both hosts have the same.
func agree(t *testing.T, when string, ours, theirs *netns.Host) {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for {
		a, b := dump(t, ours), dump(t, theirs)
		if a == b {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: only here\n%s\nonly with keepalived\n%s", when, without(a, b), without(b, a))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// without are the lines of a that b has not.
func without(a, b string) string {
	other := strings.Split(b, "\n")
	return strings.Join(slices.DeleteFunc(strings.Split(a, "\n"), func(l string) bool { return slices.Contains(other, l) }), "\n")
}

// dump is the routes and rules of a host that the kernel has not made itself.
func dump(t *testing.T, h *netns.Host) string {
	t.Helper()
	var all []string
	for _, args := range []string{"-4 -d route show table all", "-6 -d route show table all", "-4 -d rule show", "-6 -d rule show"} {
		out, err := h.Command(t.Context(), "ip", strings.Fields(args)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		ours := false
		for l := range strings.Lines(string(out)) {
			if !strings.HasPrefix(l, "\t") { // a hop goes with the line before it
				ours = strings.Contains(l, "proto keepalived") || strings.Contains(l, "proto static")
			}
			if ours {
				all = append(all, args[:2]+" "+strings.TrimSpace(l))
			}
		}
	}
	return strings.Join(all, "\n")
}

// A route that cannot be set is told of, and one on an interface that is gone needs no removal.
func TestRoutesOfInterfacesThatAreGone(t *testing.T) {
	h := netns.NewTestHost(t, "host", netns.HostConfig{IPv6: true})
	s := set(t, "10.1.0.0/16 dev gone; 10.2.0.0/16 nexthop via 10.0.0.1 dev gone nexthop via 10.0.0.2 dev gone; 10.3.0.0/16 via 10.0.0.1", "")
	if err := h.Do(func() error {
		r := New(nil)
		err := r.Set(Wish{Here: s})
		if err == nil || strings.Count(err.Error(), "find interface gone") != 2 || !strings.Contains(err.Error(), "10.3.0.0/16: set it: network is unreachable") {
			t.Errorf("setting them: %v", err)
		}
		return New(nil).Set(Wish{Elsewhere: s})
	}); err != nil {
		t.Errorf("removing them: %v", err)
	}
	rule := set(t, "", "from 10.1.0.0/16 table 300 suppress_prefixlength 8 preference 5")
	if err := h.Do(func() error { return New(nil).Set(Wish{Here: rule}) }); err == nil || !strings.Contains(err.Error(), "suppress_prefixlength with table 300") {
		t.Errorf("a rule that would be set without its word: %v", err)
	}
	if got := dump(t, h); got != "" {
		t.Errorf("there is\n%s", got)
	}
}
