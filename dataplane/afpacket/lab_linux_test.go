package afpacket

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// insideEnv is set in the environment of the tests' second run, which is alone
// in a user and a network namespace of its own.
const insideEnv = "AFPACKET_TEST_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) == "" && !fuzzing() {
		cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
		cmd.Env = append(os.Environ(), insideEnv+"=1")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
			Pdeathsig:   syscall.SIGKILL,
		}
		err := cmd.Run()
		if exit := (*exec.ExitError)(nil); err == nil || errors.As(err, &exit) {
			os.Exit(cmd.ProcessState.ExitCode())
		}
		// No namespace for us: the tests that need one are skipped.
	}
	os.Exit(m.Run())
}

// fuzzing reports whether this process talks to or is a fuzz worker, whose
// pipes a second run would not have.
func fuzzing() bool {
	for _, a := range os.Args[1:] {
		if strings.HasPrefix(a, "-test.fuzz") && !strings.HasPrefix(a, "-test.fuzzcachedir") {
			return true
		}
	}
	return false
}

// A lab is a director between a client and a server:
//
//	c0 10.9.0.1 ──veth── d0 (this namespace) d1 ──veth── s0 10.9.0.2, lo 10.9.0.100
//
// The kernels speak no IPv6 on these interfaces unless addIPv6 is called, and
// none of their own accord even then, so that tests can count frames.
type lab struct {
	client, server netns.NsHandle
	c0, d0, d1, s0 *net.Interface
}

var (
	labClient = netip.MustParseAddr("10.9.0.1")
	labServer = netip.MustParseAddr("10.9.0.2")
	labVIP    = netip.MustParseAddr("10.9.0.100")

	labClient6 = netip.MustParseAddr("fd00:9::1")
	labServer6 = netip.MustParseAddr("fd00:9::2")
	labVIP6    = netip.MustParseAddr("fd00:9::1:100")
)

func newLab(t testing.TB) *lab {
	t.Helper()
	if os.Getenv(insideEnv) == "" {
		t.Skip("needs a user and a network namespace of its own (CLONE_NEWUSER refused; see kernel.unprivileged_userns_clone)")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	must(err)
	l := &lab{}
	l.client, err = netns.New()
	must(err)
	l.server, err = netns.New()
	must(err)
	must(netns.Set(home))
	runtime.UnlockOSThread()
	must(home.Close())
	must(os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0))
	setIPv6(t, "default", "disable_ipv6", "1")
	within(t, l.client, func() { setIPv6(t, "default", "disable_ipv6", "1") })
	within(t, l.server, func() { setIPv6(t, "default", "disable_ipv6", "1") })

	l.d0, l.c0 = l.veth(t, "d0", "c0", l.client)
	l.d1, l.s0 = l.veth(t, "d1", "s0", l.server)
	awaitUp(t, "d0", "d1")
	within(t, l.client, func() { awaitUp(t, "c0") })
	within(t, l.server, func() { awaitUp(t, "s0") })
	l.configure(t, l.client, l.c0, labClient.String()+"/24", labVIP, l.d0)
	l.configure(t, l.server, l.s0, labServer.String()+"/24", labClient, l.d1)
	l.configure(t, l.server, nil, labVIP.String()+"/32", netip.Addr{}, nil)
	t.Cleanup(func() {
		l.remove(t, "d0")
		l.remove(t, "d1")
		_ = l.client.Close()
		_ = l.server.Close()
	})
	return l
}

// setIPv6 sets a sysctl of IPv6 for an interface of this thread's namespace.
func setIPv6(t testing.TB, ifname, name, value string) {
	t.Helper()
	err := os.WriteFile("/proc/sys/net/ipv6/conf/"+ifname+"/"+name, []byte(value), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a kernel without IPv6 is silent anyway
		t.Fatal(err)
	}
}

// addIPv6 gives client and server IPv6 addresses, beside their IPv4 ones.
func (l *lab) addIPv6(t testing.TB) {
	t.Helper()
	for ns, ifname := range map[netns.NsHandle]string{l.client: "c0", l.server: "s0"} {
		within(t, ns, func() {
			setIPv6(t, ifname, "addr_gen_mode", "1") // no link-local address to find and announce
			setIPv6(t, ifname, "disable_ipv6", "0")
		})
	}
	l.configure(t, l.client, l.c0, labClient6.String()+"/64", labVIP6, l.d0)
	l.configure(t, l.server, l.s0, labServer6.String()+"/64", labClient6, l.d1)
	l.configure(t, l.server, nil, labVIP6.String()+"/128", netip.Addr{}, nil)
}

// veth makes a pair, name here and peer in ns, both up.
func (l *lab) veth(t testing.TB, name, peer string, ns netns.NsHandle) (here, there *net.Interface) {
	t.Helper()
	v := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: peer, PeerNamespace: netlink.NsFd(int(ns))}
	v.Name = name
	if err := netlink.LinkAdd(v); err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(v); err != nil {
		t.Fatal(err)
	}
	here, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	within(t, ns, func() {
		link, err := netlink.LinkByName(peer)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		if err == nil {
			there, err = net.InterfaceByName(peer)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	return here, there
}

// awaitUp waits until the kernel's link watch has seen the carrier: until then
// frames are dropped silently by the noop queueing discipline.
func awaitUp(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		eventually(t, name+" comes up", func() bool {
			link, err := netlink.LinkByName(name)
			return err == nil && link.Attrs().OperState == netlink.OperUp
		})
	}
}

// configure gives ifi (nil: lo) in ns an address and, if gw is given, tells it
// that neighbour is to be found there.
func (l *lab) configure(t testing.TB, ns netns.NsHandle, ifi *net.Interface, addr string, neighbour netip.Addr, gw *net.Interface) {
	t.Helper()
	within(t, ns, func() {
		name := "lo"
		if ifi != nil {
			name = ifi.Name
		}
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetUp(link)
		}
		a, perr := netlink.ParseAddr(addr)
		if err == nil && perr == nil {
			if a.IP.To4() == nil {
				a.Flags = unix.IFA_F_NODAD
			}
			err = netlink.AddrAdd(link, a)
		}
		if err == nil && gw != nil {
			err = netlink.NeighAdd(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT,
				IP: neighbour.AsSlice(), HardwareAddr: gw.HardwareAddr})
		}
		if err := errors.Join(err, perr); err != nil {
			t.Fatal(err)
		}
	})
}

// remove deletes the interface if it is still there.
func (l *lab) remove(t testing.TB, name string) {
	if link, err := netlink.LinkByName(name); err == nil {
		if err := netlink.LinkDel(link); err != nil {
			t.Error(err)
		}
	}
}

// within runs f on a thread in ns.
func within(t testing.TB, ns netns.NsHandle, f func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	defer home.Close()
	if err := netns.Set(ns); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := netns.Set(home); err != nil {
			panic(fmt.Sprintf("back to the namespace of the tests: %v", err))
		}
	}()
	f()
}

// open opens a NIC that ends with the test. A test that hangs is stopped.
func open(t testing.TB, cfg Config) *NIC {
	t.Helper()
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(30*time.Second, p.Stop)
	t.Cleanup(func() {
		guard.Stop()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// openIn opens a NIC on ifi in ns, to send with.
func openIn(t testing.TB, ns netns.NsHandle, ifi *net.Interface, vips ...netip.Addr) (p *NIC) {
	t.Helper()
	within(t, ns, func() {
		p = open(t, Config{Interface: ifi, VIPs: vips, Slots: 31})
	})
	return p
}

// frameTo is a UDP frame of size bytes from ifi to MAC dst and address to, its
// number in the payload and its source port.
func frameTo(ifi *net.Interface, dst net.HardwareAddr, to netip.Addr, number, size int) []byte {
	if to.Is6() {
		payload := make([]byte, max(size-62, 3))
		payload[0], payload[1], payload[2] = byte(number>>16), byte(number>>8), byte(number)
		return frametest.UDP{Src: netip.AddrPortFrom(labClient6, uint16(number)), Dst: netip.AddrPortFrom(to, 53),
			SrcMAC: frame.MAC(ifi.HardwareAddr), DstMAC: frame.MAC(dst), Payload: payload}.Bytes()
	}
	f := make([]byte, max(size, 60))
	copy(f, dst)
	copy(f[6:], ifi.HardwareAddr)
	f[12], f[13] = 8, 0
	ip := f[14:]
	ip[0], ip[8], ip[9] = 0x45, 64, 17
	ip[2], ip[3] = byte((len(f)-14)>>8), byte(len(f)-14)
	src, d := labClient.As4(), to.As4()
	copy(ip[12:], src[:])
	copy(ip[16:], d[:])
	sum := uint32(0)
	for i := 0; i < 20; i += 2 {
		sum += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	sum = sum&0xffff + sum>>16
	sum = ^(sum&0xffff + sum>>16)
	ip[10], ip[11] = byte(sum>>8), byte(sum)
	udp := ip[20:]
	udp[0], udp[1], udp[2], udp[3] = byte(number>>8), byte(number), 0, 53
	udp[4], udp[5] = byte((len(f)-34)>>8), byte(len(f)-34)
	udp[8], udp[9], udp[10] = byte(number>>16), byte(number>>8), byte(number)
	return f
}

// numberOf is the number of a frame made by frameTo; -1: another frame.
func numberOf(f []byte) int {
	if len(f) >= 65 && f[12] == 0x86 && f[13] == 0xdd && f[20] == 17 {
		return int(f[62])<<16 | int(f[63])<<8 | int(f[64])
	}
	if len(f) < 60 || f[12] != 8 || f[13] != 0 || f[23] != 17 {
		return -1
	}
	return int(f[42])<<16 | int(f[43])<<8 | int(f[44])
}

// transmit sends frames by ifi as frames of the NIC's own.
func transmit(t testing.TB, p *NIC, ifi *net.Interface, frames ...[]byte) {
	t.Helper()
	b := dataplane.NewBatch()
	for _, f := range frames {
		b.Replies = append(b.Replies, dataplane.Reply{Data: f, Out: int32(ifi.Index)})
	}
	if err := p.Send(b); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what the kernel does by itself.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within 10 s", what)
		}
	}
}
