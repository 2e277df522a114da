package check

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// insideEnv is set in the child process that has its own namespaces.
const insideEnv = "LVSDR_CHECK_TEST_INSIDE"

// inNamespaces runs the calling test once more in a child process with a user
// and a network namespace of its own and reports whether this is the child.
func inNamespaces(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideEnv) != "" {
		return true
	}
	t.Parallel() // the children have nothing in common
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), insideEnv+"=1",
		"GORACE=atexit_sleep_ms=0") // the race detector sleeps a second before it ends
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil && strings.Contains(string(out), "--- SKIP"):
		t.Fatalf("a test was skipped inside the namespaces:\n%s", out)
	case err == nil:
		t.Logf("%s", out)
	case errors.As(err, &exit):
		t.Fatalf("inside the namespaces: %v\n%s", err, out)
	case os.Getenv("CI") == "true":
		t.Fatalf("make namespaces: %v", err)
	default:
		t.Skipf("needs user namespaces (CLONE_NEWUSER), or CAP_SYS_ADMIN: %v", err)
	}
	return false
}

// A lab is the director's namespace, which is the process's own, and two real
// servers on one bridge. The VIP is on no interface yet.
type lab struct {
	t       *testing.T
	vip     netip.Addr
	dir     netip.Addr
	ifindex int // of the bridge, "br0"
	rs      [2]host
}

// A host is a real server in its namespace.
type host struct {
	t    *testing.T
	ns   netns.NsHandle
	nl   *netlink.Handle
	addr netip.Addr
}

// newLab builds the lab with addresses of either family.
func newLab(t *testing.T, v6 bool) *lab {
	net, bits := "192.168.1.1", 24
	if v6 {
		net, bits = "2001:db8::1", 64
	}
	l := &lab{t: t, vip: netip.MustParseAddr(net + "00"), dir: netip.MustParseAddr(net + "0")}
	br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}
	l.do("add bridge", netlink.LinkAdd(br))
	t.Cleanup(func() { netlink.LinkDel(br) })
	sysctl(t, "ipv4/neigh/br0/retrans_time_ms", "100") // a lost request shall not cost a second
	sysctl(t, "ipv6/neigh/br0/retrans_time_ms", "100")
	lo, err := netlink.LinkByName("lo")
	l.do("find lo", err)
	l.do("set lo up", netlink.LinkSetUp(lo))
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
	h := host{t: l.t, addr: a}
	onThread(func() {
		var err error
		h.ns, err = netns.New()
		l.do("make namespace", err)
	})
	var err error
	h.nl, err = netlink.NewHandleAt(h.ns)
	l.do("open netlink", err)
	l.t.Cleanup(func() { h.nl.Close(); h.ns.Close() })
	name := fmt.Sprintf("rs%d", i)
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "p" + name, PeerNamespace: netlink.NsFd(int(h.ns))}
	l.do("add veth", netlink.LinkAdd(veth))
	l.t.Cleanup(func() { netlink.LinkDel(veth) })
	for _, n := range []string{"lo", "p" + name} {
		link, err := h.nl.LinkByName(n)
		l.do("find "+n, err)
		l.do("set up "+n, h.nl.LinkSetUp(link))
		if n != "lo" {
			l.do("add address", h.nl.AddrAdd(link, addr(a, bits)))
		}
	}
	br, err := netlink.LinkByName("br0")
	l.do("find bridge", err)
	l.do("join bridge", netlink.LinkSetMaster(veth, br))
	l.do("set veth up", netlink.LinkSetUp(veth))
	return h
}

// addVIP gives the host the VIP on its loopback.
func (h host) addVIP(vip netip.Addr) {
	h.t.Helper()
	lo, err := h.nl.LinkByName("lo")
	if err == nil {
		err = h.nl.AddrAdd(lo, addr(vip, vip.BitLen()))
	}
	if err != nil {
		h.t.Fatalf("add VIP to %s: %v", h.addr, err)
	}
}

// blackhole makes the host unable to answer a, as a firewall would.
func (h host) blackhole(a netip.Addr) {
	h.t.Helper()
	if err := h.nl.RouteAdd(&netlink.Route{Dst: prefix(a, a.BitLen()), Type: unix.RTN_BLACKHOLE}); err != nil {
		h.t.Fatalf("blackhole %s at %s: %v", a, h.addr, err)
	}
}

// forward makes the host pass on packets for vip; redirects says whether it
// tells their senders of the shorter way.
func (h host) forward(vip, to netip.Addr, redirects string) {
	h.t.Helper()
	links, err := h.nl.LinkList()
	if err != nil {
		h.t.Fatal(err)
	}
	dev := links[slices.IndexFunc(links, func(x netlink.Link) bool { return x.Type() == "veth" })].Attrs()
	h.enter(func() {
		sysctl(h.t, "ipv4/ip_forward", "1")
		sysctl(h.t, "ipv4/conf/all/send_redirects", redirects)
		sysctl(h.t, "ipv4/conf/"+dev.Name+"/send_redirects", redirects)
	})
	err = h.nl.RouteAdd(&netlink.Route{Dst: prefix(vip, 32), Gw: to.AsSlice(), LinkIndex: dev.Index})
	if err != nil {
		h.t.Fatalf("route %s at %s: %v", vip, h.addr, err)
	}
}

// A visit is a connection a server has seen, up to its end.
type visit struct {
	local, remote netip.AddrPort
	end           error // of reading
}

// serve listens in the host's namespace until the test ends or stop is called.
func (h host) serve(at netip.AddrPort) (visits <-chan visit, stop func()) {
	h.t.Helper()
	var l net.Listener
	var err error
	h.enter(func() { l, err = net.Listen("tcp", at.String()) })
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { l.Close() })
	seen := make(chan visit, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, err = c.Read(make([]byte, 1))
			seen <- visit{addrPort(c.LocalAddr()), addrPort(c.RemoteAddr()), err}
			c.Close()
		}
	}()
	return seen, func() { l.Close() }
}

// enter runs f on a thread in the host's namespace.
func (h host) enter(f func()) {
	onThread(func() {
		if err := netns.Set(h.ns); err != nil {
			h.t.Errorf("enter the namespace of %s: %v", h.addr, err)
			return
		}
		f()
	})
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

func addrPort(a net.Addr) netip.AddrPort {
	p := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
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

// sysctl sets one of /proc/sys/net of the calling thread's namespace.
func sysctl(t *testing.T, name, value string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/"+name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// isEOF says how a visit ended: with FIN, or not.
func isEOF(err error) bool { return errors.Is(err, io.EOF) }

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
