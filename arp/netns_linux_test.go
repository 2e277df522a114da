package arp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/arp/ndp"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

// patience is how long a test waits for the kernel before it fails.
const patience = 2 * time.Minute

// A lab is a veth pair: near carries the VIP and the service, far is a host
// with a kernel of its own as the real server or the client.
type lab struct {
	t        *testing.T
	far      *netns.Host
	nl       *netlink.Handle // of the far side
	link     netlink.Link    // its end of the pair
	near     *net.Interface
	nearMAC  frame.MAC
	farMAC   frame.MAC
	service  *Service
	learned  chan Change
	events   chan Event
	farNeigh chan netlink.NeighUpdate
}

func newLab(t *testing.T, macvlan bool) *lab {
	t.Helper()
	l := &lab{t: t, learned: make(chan Change, 100), events: make(chan Event, 100), farNeigh: make(chan netlink.NeighUpdate, 100)}
	l.connect()
	if macvlan {
		l.putMacvlan()
	}
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	l.must("subscribe to the far neighbours", l.far.Do(func() error { return netlink.NeighSubscribe(l.farNeigh, done) }))
	l.serve()
	return l
}

func (l *lab) must(what string, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("%s: %v", what, err)
	}
}

// connect makes the far host and the pair, 192.168.1.2 and 2001:db8::2 near and
// .11 and ::11 far.
func (l *lab) connect() {
	l.t.Helper()
	here := netns.NewTestHere(l.t, "here", netns.HostConfig{IPv6: true})
	l.far = netns.NewTestHost(l.t, "far", netns.HostConfig{IPv6: true})
	l.nl = l.far.Netlink()
	l.must("lay a cable", netns.Lay(l.t.Context(),
		here, netns.Cable{Ifname: "near", Addrs: []netip.Prefix{netip.PrefixFrom(ourIP, 24), netip.PrefixFrom(our6, 64)}},
		l.far, netns.Cable{Ifname: "far", Addrs: []netip.Prefix{netip.PrefixFrom(serverIP, 24), netip.PrefixFrom(server6, 64)}}))
	var err error
	l.link, err = l.nl.LinkByName("far")
	l.must("find far", err)
	l.farMAC = frame.MAC(l.link.Attrs().HardwareAddr)
	l.findNear("near")
}

func (l *lab) findNear(name string) {
	l.t.Helper()
	var err error
	l.near, err = net.InterfaceByName(name)
	l.must("find "+name, err)
	l.nearMAC = frame.MAC(l.near.HardwareAddr)
}

// putMacvlan puts a macvlan on near for the service. It receives of multicast
// what somebody has joined, as a network card does and a veth does not.
func (l *lab) putMacvlan() {
	l.t.Helper()
	m := &netlink.Macvlan{LinkAttrs: netlink.LinkAttrs{Name: "filter", ParentIndex: l.near.Index}, Mode: netlink.MACVLAN_MODE_BRIDGE}
	err := netlink.LinkAdd(m)
	if errors.Is(err, syscall.EOPNOTSUPP) {
		l.t.Skipf("needs a kernel with macvlan: %v", err)
	}
	l.must("make a macvlan", err)
	l.must("macvlan up", netlink.LinkSetUp(m))
	l.findNear("filter")
}

// address is an address at once, without duplicate address detection.
func address(ip netip.Addr, bits int) *netlink.Addr {
	a := &netlink.Addr{IPNet: &net.IPNet{IP: ip.AsSlice(), Mask: net.CIDRMask(bits, ip.BitLen())}}
	if ip.Is6() {
		a.Flags = unix.IFA_F_NODAD
	}
	return a
}

// serve runs the service on near, with a packet socket in place of the data
// plane's ring.
func (l *lab) serve() {
	l.t.Helper()
	sender := NewPacketSender()
	var err error
	l.service, err = New(Config{
		Sender: sender,
		// Often, since a kernel that is given an address joins its group later.
		Announce: AnnounceTimes{CheckEvery: 100 * ms},
		Changed:  func(c Change) { l.learned <- c },
		Events:   func(e Event) { l.events <- e },
	})
	l.must("make the service", err)
	ctx, cancel := context.WithCancel(context.Background())
	l.listen(frame.EtherTypeARP, func([]byte) bool { return true })
	l.listen(frame.EtherTypeIPv6, ndp.Wanted)
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = l.service.Run(ctx) // it ends with the error of ctx
	}()
	l.t.Cleanup(func() {
		cancel()
		<-ran
		if err := sender.Close(); err != nil {
			l.t.Error(err)
		}
		if err := sender.Send(int32(l.near.Index), make([]byte, etherMin)); !errors.Is(err, os.ErrClosed) {
			l.t.Errorf("Send after Close = %v", err)
		}
	})
	l.must("set the VIPs", l.service.SetVIPs(l.vips(false)))
}

// vips are the VIPs of both families on near.
func (l *lab) vips(active bool) []VIP {
	at := func(a netip.Addr) VIP {
		return VIP{Addr: a, Ifindex: int32(l.near.Index), MAC: l.nearMAC, Active: active}
	}
	return []VIP{at(vip), at(vip6)}
}

// speak makes the VIPs active.
func (l *lab) speak() {
	l.t.Helper()
	l.must("activate the VIPs", l.service.SetVIPs(l.vips(true)))
	netns.Eventually(l.t, "the VIPs to be announced", func() bool {
		looked, held := l.service.Unannounced()
		return looked == 0 && len(held) == 0
	})
}

// listen puts those frames of an EtherType into the inbox that are wanted. Like
// the data plane's ring it joins the group of the IPv6 VIP.
func (l *lab) listen(typ int, wanted func([]byte) bool) {
	l.t.Helper()
	conn, err := packet.Listen(l.near, packet.Raw, typ, nil)
	l.must("listen on near", err)
	l.must("join the VIP's group", conn.JoinGroup(groupMAC[:]))
	read := make(chan struct{})
	go func() {
		defer close(read)
		for b := make([]byte, 2048); ; {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return // closed
			}
			if wanted(b[:n]) {
				l.service.Inbox().Put(b[:n], int32(l.near.Index))
			}
		}
	}()
	l.t.Cleanup(func() { conn.Close(); <-read })
}

// farSends makes the far host send a datagram to ip, so that its kernel must
// find the MAC address.
func (l *lab) farSends(ip netip.Addr) { l.farSendsFrom(netip.Addr{}, ip) }

// farSendsFrom is farSends with a source of its own choice; the zero Addr: the
// kernel's.
func (l *lab) farSendsFrom(from, ip netip.Addr) {
	l.t.Helper()
	var local netip.AddrPort
	if from.IsValid() {
		local = netip.AddrPortFrom(from, 0)
	}
	c, err := l.far.DialFrom(l.t.Context(), "udp", local, netip.AddrPortFrom(ip, 9).String())
	l.must("dial from the far side", err)
	defer c.Close()
	_, err = c.Write([]byte("hello"))
	l.must("send from the far side", err)
}

// farLearns waits until the far kernel holds mac for ip.
func (l *lab) farLearns(ip netip.Addr, mac frame.MAC) {
	l.t.Helper()
	expect(l.t, l.farNeigh, fmt.Sprintf("%v is at %s in the far kernel", ip, mac), func(u netlink.NeighUpdate) bool {
		return u.Type == syscall.RTM_NEWNEIGH && u.IP.Equal(ip.AsSlice()) && string(u.HardwareAddr) == string(mac[:])
	})
}

// farSysctl sets a setting of all interfaces of the far side.
func (l *lab) farSysctl(name, value string) {
	l.t.Helper()
	l.must("set "+name, l.far.Sysctl("net.ipv4.conf.all."+name, value))
}

// expect waits for a value that is as wanted.
func expect[T any](t *testing.T, from <-chan T, what string, wanted func(T) bool) T {
	t.Helper()
	late := time.After(patience)
	for {
		select {
		case v := <-from:
			if wanted(v) {
				return v
			}
		case <-late:
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func (l *lab) target() Target {
	return Target{IP: serverIP, Ifindex: int32(l.near.Index), SourceIP: ourIP, SourceMAC: l.nearMAC, Name: "real server web1"}
}

// event waits for an event of a kind.
func (l *lab) event(k EventKind) Event {
	l.t.Helper()
	return expect(l.t, l.events, k.String()+" is told", func(e Event) bool { return e.Kind == k })
}

// TestKernelNeighbours runs its parts against a real kernel, in a world where it
// may do all it wants.
func TestKernelNeighbours(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	t.Run("a sender lets go of an interface that is gone and finds it again", func(t *testing.T) {
		if netns.Alone(t) {
			testSenderFollows(t)
		}
	})
	for _, c := range []struct {
		name string
		run  func(*testing.T, *lab)
	}{
		{"the far kernel resolves the VIP to our MAC", testFarResolves},
		{"gratuitous ARP updates an entry the far kernel has", testFarIsUpdated},
		{"the resolver learns the far MAC and a new one", testResolverLearns},
		{"a far side that has the VIP is caught by a check", testFarHasVIP},
		{"a far side with the VIP on lo and arp_ignore 1 is not", testFarIsRight},

		{"by IPv6 the far kernel resolves the VIP to our MAC", testFarResolves6},
		{"an unsolicited advertisement updates an entry the far kernel has", testFarIsUpdated6},
		{"by IPv6 the resolver learns the far MAC and a new one", testResolverLearns6},
		{"without an address of its own the resolver is answered too", testResolverWithoutAddress},
		{"a far side that has the IPv6 VIP on its interface is caught by a check", testFarHasVIP6},
		{"a far side that has a proxy entry for the IPv6 VIP is caught by a check", testFarIsProxy},
		{"a far side with the IPv6 VIP on lo is right without any setting", testFarIsRight6},
		{"a far side that takes the IPv6 VIP is told of and kept from it", testFarTakesVIP},
	} {
		t.Run(c.name, func(t *testing.T) {
			if netns.Alone(t) {
				c.run(t, newLab(t, false))
			}
		})
	}
	t.Run("the VIP is asked for through an interface that filters multicast", func(t *testing.T) {
		if netns.Alone(t) {
			testFarResolves6(t, newLab(t, true))
		}
	})
}

func testFarResolves(_ *testing.T, l *lab) {
	l.must("set the real server", l.service.SetTargets([]Target{l.target()}))
	expect(l.t, l.learned, "the real server is found", func(c Change) bool { return c.New == l.farMAC })
	l.speak()
	l.farSends(vip)
	l.farLearns(vip, l.nearMAC)
	l.event(RealServerAsks) // it is a real server that should have the VIP itself
	if n := l.service.Stats().frames[answeredRealServer]; n == 0 {
		l.t.Error("the far kernel learned it from something else than an answer")
	}
}

func testFarIsUpdated(_ *testing.T, l *lab) {
	stale := &netlink.Neigh{
		LinkIndex: l.link.Attrs().Index, Family: netlink.FAMILY_V4, State: netlink.NUD_REACHABLE,
		IP: vip.AsSlice(), HardwareAddr: strayMAC[:],
	}
	l.must("make the far kernel believe another director", l.nl.NeighSet(stale))
	l.farLearns(vip, strayMAC)
	l.speak()
	l.farLearns(vip, l.nearMAC)
	if n := l.service.Stats().traffic[answersSent]; n != 0 {
		l.t.Errorf("%d requests were answered; the update came from them", n)
	}
}

func testResolverLearns(_ *testing.T, l *lab) {
	l.must("set the real server", l.service.SetTargets([]Target{l.target()}))
	expect(l.t, l.learned, "the real server is found", func(c Change) bool { return c.New == l.farMAC })
	if n := l.service.Neighbours(); len(n) != 1 || n[0].MAC != l.farMAC || n[0].State != reachable {
		l.t.Errorf("neighbours %v", n)
	}
	// The card is exchanged; the far host announces itself with its next
	// request (arp_notify would do so at once).
	l.must("change the far MAC", l.nl.LinkSetHardwareAddr(l.link, strayMAC[:]))
	l.farSends(ourIP)
	c := expect(l.t, l.learned, "the real server moved", func(c Change) bool { return c.New == strayMAC })
	if c.Old != l.farMAC {
		l.t.Errorf("change %v, want the old MAC %s", c, l.farMAC)
	}
	l.event(RealServerMoved)
}

func testFarHasVIP(_ *testing.T, l *lab) {
	l.must("set the real server", l.service.SetTargets([]Target{l.target()}))
	expect(l.t, l.learned, "the real server is found", func(c Change) bool { return c.New == l.farMAC })
	l.must("give the far side the VIP", l.nl.AddrAdd(l.link, address(vip, 32)))
	l.speak()
	e := l.event(RealServerAnswers)
	if want := "real server web1 answers ARP for VIP 192.168.1.100: arp_ignore is not 1 on all"; e.Text != want {
		l.t.Errorf("text %q, want %q", e.Text, want)
	}
}

func testFarIsRight(_ *testing.T, l *lab) {
	l.farSysctl("arp_ignore", "1")
	l.farSysctl("arp_announce", "2")
	lo, err := l.nl.LinkByName("lo")
	l.must("find lo", err)
	l.must("give lo the VIP", l.nl.AddrAdd(lo, address(vip, 32)))
	l.speak()
	// The check is sent before this question, and the wire keeps the order:
	// when the question is answered, the check will not be any more.
	for l.service.Stats().traffic[checksSent] == 0 {
		runtime.Gosched()
	}
	l.must("set the real server", l.service.SetTargets([]Target{l.target()}))
	expect(l.t, l.learned, "the real server is found", func(c Change) bool { return c.New == l.farMAC })
	if st := l.service.Stats(); st.frames[claimedByOther]+st.frames[claimedByRealServer] != 0 {
		l.t.Errorf("a conflict was seen: %+v", st)
	}
}

func testSenderFollows(t *testing.T) {
	const index = 77
	s := NewPacketSender()
	add := func() netlink.Link {
		d := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "passing", Index: index}, PeerName: "peer"}
		if err := errorsOf(netlink.LinkAdd(d), netlink.LinkSetUp(d)); err != nil {
			t.Fatal(err)
		}
		return d
	}
	send := func(want bool) {
		t.Helper()
		if err := s.Send(index, gratuitous(1).build()); (err == nil) != want || (len(s.conns) == 1) != want {
			t.Errorf("Send = %v with %d sockets; the interface is there: %v", err, len(s.conns), want)
		}
	}
	send(false)
	d := add()
	send(true)
	send(true)
	if err := netlink.LinkDel(d); err != nil {
		t.Fatal(err)
	}
	send(false)
	d = add()
	send(true)
	if err := s.Send(index, nil); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("Send of nothing = %v", err)
	}
	if err := errorsOf(s.Close(), s.Close(), netlink.LinkDel(d)); err != nil {
		t.Error(err)
	}
}
