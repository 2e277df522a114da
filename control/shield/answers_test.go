package shield

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
)

// answering are the answers that the director's namespace keeps from its stack.
func (l *lab) answering() (all []string) {
	l.t.Helper()
	must(l.t, l.director.Do(func() error {
		n, err := openNFT()
		if err != nil {
			return err
		}
		for _, name := range []string{"ports4", "hosts4", "ports6", "hosts6"} {
			elements, err := n.c.GetSetElements(answerSet(name))
			if err != nil {
				return nil // there is no table
			}
			for _, e := range elements {
				k := len(e.Key) - 4
				if name[0] == 'p' {
					k -= 4
				}
				a, _ := netip.AddrFromSlice(e.Key[:k])
				text := fmt.Sprint(a, " ", frame.Proto(e.Key[k]))
				if name[0] == 'p' {
					text += fmt.Sprint(" ", int(e.Key[k+4])<<8|int(e.Key[k+5]))
				}
				all = append(all, text)
			}
		}
		return nil
	}))
	slices.Sort(all)
	return all
}

// setAnswers is SetAnswers in the director's namespace.
func (l *lab) setAnswers(s *Shield, all ...Answer) {
	l.t.Helper()
	must(l.t, l.director.Do(func() error { return s.SetAnswers(all) }))
}

func TestTheSetsHoldExactlyTheAnswers(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	defer l.close(s)
	a4, a6 := netip.MustParseAddr("10.0.0.11"), netip.MustParseAddr("fd00::11")
	web4, web6 := Answer{a4, frame.ProtoTCP, 8080}, Answer{a6, frame.ProtoTCP, 80}
	for _, c := range []struct {
		answers []Answer
		want    []string
	}{
		{[]Answer{web4}, []string{"10.0.0.11 tcp 8080"}},
		{[]Answer{web4, web6, web4}, []string{"10.0.0.11 tcp 8080", "fd00::11 tcp 80"}},
		{[]Answer{web6, {a4, frame.ProtoUDP, 0}}, []string{"10.0.0.11 udp", "fd00::11 tcp 80"}},
		{[]Answer{{a4, 0, 53}, {a6, 0, 0}}, []string{"10.0.0.11 sctp 53", "10.0.0.11 tcp 53", "10.0.0.11 udp 53", "fd00::11 sctp", "fd00::11 tcp", "fd00::11 udp"}},
		{nil, nil},
		{[]Answer{web4}, []string{"10.0.0.11 tcp 8080"}},
	} {
		l.setAnswers(s, c.answers...)
		if got := l.answering(); !slices.Equal(got, c.want) {
			t.Errorf("for %v the sets hold %q, want %q", c.answers, got, c.want)
		}
	}
	// What another process has left is replaced.
	other := l.open(earlyPart)
	l.setAnswers(other, web6)
	if got := l.answering(); !slices.Equal(got, []string{"fd00::11 tcp 80"}) {
		t.Errorf("after a start the sets hold %q", got)
	}
	must(t, l.director.Do(func() error { return other.Close(true) }))
	if len(l.answering()) != 1 {
		t.Error("a shield that is to be kept is gone")
	}
}

func TestManyAnswersGoInPieces(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	defer l.close(s)
	var all []Answer
	for i := range 2500 {
		all = append(all, Answer{netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), frame.ProtoTCP, 80})
	}
	l.setAnswers(s, all...)
	if n := len(l.answering()); n != 2500 {
		t.Errorf("%d answers of 2500", n)
	}
	l.setAnswers(s, all[2400:]...)
	if n := len(l.answering()); n != 100 {
		t.Errorf("%d answers of 100", n)
	}
}

// A host that forwards passes on what comes from servers, but not their answers; and
// what is for the host itself it gets, but it does not reset what it does not know.
func TestAHostThatForwardsKeepsAnswersBack(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	sw, err := netns.NewSwitch("beyond")
	must(t, err)
	t.Cleanup(func() { must(t, sw.Close()) })
	far := netns.NewTestHost(t, "far", netns.HostConfig{})
	must(t, sw.Connect(t.Context(), far, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("172.16.0.2/24")}}))
	must(t, sw.Connect(t.Context(), l.director, netns.Cable{Ifname: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("172.16.0.1/24")}}))
	must(t, l.director.Sysctl("net.ipv4.ip_forward", "1"))
	must(t, l.client.Netlink().RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(netip.MustParseAddr("172.16.0.2").AsSlice()), Gw: own4.AsSlice()}))
	must(t, far.Netlink().RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(netip.MustParseAddr("192.168.1.20").AsSlice()), Gw: netip.MustParseAddr("172.16.0.1").AsSlice()}))
	s := l.open(earlyPart)
	defer l.close(s)
	// The client stands for a server: what it sends from port 7007 is an answer.
	server := netip.MustParseAddr("192.168.1.20")
	l.setAnswers(s, Answer{server, frame.ProtoUDP, 7007})
	for _, c := range []struct {
		law     string
		from    uint16
		to      netip.Addr
		at      *netns.Host
		arrives bool
	}{
		{"another port of the server, forwarded", 7008, netip.MustParseAddr("172.16.0.2"), far, true},
		{"an answer, forwarded", 7007, netip.MustParseAddr("172.16.0.2"), far, false},
		{"an answer to the host itself", 7007, own4, l.director, true},
	} {
		sink, err := c.at.ListenPacket("udp", netip.AddrPortFrom(c.to, 9009).String())
		must(t, err)
		conn, err := l.client.DialFrom(t.Context(), "udp", netip.AddrPortFrom(server, c.from), netip.AddrPortFrom(c.to, 9009).String())
		must(t, err)
		_, err = conn.Write([]byte("x"))
		must(t, err)
		wait := time.Minute
		if !c.arrives {
			wait = 300 * time.Millisecond // a silence that is wanted
		}
		must(t, sink.SetReadDeadline(time.Now().Add(wait)))
		_, _, err = sink.ReadFrom(make([]byte, 16))
		if (err == nil) != c.arrives {
			t.Errorf("%s: arrives: %v", c.law, err == nil)
		}
		conn.Close()
		sink.Close()
	}
}

// The kernel resets a connection that it does not know, and not one of an answer's.
func TestResetsAboutAnswersDoNotLeave(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	defer l.close(s)
	for _, a := range []netip.Addr{own4, own6} {
		server := netip.MustParseAddr("192.168.1.20")
		if a.Is6() {
			server = netip.MustParseAddr("fd00:1::20")
		}
		l.setAnswers(s)
		if got := l.ask(a, refused); got != refused {
			t.Errorf("without answers a connection to %v meets %s", a, got)
		}
		l.setAnswers(s, Answer{server, frame.ProtoTCP, 0})
		if got := l.ask(a, silent); got != silent {
			t.Errorf("of a server whose answers these are a connection to %v meets %s", a, got)
		}
	}
}

// A successor that is told what there is changes nothing but what differs; one that is not makes the sets anew.
func TestASuccessorChangesOfTheSetsWhatDiffers(t *testing.T) {
	l := newLab(t)
	s := l.open(earlyPart)
	defer l.close(s)
	a4 := netip.MustParseAddr("10.0.0.11")
	web, dns, untold := Answer{a4, frame.ProtoTCP, 80}, Answer{a4, frame.ProtoUDP, 53}, Answer{a4, frame.ProtoTCP, 8080}
	for _, c := range []struct {
		told []Answer
		want []string
	}{
		{[]Answer{web}, []string{"10.0.0.11 tcp 8080", "10.0.0.11 udp 53"}},
		{nil, []string{"10.0.0.11 udp 53"}},
		{[]Answer{}, []string{"10.0.0.11 udp 53"}},
	} {
		l.setAnswers(s)
		l.setAnswers(s, web, untold)
		heir := l.open(earlyPart)
		heir.TakeAnswers(c.told)
		l.setAnswers(heir, dns)
		if got := l.answering(); !slices.Equal(got, c.want) {
			t.Errorf("told of %v the sets hold %q, want %q", c.told, got, c.want)
		}
	}
}

// Without nftables the director works, but says that it cannot keep answers back.
func TestAnswersNeedNFTables(t *testing.T) {
	s := &Shield{early: fmt.Errorf("no nftables here")}
	if err := s.SetAnswers(nil); err != nil {
		t.Errorf("of nothing: %v", err)
	}
	err := s.SetAnswers([]Answer{{Addr: own4, Proto: frame.ProtoTCP, Port: 80}})
	if err == nil || !strings.Contains(err.Error(), "no nftables here") {
		t.Errorf("of an answer: %v", err)
	}
	for _, name := range []string{"ports4", "ports6", "hosts4", "hosts6"} {
		a := Answer{own4, frame.ProtoTCP, 80}
		if name[5] == '6' {
			a.Addr = own6
		}
		if name[0] == 'h' {
			a.Port = 0
		}
		if a.set() != name || uint32(len(a.key())) != answerSet(name).KeyType.Bytes {
			t.Errorf("%v is in %s with %d bytes; %s has %d", a, a.set(), len(a.key()), name, answerSet(name).KeyType.Bytes)
		}
	}
}
