package wire

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/arp"
	"lvsdr/arp/ndp"
	"lvsdr/control/doctor/facts"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/tap"
)

// A cable is an endpoint that the test holds the other end of. All tests of a
// prober run in a bubble of testing/synctest.
type cable struct {
	in chan tap.Frame

	mu     sync.Mutex
	sent   [][]byte
	groups []frame.MAC
	answer func(f []byte) [][]byte // what comes in for a frame that is sent; nil: nothing
	fail   error                   // of Send
	closed bool
}

func newCable() *cable { return &cable{in: make(chan tap.Frame, 100)} }

func (c *cable) Receive() (tap.Frame, error) {
	f, ok := <-c.in
	if !ok {
		return tap.Frame{}, os.ErrClosed
	}
	return f, nil
}

func (c *cable) Send(f []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fail != nil {
		return c.fail
	}
	c.sent = append(c.sent, slices.Clone(f))
	if c.answer != nil {
		for _, b := range c.answer(f) {
			c.in <- tap.Frame{Data: b}
		}
	}
	return nil
}

func (c *cable) Join(g frame.MAC) error {
	c.groups = append(c.groups, g)
	return nil
}

func (c *cable) Close() error {
	if !c.closed {
		c.closed = true
		close(c.in)
	}
	return nil
}

// A held port is one that only the test holds.
type held struct{ net.Listener }

func (held) Close() error { return nil }

var errDown = errors.New("network is down")

// asking runs f with a prober on eth0, which has the addresses of both families,
// and its cable.
func asking(t *testing.T, f func(t *testing.T, p *Prober, c *cable, eth0 *facts.Link)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, c := newProber([]netip.Addr{vip4, vip6}, time.Second), newCable()
		p.hold = func(context.Context, netip.Addr) (net.Listener, uint16, error) { return held{}, fromPort, nil }
		l := *eth0
		l.Addrs = []netip.Prefix{netip.PrefixFrom(ours, 24), netip.PrefixFrom(ours6, 64)}
		if err := p.add(&l, c); err != nil {
			t.Fatal(err)
		}
		f(t, p, c, &l)
		if err := p.Close(); err != nil || !c.closed {
			t.Errorf("Close = %v", err)
		}
	})
}

// isAt is the answer of mac for a.
func isAt(a netip.Addr, mac frame.MAC, to netip.Addr) []byte {
	p := arp.Packet{Dst: ourMAC, Src: mac, Op: arp.Reply, SenderMAC: mac, SenderIP: a, TargetMAC: ourMAC, TargetIP: to}
	return p.Frame()
}

func TestAProberReceivesTheGroupsOfTheIPv6VIPs(t *testing.T) {
	asking(t, func(t *testing.T, _ *Prober, c *cable, _ *facts.Link) {
		if want := []frame.MAC{ndp.GroupMAC(ndp.Group(vip6))}; !slices.Equal(c.groups, want) {
			t.Errorf("joined %v, want %v", c.groups, want)
		}
	})
}

func TestWhoHearsAllThatAnswerWithinTheTime(t *testing.T) {
	for _, a := range []struct{ who, from netip.Addr }{{rs4, ours}, {netip.MustParseAddr("fd00:1::11"), ours6}} {
		asking(t, func(t *testing.T, p *Prober, c *cable, l *facts.Link) {
			other, strange := frame.MAC{2, 0, 0, 0, 0x55, 2}, frame.MAC{2, 0, 0, 0, 0x55, 3}
			c.answer = func(f []byte) [][]byte {
				if in, ok := arp.Parse(f); !ok || in.Op != arp.Request || in.TargetIP != a.who || in.SenderIP != a.from {
					t.Errorf("asked with %+v", in)
				}
				about := client.Addr() // another address, which is not asked for
				if a.who.Is6() {
					about = vip6
				}
				return [][]byte{isAt(a.who, rsMAC, a.from), isAt(a.who, rsMAC, a.from), isAt(a.who, other, a.from), isAt(about, strange, a.from)}
			}
			start := time.Now()
			got, err := p.Owners(t.Context(), l, a.who)
			want := []Claim{{"eth0", a.who, rsMAC}, {"eth0", a.who, other}}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%v, %v, want %v", got, err, want)
			}
			if time.Since(start) != time.Second || len(c.sent) != 2 {
				t.Errorf("asked %d times in %v, want twice in the whole second", len(c.sent), time.Since(start))
			}
		})
	}
}

// Without an address of this host IPv4 is asked from 0.0.0.0, as before an address
// is taken, and IPv6 from the link-local address.
func TestAHostWithoutAnAddressAsksToo(t *testing.T) {
	for a, from := range map[netip.Addr]netip.Addr{rs4: netip.IPv4Unspecified(), vip6: ndp.LinkLocal(ourMAC)} {
		asking(t, func(t *testing.T, p *Prober, c *cable, l *facts.Link) {
			l.Addrs = nil
			if _, err := p.Owners(t.Context(), l, a); err != nil {
				t.Fatal(err)
			}
			if in, ok := arp.Parse(c.sent[0]); !ok || in.SenderIP != from {
				t.Errorf("%v is asked for from %v, want %v", a, in.SenderIP, from)
			}
		})
	}
}

func TestAConnectionThatIsAcceptedIsGivenUp(t *testing.T) {
	asking(t, func(t *testing.T, p *Prober, c *cable, l *facts.Link) {
		q := toVIP
		q.Link = l
		c.answer = func(f []byte) [][]byte {
			if s := sight(f); s.header.Flags == frame.SYN {
				return [][]byte{build.TCP{Src: netip.AddrPortFrom(vip4, 80), Dst: netip.AddrPortFrom(ours, fromPort),
					IP: build.IP{SrcMAC: rsMAC, DstMAC: ourMAC}, Flags: "SA", TCPOptions: build.MSS(1400)}.Bytes()}
			}
			return nil
		}
		a, err := p.Connect(t.Context(), q, 80)
		if err != nil || a.Outcome != Accepted || a.MSS != 1400 || a.From != rsMAC || !strings.HasPrefix(a.Evidence, "sent TCP SYN ") ||
			!strings.Contains(a.Evidence, "; received TCP SYN+ACK ") {
			t.Errorf("%+v, %v", a, err)
		}
		if len(c.sent) != 2 || sight(c.sent[1]).header.Flags != frame.RST || frame.DstMAC(c.sent[1]) != rsMAC {
			t.Errorf("%d frames were sent, want a SYN and a RST", len(c.sent))
		}
		answer := c.answer
		c.answer = func(f []byte) [][]byte { c.fail = errDown; return answer(f) }
		if a, err := p.Connect(t.Context(), q, 80); !errors.Is(err, errDown) || a.Outcome != Accepted {
			t.Errorf("the RST could not be sent: %+v, %v", a, err)
		}
	})
}

func TestWhatIsNotAnsweredIsAskedTwice(t *testing.T) {
	asking(t, func(t *testing.T, p *Prober, c *cable, l *facts.Link) {
		q := toVIP
		q.Link = l
		a, err := p.Connect(t.Context(), q, 80)
		if err != nil || a.Outcome != Silence || !strings.HasSuffix(a.Evidence, "; nothing received in 1s") || len(c.sent) != 2 {
			t.Errorf("%+v, %v after %d frames", a, err, len(c.sent))
		}
		c.sent, c.answer = nil, func(f []byte) [][]byte {
			if len(c.sent) < 2 {
				return nil // the first is lost
			}
			s := sight(f)
			return [][]byte{frame.AppendEchoReply(nil, f, &s.header)}
		}
		if a, err := p.Ping(t.Context(), q, 0); err != nil || a.Outcome != Echoed || len(c.sent) != 2 {
			t.Errorf("%+v, %v after %d frames", a, err, len(c.sent))
		}
	})
}

func TestAHostThatHasTheVIPDoesNotAnswerInItsName(t *testing.T) {
	rs6 := netip.MustParseAddr("fd00:1::11")
	echo := func(f []byte) [][]byte {
		s := sight(f)
		return [][]byte{frame.AppendEchoReply(nil, f, &s.header)}
	}
	asksForVIP := func([]byte) [][]byte {
		q := arp.Target{IP: vip6, SourceIP: rs6, SourceMAC: rsMAC}.Request()
		return [][]byte{q.Frame()}
	}
	for _, c := range []struct {
		name    string
		rs, vip netip.Addr
		answer  func(f []byte) [][]byte
		want    bool
	}{
		{"an ARP reply", rs4, vip4, func([]byte) [][]byte { return [][]byte{isAt(rs4, rsMAC, vip4)} }, true},
		{"an ARP reply of another host", rs4, vip4, func([]byte) [][]byte { return [][]byte{isAt(rs4, frame.MAC{2, 9}, vip4)} }, false},
		{"nothing", rs4, vip4, nil, false},
		{"an echo reply", rs6, vip6, echo, true},
		{"the question where to send it", rs6, vip6, asksForVIP, true},
		{"nothing in IPv6", rs6, vip6, nil, false},
	} {
		asking(t, func(t *testing.T, p *Prober, cable *cable, l *facts.Link) {
			cable.answer = c.answer
			got, err := p.AsVIP(t.Context(), l, rsMAC, c.rs, c.vip)
			if err != nil || got != c.want {
				t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
			}
			if frame.DstMAC(cable.sent[0]) != rsMAC {
				t.Errorf("%s: asked at %v, want the server alone", c.name, frame.DstMAC(cable.sent[0]))
			}
		})
	}
}

func TestAQuestionThatCannotBeSentIsAnError(t *testing.T) {
	asking(t, func(t *testing.T, p *Prober, c *cable, l *facts.Link) {
		q := toVIP
		q.Link = l
		c.fail = errDown
		if _, err := p.Owners(t.Context(), l, rs4); !errors.Is(err, errDown) || err.Error() != "send on eth0: network is down" {
			t.Errorf("%v", err)
		}
		if _, err := p.Owners(t.Context(), &facts.Link{Index: 9, Name: "eth9"}, rs4); !errors.Is(err, os.ErrClosed) {
			t.Errorf("on an interface that is not listened on: %v", err)
		}
		p.hold = func(context.Context, netip.Addr) (net.Listener, uint16, error) { return nil, 0, errDown }
		if _, err := p.Connect(t.Context(), q, 80); !errors.Is(err, errDown) {
			t.Errorf("without a port: %v", err)
		}
		c.fail = nil
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		if _, err := p.Ping(ctx, q, 0); !errors.Is(err, context.Canceled) {
			t.Errorf("at the end of the context: %v", err)
		}
	})
}

// Frames of another VLAN belong to its own interface, and what this host sends
// answers nothing.
func TestWhatIsNotForThisLinkIsLeftOut(t *testing.T) {
	asking(t, func(t *testing.T, p *Prober, c *cable, l *facts.Link) {
		claim := isAt(vip4, rsMAC, ours)
		tagged := slices.Concat(claim[:12], []byte{0x81, 0, 0, 5}, claim[12:])
		c.in <- tap.Frame{Data: tagged}
		c.in <- tap.Frame{Data: claim[:10]}
		c.in <- tap.Frame{Data: claim, Outgoing: true}
		synctest.Wait()
		if got := p.Traffic(); len(got.Claims) != 0 {
			t.Errorf("claims %v", got.Claims)
		}
		c.in <- tap.Frame{Data: claim}
		synctest.Wait()
		if got := p.Traffic(); len(got.Claims[vip4]) != 1 {
			t.Errorf("claims %v", got.Claims)
		}
	})
}

func TestErrorsOfRoutersAreToldFromThoseOfFirewalls(t *testing.T) {
	for _, c := range []struct {
		name       string
		src        netip.Addr
		typ, code  uint8
		fromRouter bool
	}{
		{"host unreachable", rs4, 3, 1, true},
		{"network unreachable", rs4, 3, 0, true},
		{"time exceeded", rs4, 11, 0, true},
		{"administratively prohibited", rs4, 3, 13, false},
		{"port unreachable", rs4, 3, 3, false},
		{"no route, IPv6", ours6, 1, 0, true},
		{"address unreachable, IPv6", ours6, 1, 3, true},
		{"hop limit exceeded, IPv6", ours6, 3, 0, true},
		{"administratively prohibited, IPv6", ours6, 1, 1, false},
		{"packet too big, IPv6", ours6, 2, 0, false},
	} {
		a := Answer{Outcome: Unreachable, Src: c.src, Type: c.typ, Code: c.code}
		if a.FromRouter() != c.fromRouter {
			t.Errorf("%s: from a router %v", c.name, a.FromRouter())
		}
		if a.Outcome = Silence; a.FromRouter() {
			t.Errorf("%s: silence is from a router", c.name)
		}
	}
}

func TestOutcomesAndClaimsAreShown(t *testing.T) {
	seen := map[string]bool{}
	for o := Silence; o <= Returned+1; o++ {
		seen[o.String()] = true
	}
	if len(seen) != 7 || !seen["outcome?"] {
		t.Errorf("outcomes %v", seen)
	}
	for c, want := range map[Claim]string{
		{"eth0", vip4, rsMAC}: "ARP on eth0: 192.168.1.100 is at 02:00:00:00:55:01",
		{"eth0", vip6, rsMAC}: "neighbour discovery on eth0: fd00:1::100 is at 02:00:00:00:55:01",
	} {
		if c.String() != want {
			t.Errorf("%q, want %q", c, want)
		}
	}
}

func TestFramesAreDescribed(t *testing.T) {
	udp := build.UDP{Src: client, Dst: netip.AddrPortFrom(vip4, 53), IP: build.IP{SrcMAC: ourMAC, DstMAC: rsMAC}}.Bytes()
	for _, c := range []struct {
		f    []byte
		want string
	}{
		{toVIP.segment("S", 40000, 80, 0), "TCP SYN 192.168.1.10:40000 > 192.168.1.100:80, 44 bytes, from 02:00:00:00:dd:01 to 02:00:00:00:55:01 on eth0"},
		{toVIP6.echo(7, 0), "ICMP type 128 code 0 fd00:1::10 > fd00:1::100, 80 bytes, from 02:00:00:00:dd:01 to 02:00:00:00:55:01 on eth0"},
		{udp, "IP protocol 17 192.168.1.50 > 192.168.1.100, 28 bytes, from 02:00:00:00:dd:01 to 02:00:00:00:55:01 on eth0"},
	} {
		if got := describe(sight(c.f)); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
