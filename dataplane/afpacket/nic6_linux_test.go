package afpacket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// icmp6 is an ICMPv6 message from the client to MAC dst and address to.
func (l *lab) icmp6(dst net.HardwareAddr, to netip.Addr, typ, hops uint8, number byte) []byte {
	return build.ICMP{Src: labClient6, Dst: to, IP: build.IP{SrcMAC: frame.MAC(l.c0.HardwareAddr), DstMAC: frame.MAC(dst), TTL: hops},
		Type: typ, Payload: append(make([]byte, 16), number)}.Bytes()
}

func TestOfIPv6OnlyTheVIPAndNeighbourDiscoveryArrive(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	var (
		mac   = l.d0.HardwareAddr
		other = net.HardwareAddr{2, 0, 0, 0, 0, 9}
		nodes = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
		group = net.HardwareAddr{0x33, 0x33, 0xff, 1, 1, 0}

		allNodes  = netip.MustParseAddr("ff02::1")
		solicited = netip.MustParseAddr("ff02::1:ff01:100")
	)
	toVIP := [][]byte{
		frameTo(l.c0, mac, labVIP6, 1, 80),
		frameTo(l.c0, mac, labVIP6, 2, 1500),
		l.icmp6(mac, labVIP6, 128, 64, 3), // ping
	}
	discovery := [][]byte{
		l.icmp6(group, solicited, 135, 255, 4),
		l.icmp6(mac, labVIP6, 135, 255, 5),
		l.icmp6(mac, labServer6, 136, 255, 6),
		l.icmp6(nodes, allNodes, 136, 255, 7),
		l.icmp6(nodes, allNodes, 134, 255, 8),
		l.icmp6(nodes, allNodes, 133, 255, 9),
		l.icmp6(mac, labServer6, 137, 255, 10),
	}
	nothing := [][]byte{
		frameTo(l.c0, mac, labServer6, 11, 80),
		frameTo(l.c0, other, labVIP6, 12, 80),
		frameTo(l.c0, mac, labVIP, 13, 60), // IPv4, not among the addresses
		l.icmp6(other, labServer6, 135, 255, 14),
		l.icmp6(group, solicited, 135, 254, 15), // from beyond a router
		l.icmp6(nodes, allNodes, 130, 255, 16),  // multicast listener query
		l.icmp6(nodes, allNodes, 138, 255, 17),
		l.icmp6(mac, labServer6, 128, 255, 18),
	}
	last := l.icmp6(mac, labServer6, 136, 255, 19)
	for _, c := range []struct {
		name string
		cfg  Config
		want [][]byte
	}{
		{"with an IPv6 VIP", Config{VIPs: []netip.Addr{labVIP6}}, append(append([][]byte{}, toVIP...), discovery...)},
		{"with neighbours only", Config{Neighbours6: true}, discovery},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.cfg.Interface = l.d0
			p := open(t, c.cfg)
			from := openIn(t, l.client, l.c0)
			transmit(t, p, l.d0, discovery...) // our own
			transmit(t, from, l.c0, toVIP...)
			transmit(t, from, l.c0, nothing...)
			transmit(t, from, l.c0, discovery...)
			transmit(t, from, l.c0, nothing...)
			transmit(t, from, l.c0, last)
			got := collect(t, p, dataplane.NewBatch(), func(f []byte) bool { return bytes.Equal(f, last) })
			want := append(append([][]byte{}, c.want...), last)
			if len(got) != len(want) {
				t.Errorf("%d frames, want %d", len(got), len(want))
			}
			for i := range min(len(got), len(want)) {
				if !bytes.Equal(got[i], want[i]) {
					t.Errorf("frame %d is %s, want %s", i, frametest.Describe(got[i]), frametest.Describe(want[i]))
				}
			}
		})
	}
}

func TestNoIPv6ArrivesWhereItIsNotWanted(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	mac := l.d0.HardwareAddr
	transmit(t, c, l.c0, l.icmp6(mac, labVIP6, 135, 255, 1), frameTo(l.c0, mac, labVIP6, 2, 80), frameTo(l.c0, mac, labVIP, 3, 60))
	if got := collect(t, p, dataplane.NewBatch(), isNumber(3)); len(got) != 1 {
		t.Fatalf("%d frames, want only that of IPv4", len(got))
	}
}

// joined are the solicited-node groups of an interface of this namespace, as
// "group×members". The kernel's own membership, which it reports by MLD, is one of them.
func joined(t testing.TB, ifname string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/thread-self/net/dev_mcast")
	if err != nil {
		t.Fatal(err)
	}
	var groups []string
	for line := range strings.Lines(string(text)) {
		// Index, name, members, members by hand, address.
		if f := strings.Fields(line); len(f) == 5 && f[1] == ifname && strings.HasPrefix(f[4], "3333ff") {
			groups = append(groups, f[4]+"×"+f[2])
		}
	}
	return strings.Join(groups, " ")
}

func TestTheSolicitedNodeGroupsOfTheVIPsAreJoined(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	vips := func(s ...string) (as []netip.Addr) {
		for _, a := range s {
			as = append(as, netip.MustParseAddr(a))
		}
		return as
	}
	check := func(when, want string) {
		t.Helper()
		if got := joined(t, "d0"); got != want {
			t.Fatalf("%s: joined %q, want %q", when, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	p := open(t, Config{Interface: l.d0, VIPs: vips("10.9.0.100", "2001:db8::12:3456", "2001:db8:1::12:3456")})
	check("two VIPs of one group", "3333ff123456×2")
	nics, err := OpenGroup(Config{Interface: l.d0, VIPs: vips("2001:db8::12:3456")}, 2)
	must(err)
	must(p.SetVIPs(vips("2001:db8::12:3456", "2001:db8::ff00:1", "::ffff:10.0.0.1")))
	check("one more group, and two more NICs", "3333ff123456×4 3333ff000001×2")
	must(p.SetVIPs(vips("2001:db8::ff00:1")))
	check("the first no longer wanted by one NIC", "3333ff123456×3 3333ff000001×2")
	for _, p := range nics {
		must(p.Close())
	}
	check("nor by the others", "3333ff000001×2")
	if err := p.SetVIPs(vips("2001:db8::2", "fe80::1%d0")); err == nil {
		t.Fatal("an address with a zone was taken")
	}
	check("a refused change", "3333ff000001×2")
	must(p.SetVIPs(vips("10.9.0.100")))
	check("IPv4 only", "")
	must(p.SetVIPs(vips("2001:db8::3")))
	must(p.Close())
	check("closed", "")
}

func TestAJoinThatFailsIsAnErrorThatNamesTheGroup(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	setLink(t, "d0", netlink.LinkDel)
	err := p.SetVIPs([]netip.Addr{netip.MustParseAddr("2001:db8::12:3456")})
	if !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "d0") || !strings.Contains(err.Error(), "3333ff123456") {
		t.Fatalf("a group joined on a deleted interface: %v", err)
	}
}

// setFilterMemory sets net.core.optmem_max, against which the kernel counts the
// memory of filters, for the length of the test.
func setFilterMemory(t testing.TB, bytes string) {
	t.Helper()
	const limit = "/proc/sys/net/core/optmem_max"
	usual, err := os.ReadFile(limit)
	if err == nil {
		err = os.WriteFile(limit, []byte(bytes), 0)
	}
	if err != nil {
		t.Skipf("needs a limit of the namespace's own (Linux 6.7): %v", err)
	}
	t.Cleanup(func() {
		if err := os.WriteFile(limit, usual, 0); err != nil {
			t.Error(err)
		}
	})
}

func TestARefusedFilterLeavesTheGroupsAsTheyWere(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP6}})
	setFilterMemory(t, "4096")
	before := joined(t, "d0")
	if err := p.SetVIPs(shapes[0].addrs(nil, 1000)); !errors.Is(err, unix.ENOMEM) {
		t.Fatalf("a filter beyond the limit: %v", err)
	}
	if after := joined(t, "d0"); after != before || before == "" {
		t.Errorf("joined other groups than before: %d bytes of them, were %q", len(after), before)
	}
}

// The kernel counts its translation of the filter, and while one replaces
// another both: once 300 addresses fitted into a program of 3000 instructions,
// and could be set but not changed.
func TestTheKernelTakesAndReplacesAFilterOfAsManyAddressesAsPromised(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		limit    string
		fraction int
	}{{"131072", 1}, {"20480", 6}} { // the defaults since Linux 6.8 and before
		t.Run("with optmem_max "+c.limit, func(t *testing.T) {
			if !netns.Alone(t) {
				return
			}
			l := newLab(t)
			setFilterMemory(t, c.limit)
			r := rand.New(rand.NewPCG(7, 8))
			for _, s := range shapes {
				p := open(t, Config{Interface: l.d0, Slots: 1})
				for range 3 {
					if err := p.SetVIPs(s.addrs(r, s.most/c.fraction)); err != nil {
						t.Fatalf("%d addresses %s: %v", s.most/c.fraction, s.name, err)
					}
				}
			}
		})
	}
}

// A macvlan passes on frames to joined groups only, as network cards do; a veth
// passes on all.
func TestSolicitationsPassADeviceThatFilters(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	m := &netlink.Macvlan{LinkAttrs: netlink.NewLinkAttrs(), Mode: netlink.MACVLAN_MODE_BRIDGE}
	m.Name, m.ParentIndex = "m0", l.d0.Index
	if err := netlink.LinkAdd(m); err != nil {
		t.Skipf("needs macvlan: %v", err)
	}
	// m0 goes with d0.
	setLink(t, "m0", netlink.LinkSetUp)
	ifi, err := net.InterfaceByName("m0")
	if err != nil {
		t.Fatal(err)
	}
	awaitUp(t, "m0")
	p := open(t, Config{Interface: ifi})
	c := openIn(t, l.client, l.c0)
	b := dataplane.NewBatch()
	for i, vip := range []string{"2001:db8::1", "2001:db8::77:1", "fd00::abcd:ef01"} {
		a := netip.MustParseAddr(vip)
		if err := p.SetVIPs([]netip.Addr{a}); err != nil {
			t.Fatal(err)
		}
		g := solicitedGroups([]netip.Addr{a})[0]
		f := l.icmp6(g[:], a, 135, 255, byte(i))
		transmit(t, c, l.c0, f)
		collect(t, p, b, func(got []byte) bool { return bytes.Equal(got, f) })
	}
}

// A sighting is where the fragments of a datagram came out.
type sighting struct {
	pieces int
	nics   [2]bool
}

// watchFragments forwards everything from p, NIC number n of a group, and
// notes the fragments until p is stopped.
func watchFragments(l *lab, p *NIC, n int, mu *sync.Mutex, seen map[uint32]sighting) error {
	b := dataplane.NewBatch()
	for {
		if err := p.Recv(b); err != nil {
			return err
		}
		mu.Lock()
		for i := range b.Packets {
			if h := frametest.Parse(b.Packets[i].Data); h.More || h.FragOff != 0 {
				s := seen[h.FragID]
				s.pieces++
				s.nics[n] = true
				seen[h.FragID] = s
			}
		}
		mu.Unlock()
		rewrite(b, l.d1, l.s0.HardwareAddr)
		if err := p.Send(b); err != nil {
			return err
		}
	}
}

func TestFragmentsPassAGroupWholeAndInOnePort(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for name, vip := range map[string]netip.Addr{"IPv4": labVIP, "IPv6": labVIP6} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.addIPv6(t)
			nics, err := OpenGroup(Config{Interface: l.d0, VIPs: []netip.Addr{vip}}, 2)
			if err != nil {
				t.Fatal(err)
			}
			var mu sync.Mutex
			var workers sync.WaitGroup
			seen := map[uint32]sighting{}
			for i, p := range nics {
				workers.Go(func() { _ = watchFragments(l, p, i, &mu, seen) })
			}
			const datagrams = 16 // of a flow each: were ports hashed, 1 in 65536 runs would not see it
			exchangeDatagrams(t, l, vip, datagrams, 4000)
			for _, p := range nics {
				p.Stop()
			}
			workers.Wait()
			if len(seen) != datagrams {
				t.Errorf("fragments of %d datagrams came, want %d", len(seen), datagrams)
			}
			for id, s := range seen {
				if s.pieces != 3 || s.nics[0] == s.nics[1] {
					t.Errorf("datagram %#x: %d pieces in NICs %v, want 3 in one", id, s.pieces, s.nics)
				}
			}
			for _, p := range nics {
				if s := p.Stats(); s.SendError+s.Truncated+s.Missed != 0 {
					t.Errorf("stats %+v", s)
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// exchangeDatagrams sends n datagrams of size bytes from the client to vip, each
// from another port, and waits until the server has each as it was sent.
func exchangeDatagrams(t *testing.T, l *lab, vip netip.Addr, n, size int) {
	t.Helper()
	to := netip.AddrPortFrom(vip, 53)
	var in net.PacketConn
	var err error
	within(t, l.server, func() { in, err = net.ListenPacket("udp", to.String()) })
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	_ = in.SetReadDeadline(time.Now().Add(20 * time.Second)) // against hanging
	buf := make([]byte, size+1)
	for i := range n {
		want := bytes.Repeat([]byte(fmt.Sprintf("%08x", i)), size/8)
		within(t, l.client, func() {
			conn, err := net.Dial("udp", to.String())
			if err == nil {
				_, err = conn.Write(want)
				_ = conn.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		got, _, err := in.ReadFrom(buf)
		if err != nil || !bytes.Equal(buf[:got], want) {
			t.Fatalf("datagram %d: %d bytes, %v", i, got, err)
		}
	}
}

// BIG TCP makes super-frames of more than 64 KiB where an interface is told to.
func TestBIGTCPSuperFramesAreCountedAsTruncated(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	l.addIPv6(t)
	within(t, l.client, func() {
		link, err := netlink.LinkByName("c0")
		if err == nil {
			err = netlink.LinkSetGSOMaxSize(link, 190000)
		}
		if err != nil {
			t.Skipf("needs BIG TCP: %v", err)
		}
	})
	there := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP6}})
	back := open(t, Config{Interface: l.d1, VIPs: []netip.Addr{labClient6}})
	done := make(chan error, 2)
	go forward(there, l.d1, l.s0.HardwareAddr, done)
	go forward(back, l.d0, l.c0.HardwareAddr, done)
	conn, served := l.connect(t, labVIP6)
	go func() { _, _ = io.Copy(io.Discard, served) }()
	go func() {
		buf := make([]byte, 1<<20)
		for _, err := conn.Write(buf); err == nil; _, err = conn.Write(buf) {
		}
	}()
	netns.Eventually(t, "a super-frame does not fit", func() bool { return there.Stats().Truncated > 0 })
	there.Stop()
	back.Stop()
	<-done
	<-done
	if s := there.Stats(); s.SendError != 0 {
		t.Errorf("stats %+v", s)
	}
}
