package shield

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

var (
	vip4   = netip.MustParseAddr("192.168.1.100")
	vip6   = netip.MustParseAddr("fd00:1::100")
	other4 = netip.MustParseAddr("192.168.1.101")
	own4   = netip.MustParseAddr("192.168.1.10")
	own6   = netip.MustParseAddr("fd00:1::10")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A lab is a director and a client on one switch. Both have IPv6.
type lab struct {
	t        testing.TB
	director *netns.Host
	client   *netns.Host
}

func newLab(t testing.TB) *lab {
	t.Helper()
	netns.Require(t)
	sw, err := netns.NewSwitch("switch")
	must(t, err)
	t.Cleanup(func() { must(t, sw.Close()) })
	host := func(name string, n int) *netns.Host {
		h := netns.NewTestHost(t, name, netns.HostConfig{IPv6: true})
		must(t, sw.Connect(t.Context(), h, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{
			netip.MustParsePrefix(fmt.Sprintf("192.168.1.%d/24", n)), netip.MustParsePrefix(fmt.Sprintf("fd00:1::%d/64", n))}}))
		return h
	}
	return &lab{t: t, director: host("director", 10), client: host("client", 20)}
}

// A part is one of the two ways to hide a VIP.
type part string

const (
	earlyPart part = "early"
	latePart  part = "late"
)

// open makes a shield in the director's namespace, which has only the late part
// if that is asked for.
func (l *lab) open(p part) (s *Shield) {
	l.t.Helper()
	must(l.t, l.director.Do(func() (err error) { s, err = New(); return err }))
	if p == latePart {
		s.nft, s.early = nil, errors.New("the test does without")
	} else if s.early != nil {
		l.t.Fatalf("no early part: %v", s.early)
	}
	return s
}

// close closes a shield for good and wants nothing to be left.
func (l *lab) close(s *Shield) {
	l.t.Helper()
	must(l.t, l.director.Do(func() error { return s.Close(false) }))
	if left := l.left(); len(left) != 0 {
		l.t.Errorf("left behind: %q", left)
	}
}

// set is Set in the director's namespace.
func (l *lab) set(s *Shield, guards ...Guard) {
	l.t.Helper()
	must(l.t, l.director.Do(func() error { return s.Set(guards) }))
}

// missing is Check in the director's namespace.
func (l *lab) missing(s *Shield) (missing []string) {
	l.t.Helper()
	must(l.t, l.director.Do(func() (err error) { missing, err = s.Check(); return err }))
	return missing
}

// guarded wants exactly these guards in the director's namespace.
func (l *lab) guarded(want ...Guard) {
	l.t.Helper()
	var got []Guard
	must(l.t, l.director.Do(func() (err error) { got, err = Guarded(); return err }))
	slices.SortFunc(want, compareGuards)
	if !slices.Equal(got, want) {
		l.t.Errorf("hidden is %v, want %v", got, want)
	}
}

// left describes what the director's namespace has of the shield, and tables of
// nftables.
func (l *lab) left() (all []string) {
	l.t.Helper()
	must(l.t, l.director.Do(func() error {
		n, err := openNFT()
		if err != nil {
			return err
		}
		tables, err := n.c.ListTables()
		for _, t := range tables {
			all = append(all, "nft table "+t.Name)
		}
		if err != nil {
			return err
		}
		guards, err := guardedLate()
		for _, g := range guards {
			all = append(all, fmt.Sprint("late ", g))
		}
		return err
	}))
	rules, err := l.director.Netlink().RuleList(netlink.FAMILY_ALL)
	must(l.t, err)
	for _, r := range rules {
		if r.Priority == 75 {
			all = append(all, r.String())
		}
	}
	return all
}

// An answer is the kernel's answer to a packet.
type answer string

const (
	silent  answer = "silence"
	refused answer = "refused"
)

// ask connects from the client to a closed port and says what the director's
// kernel answers. Silence includes that ARP and neighbour solicitations are
// not answered. A silence that is wanted is not waited for as long as an answer.
func (l *lab) ask(to netip.Addr, want answer) answer {
	l.t.Helper()
	d := net.Dialer{Timeout: time.Minute}
	if want == silent {
		d.Timeout = 300 * time.Millisecond
	}
	err := l.client.Do(func() error {
		c, err := d.DialContext(l.t.Context(), "tcp", netip.AddrPortFrom(to, 7).String())
		if err == nil {
			c.Close()
		}
		return err
	})
	switch {
	case err == nil:
		l.t.Fatalf("%s is open", to)
	case errors.Is(err, syscall.ECONNREFUSED):
		return refused
	}
	return silent
}

// know gives the client the director's MAC address for an address, as the
// director's announcements would.
func (l *lab) know(a netip.Addr) {
	l.t.Helper()
	eth0, err := l.director.Netlink().LinkByName("eth0")
	must(l.t, err)
	must(l.t, l.client.SetNeighbour("eth0", a, eth0.Attrs().HardwareAddr))
}

// on adds a VIP to an interface of the director.
func (l *lab) on(ifname string, a netip.Addr) {
	l.t.Helper()
	must(l.t, l.director.AddAddr(ifname, netip.PrefixFrom(a, a.BitLen())))
	must(l.t, l.director.WaitLocal(l.t.Context(), a))
}

// tap opens a packet socket at the director, as its ports have one.
func (l *lab) tap() int {
	l.t.Helper()
	var fd int
	must(l.t, l.director.Do(func() (err error) {
		all := int(htons(unix.ETH_P_ALL))
		if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all); err != nil {
			return err
		}
		tv := unix.NsecToTimeval(int64(10 * time.Second))
		return unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
	}))
	l.t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// sees waits for a received frame that fits at a packet socket.
func (l *lab) sees(fd int, what string, fits func(frame []byte) bool) {
	l.t.Helper()
	b := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(fd, b, 0)
		if err != nil {
			l.t.Errorf("the director does not see %s: %v", what, err)
			return
		}
		if a, ok := from.(*unix.SockaddrLinklayer); ok && a.Pkttype != unix.PACKET_OUTGOING && fits(b[:n]) {
			return
		}
	}
}

// bombard sends datagrams to a closed port of an address, without pause, until
// the function it returns is called, which says how many were sent and how often
// the director's kernel refused them.
func (l *lab) bombard(to netip.Addr) (stop func() (sent, refused int)) {
	l.t.Helper()
	c, err := l.client.Dial(l.t.Context(), "udp", netip.AddrPortFrom(to, 9).String())
	must(l.t, err)
	var sent, answers int
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			default:
			}
			if _, err := c.Write([]byte("x")); errors.Is(err, syscall.ECONNREFUSED) {
				answers++
			}
			sent++
			runtime.Gosched()
		}
	}()
	return func() (int, int) {
		close(end)
		<-ended
		c.Close()
		return sent, answers
	}
}

// withoutPrivilege runs f without CAP_NET_ADMIN on the calling thread.
func withoutPrivilege(f func() error) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var whole, less [2]unix.CapUserData
	if err := unix.Capget(&head, &whole[0]); err != nil {
		return err
	}
	less = whole
	less[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	if err := unix.Capset(&head, &less[0]); err != nil {
		return err
	}
	defer func() { _ = unix.Capset(&head, &whole[0]) }()
	return f()
}
