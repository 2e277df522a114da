package check

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// A lab is the director's namespace, which is the process's own, and two real
// servers on one bridge. The VIP is on no interface yet.
type lab struct {
	t        *testing.T
	director *netns.Host
	vip      netip.Addr
	dir      netip.Addr
	ifindex  int // of the bridge, "br0"
	rs       [2]host
}

// A host is a real server in its namespace.
type host struct {
	*netns.Host
	t    *testing.T
	addr netip.Addr
}

// newLab builds the lab with addresses of either family.
func newLab(t *testing.T, v6 bool) *lab {
	t.Helper()
	net, bits := "192.168.1.1", 24
	if v6 {
		net, bits = "2001:db8::1", 64
	}
	l := &lab{t: t, vip: netip.MustParseAddr(net + "00"), dir: netip.MustParseAddr(net + "0")}
	l.director = netns.NewTestHere(t, "director", netns.HostConfig{IPv6: true})
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	l.do("add bridge", netlink.LinkAdd(br))
	t.Cleanup(func() { netlink.LinkDel(br) })
	for _, family := range []string{"ipv4", "ipv6"} {
		// A lost request shall not cost a second.
		l.do("hasten questions", l.director.Sysctl("net."+family+".neigh.br0.retrans_time_ms", "100"))
	}
	l.do("set bridge up", netlink.LinkSetUp(br))
	l.ifindex = br.Attrs().Index
	l.do("add address", netlink.AddrAdd(br, addr(l.dir, bits)))
	for i := range l.rs {
		l.rs[i] = l.newHost(i, netip.MustParseAddr(fmt.Sprintf("%s%d", net, i+1)), bits)
	}
	for _, h := range l.rs {
		l.awake(h)
	}
	return l
}

// do ends the test if a step of its preparation went wrong.
func (l *lab) do(what string, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("%s: %v", what, err)
	}
}

// awake waits until h has answered once: links take a moment to come up, and
// the neighbours have to find each other.
func (l *lab) awake(h host) {
	l.t.Helper()
	err := error(unix.EHOSTUNREACH) // what the kernel says when a neighbour is not found
	for errors.Is(err, unix.EHOSTUNREACH) {
		err = try(l.t, TCP{Addr: netip.AddrPortFrom(h.addr, 9)}, time.Minute)
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		l.t.Fatalf("wait for %s: %v", h.addr, err)
	}
}

// newHost makes real server i and plugs it into the bridge.
func (l *lab) newHost(i int, a netip.Addr, bits int) host {
	l.t.Helper()
	name := fmt.Sprintf("rs%d", i)
	h := host{Host: netns.NewTestHost(l.t, name, netns.HostConfig{IPv6: true}), t: l.t, addr: a}
	at := netns.Cable{Ifname: serverIfname, Addrs: []netip.Prefix{netip.PrefixFrom(a, bits)}}
	l.do("connect "+name, netns.Lay(l.t.Context(), l.director, netns.Cable{Ifname: name}, h.Host, at))
	port, err := netlink.LinkByName(name)
	l.do("find "+name, err)
	br, err := netlink.LinkByIndex(l.ifindex)
	l.do("find bridge", err)
	l.do("join bridge", netlink.LinkSetMaster(port, br))
	return h
}

// serverIfname is the interface of a real server.
const serverIfname = "eth0"

// addVIP gives the host the VIP on its loopback.
func (h host) addVIP(vip netip.Addr) {
	h.t.Helper()
	must(h.t, h.AddAddr("lo", netip.PrefixFrom(vip, vip.BitLen())))
}

// blackhole makes the host unable to answer a, as a firewall would.
func (h host) blackhole(a netip.Addr) {
	h.t.Helper()
	if err := h.Netlink().RouteAdd(&netlink.Route{Dst: prefix(a, a.BitLen()), Type: unix.RTN_BLACKHOLE}); err != nil {
		h.t.Fatalf("blackhole %s at %s: %v", a, h.addr, err)
	}
}

// forward makes the host pass on packets for vip; redirects says whether it
// tells their senders of the shorter way.
func (h host) forward(vip, to netip.Addr, redirects string) {
	h.t.Helper()
	dev, err := h.Netlink().LinkByName(serverIfname)
	must(h.t, err)
	must(h.t, h.Sysctl("net.ipv4.ip_forward", "1"))
	for _, at := range []string{"all", serverIfname} {
		must(h.t, h.Sysctl("net.ipv4.conf."+at+".send_redirects", redirects))
	}
	err = h.Netlink().RouteAdd(&netlink.Route{Dst: prefix(vip, 32), Gw: to.AsSlice(), LinkIndex: dev.Attrs().Index})
	if err != nil {
		h.t.Fatalf("route %s at %s: %v", vip, h.addr, err)
	}
}

// serve listens in the host's namespace until the test ends or stop is called.
func (h host) serve(at netip.AddrPort) (visits <-chan visit, stop func()) {
	h.t.Helper()
	seen := h.watch(at.Port())
	l, err := h.Listen("tcp", at.String())
	must(h.t, err)
	h.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	return seen, func() { l.Close() }
}

// onThread runs f on a thread of its own, which ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // not unlocked: the thread is thrown away
		f()
	}()
	<-done
}

func addr(a netip.Addr, bits int) *netlink.Addr {
	return &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}, Flags: unix.IFA_F_NODAD}
}

// routing lists all rules, and all routes but the kernel's own, as text.
func routing(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		rules, err := netlink.RuleList(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			all = append(all, fmt.Sprintf("rule %d %+v", family, r))
		}
		routes, err := netlink.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			if r.Protocol != unix.RTPROT_KERNEL {
				all = append(all, fmt.Sprintf("route %d %+v", family, r))
			}
		}
	}
	slices.Sort(all)
	return all
}

// prefix is a/bits in the form netlink wants.
func prefix(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}

// zeroLike is the unspecified address of a's family.
func zeroLike(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
