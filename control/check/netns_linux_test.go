package check

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/drroute"
)

// patience is the time given to attempts that are expected to get no answer.
// Attempts expected to get one have a minute: no test waits for it.
const patience = time.Second

// try makes one attempt.
func try(t *testing.T, p Probe, d time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return p.Check(ctx).Err
}

// wantText fails the test unless err reads want and wraps target.
func wantText(t *testing.T, err, target error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !errors.Is(err, target) {
		t.Errorf("%v does not wrap %v", err, target)
	}
}

func TestTCPProbe(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	web := netip.AddrPortFrom(l.rs[0].addr, 80)
	visits, stop := l.rs[0].serve(web)

	t.Run("a server that listens is good, and its program sees nothing of the connection", func(t *testing.T) {
		if v := quiet(t, TCP{Addr: web}, visits); v.end != "RST" || v.remote.Addr() != l.dir {
			t.Fatalf("the server saw %+v", v)
		}
	})
	t.Run("a bound source port can be used again at once", func(t *testing.T) {
		p := TCP{Addr: web, Bind: netip.AddrPortFrom(l.dir, 4000), Interface: "br0"}
		for range 3 {
			must(t, try(t, p, time.Minute))
			if v := <-visits; v.remote != p.Bind || v.end != "RST" {
				t.Fatalf("the server saw %+v", v)
			}
		}
	})
	t.Run("what this host lacks is not the server's fault", func(t *testing.T) {
		wantText(t, try(t, TCP{Addr: web, Interface: "eth9"}, time.Minute), ErrNotMade,
			"check not made: connect 192.168.1.11:80: bind to interface eth9: no such device")
		wantText(t, try(t, TCP{Addr: web, Bind: netip.MustParseAddrPort("192.0.2.1:0")}, time.Minute), ErrNotMade,
			"check not made: connect 192.168.1.11:80: bindto 192.0.2.1, which is no address of this host: cannot assign requested address")
		onThread(func() {
			dropNetAdmin(t)
			wantText(t, try(t, TCP{Addr: web, Mark: 1}, time.Minute), os.ErrPermission,
				"check not made: connect 192.168.1.11:80: set firewall mark 0x1 (needs CAP_NET_ADMIN): operation not permitted")
		})
	})
	t.Run("an attempt that is called off ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantText(t, TCP{Addr: web}.Check(ctx).Err, context.Canceled, "connect 192.168.1.11:80: context canceled")
	})
	t.Run("a killed listener refuses", func(t *testing.T) {
		stop()
		wantText(t, try(t, TCP{Addr: web}, time.Minute), unix.ECONNREFUSED, "connect 192.168.1.11:80: connection refused")
	})
	t.Run("a firewalled server does not answer", func(t *testing.T) {
		l.rs[0].blackhole(l.dir)
		wantText(t, try(t, TCP{Addr: web}, patience), os.ErrDeadlineExceeded,
			"connect 192.168.1.11:80: no answer: i/o timeout")
	})
}

// dropNetAdmin takes CAP_NET_ADMIN and CAP_NET_RAW, which SO_MARK accepts too,
// from the calling thread.
func dropNetAdmin(t *testing.T) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	err := unix.Capget(&head, &data[0])
	data[0].Effective &^= 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW
	if err == nil {
		err = unix.Capset(&head, &data[0])
	}
	if err != nil {
		t.Errorf("drop capabilities: %v", err)
	}
}

// newRouter is a Router that is closed with the test and must leave nothing.
func newRouter(t *testing.T) *drroute.Router {
	t.Helper()
	before := routing(t)
	r, err := drroute.New()
	must(t, err)
	t.Cleanup(func() {
		must(t, r.Close())
		if after := routing(t); !slices.Equal(before, after) {
			t.Errorf("Router left\n%s\nwhere was\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
	})
	return r
}

func path(vip, rs netip.Addr, ifindex int) drroute.Path {
	return drroute.Path{VIP: vip, RS: rs, Ifindex: ifindex}
}

// shield blackholes received VIP traffic, as the director does to keep its
// kernel quiet.
func (l *lab) shield() {
	rule := netlink.NewRule()
	rule.IifName, rule.Dst, rule.Type = "br0", prefix(l.vip, l.vip.BitLen()), unix.RTN_BLACKHOLE
	rule.Priority = 70
	l.do("add shield", netlink.RuleAdd(rule))
	l.t.Cleanup(func() { l.do("remove shield", netlink.RuleDel(rule)) })
}

// pair is the Pair of real server i, at port 80.
func (l *lab) pair(i int, r *drroute.Router) Pair {
	return Pair{
		Own: TCP{Addr: netip.AddrPortFrom(l.rs[i].addr, 80)},
		DR:  DR{VIP: netip.AddrPortFrom(l.vip, 80), RS: l.rs[i].addr, Ifindex: l.ifindex, Router: r},
	}
}

func TestDRProbe(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, c := range []struct {
		name     string
		v6       bool
		rpFilter string
	}{
		{"IPv4 without reverse path filter", false, "0"},
		{"IPv4 with strict reverse path filter", false, "1"},
		{"IPv6", true, "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.v6)
			must(t, l.director.Sysctl("net.ipv4.conf.all.rp_filter", c.rpFilter))
			if !c.v6 {
				l.shield()
			}
			r := newRouter(t)
			a, b := l.pair(0, r), l.pair(1, r)
			must(t, r.Set([]drroute.Path{a.DR.Path(), b.DR.Path()}))
			for _, h := range l.rs {
				h.addVIP(l.vip)
			}
			seenA, _ := l.rs[0].serve(netip.AddrPortFrom(zeroLike(l.vip), 80))
			seenB, stopB := l.rs[1].serve(netip.AddrPortFrom(zeroLike(l.vip), 80))
			for _, x := range []struct {
				p    Pair
				seen <-chan visit
			}{{a, seenA}, {b, seenB}} {
				must(t, try(t, x.p, time.Minute))
				if v := <-x.seen; v.local != x.p.Own.(TCP).Addr {
					t.Fatalf("first connection: %+v", v)
				}
				if v := <-x.seen; v.local != x.p.DR.VIP || v.remote.Addr() != l.dir || v.end != "RST" {
					t.Fatalf("second connection: %+v", v)
				}
			}
			// Only the server that is asked counts, although the other one has the VIP too.
			stopB()
			must(t, try(t, a.DR, time.Minute))
			want := "connect " + b.DR.VIP.String() + " at " + b.DR.RS.String() + ": connection refused"
			wantText(t, try(t, b.DR, time.Minute), unix.ECONNREFUSED, want)
		})
	}
}

func TestPairNamesWhatIsWrong(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	const hint, remedy = "192.168.1.11 answers, but not for VIP 192.168.1.100:80: ", "; is the VIP on its loopback?"
	own := func(l *lab) { l.rs[0].serve(netip.AddrPortFrom(l.rs[0].addr, 80)) }
	for _, c := range []struct {
		name    string
		prepare func(l *lab)
		wait    time.Duration
		target  error
		want    string
	}{
		{"the VIP is not on the real server", own, patience,
			os.ErrDeadlineExceeded, hint + "no answer: i/o timeout" + remedy},
		{"the server listens on the real server's address only", func(l *lab) { own(l); l.rs[0].addVIP(l.vip) }, time.Minute,
			unix.ECONNREFUSED, hint + "connection refused" + remedy},
		{"nobody listens at all", func(l *lab) { l.rs[0].addVIP(l.vip) }, time.Minute,
			unix.ECONNREFUSED, "connect 192.168.1.11:80: connection refused"},
		{"the real server is firewalled", func(l *lab) { own(l); l.rs[0].addVIP(l.vip); l.rs[0].blackhole(l.dir) }, patience,
			os.ErrDeadlineExceeded, "connect 192.168.1.11:80: no answer: i/o timeout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, false)
			r := newRouter(t)
			p := l.pair(0, r)
			must(t, r.Set([]drroute.Path{p.DR.Path()}))
			c.prepare(l)
			wantText(t, try(t, p, c.wait), c.target, c.want)
		})
	}
}

// TestDRProbeEndsBeforeItComesBack: a real server without the VIP that
// forwards packets sends the check on to whoever answers ARP for the VIP, as
// the director does, which would give it to a real server that works. Here the
// "director" of rs[0] is rs[1]'s part of the lab: it takes the packet and
// forwards it to a container of its own that has the VIP. From there an answer
// must not come with the default TTL; one hop behind the real server it must.
func TestDRProbeEndsBeforeItComesBack(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	r := newRouter(t)
	p := l.pair(0, r).DR
	must(t, r.Set([]drroute.Path{p.Path()}))
	third := l.newHost(2, netip.MustParseAddr("192.168.1.13"), 24)
	third.addVIP(l.vip)
	third.serve(netip.AddrPortFrom(l.vip, 80))

	l.awake(third)
	l.rs[0].forward(l.vip, third.addr, "0")
	dies := func() {
		t.Helper()
		// The kernel gives up when it hears that the TTL was exceeded, but it
		// hears only while it is not busy sending: the timeout may come first.
		if err := try(t, p, patience); !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("TTL %d: %v", p.TTL, err)
		}
	}
	p.TTL = 1
	dies()
	p.TTL = 0
	must(t, try(t, p, time.Minute)) // one hop behind the real server

	l.do("forget the route", l.rs[0].Netlink().RouteDel(&netlink.Route{Dst: prefix(l.vip, 32)}))
	l.rs[0].forward(l.vip, l.rs[1].addr, "0")
	l.rs[1].forward(l.vip, third.addr, "0")
	p.TTL = 3
	must(t, try(t, p, time.Minute)) // the lab does what the comment says
	p.TTL = 0
	dies()
}

// TestDRProbeIsNotRedirected: a real server without the VIP that forwards
// packets also sends the director an ICMP redirect to whoever has the VIP, which
// the director's kernel keeps in mind for minutes. A DR check of the server
// must not be answered by somebody else for this, neither at once nor later.
func TestDRProbeIsNotRedirected(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t, false)
	r := newRouter(t)
	p, other := l.pair(0, r).DR, l.pair(1, r).DR
	second := path(netip.MustParseAddr("192.168.1.101"), p.RS, p.Ifindex) // shares what the kernel learns
	must(t, r.Set([]drroute.Path{p.Path(), other.Path(), second}))
	l.rs[1].addVIP(l.vip)
	l.rs[1].serve(netip.AddrPortFrom(l.vip, 80))
	l.rs[0].forward(l.vip, l.rs[1].addr, "1")

	mark, err := r.Mark(p.Path())
	must(t, err)
	// A TCP socket obeys a redirect only from its second packet on; UDP at once.
	d := net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { must(t, setOptions(int(fd), false, false, socketOptions{mark: mark})) })
	}}
	udp, err := d.DialContext(t.Context(), "udp", p.VIP.String())
	must(t, err)
	defer udp.Close()
	udp.Write([]byte("x"))
	for gw := p.RS; gw == p.RS; runtime.Gosched() {
		gw, err = r.Gateway(p.Path())
		must(t, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const want = "connect 192.168.1.100:80 at 192.168.1.11: redirected to 192.168.1.12 by ICMP"
	if err := p.connect(ctx, mark); err == nil || err.Error() != want {
		t.Fatalf("got  %v\nwant %s", err, want)
	}
	must(t, try(t, other, time.Minute))
	must(t, l.rs[0].Sysctl("net.ipv4.ip_forward", "0"))
	wantText(t, try(t, p, patience), os.ErrDeadlineExceeded, "connect 192.168.1.100:80 at 192.168.1.11: no answer: i/o timeout")
	l.do("forget the route", l.rs[0].Netlink().RouteDel(&netlink.Route{Dst: prefix(l.vip, 32)}))
	l.rs[0].addVIP(l.vip)
	l.rs[0].serve(netip.AddrPortFrom(l.vip, 80))
	must(t, try(t, p, time.Minute))
}
