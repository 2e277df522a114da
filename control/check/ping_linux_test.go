package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

func TestPingProbe(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, v6 := range []bool{false, true} {
		t.Run(fmt.Sprint("IPv6 ", v6), func(t *testing.T) { testPing(t, newLab(t, v6)) })
	}
}

func testPing(t *testing.T, l *lab) {
	rs := l.rs[0]
	p := Ping{Addr: netip.AddrPortFrom(rs.addr, 0), Bind: netip.AddrPortFrom(l.dir, 0), Interface: "br0", Mark: 7}
	what := "ping " + rs.addr.String() + ": "
	must(t, try(t, p, time.Minute))
	all := make(chan error) // many at once, each of which sees the answers to all
	for range 20 {
		go func() { all <- try(t, p, time.Minute) }()
	}
	for range 20 {
		must(t, <-all)
	}
	rs.blackhole(l.dir)
	wantText(t, try(t, p, 100*time.Millisecond), os.ErrDeadlineExceeded, what+"no answer: i/o timeout")
	must(t, rs.Netlink().RouteDel(&netlink.Route{Dst: prefix(l.dir, l.dir.BitLen()), Type: unix.RTN_BLACKHOLE}))
	must(t, try(t, p, time.Minute)) // it is up again
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Check(ctx).Err; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	p.Bind = netip.AddrPortFrom(rs.addr, 0)
	if res := p.Check(t.Context()); res.Outcome() != NotMade || !strings.Contains(res.Err.Error(), "which is no address of this host") {
		t.Errorf("another host's address: %v", res.Err)
	}
}

func TestOnlyTheAnswerToARequestIsOne(t *testing.T) {
	request := &icmp.Echo{ID: 7, Seq: 1, Data: []byte("data")}
	for _, c := range []struct {
		name string
		m    icmp.Message
		want bool
	}{
		{"the answer", icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 7, Seq: 1, Data: []byte("data")}}, true},
		{"the request itself", icmp.Message{Type: ipv4.ICMPTypeEcho, Body: request}, false},
		{"another number", icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 7, Seq: 2, Data: []byte("data")}}, false},
		{"another process", icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 8, Seq: 1, Data: []byte("data")}}, false},
		{"other data", icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 7, Seq: 1, Data: []byte("date")}}, false},
		{"a part of the data", icmp.Message{Type: ipv4.ICMPTypeEchoReply, Body: &icmp.Echo{ID: 7, Seq: 1, Data: []byte("dat")}}, false},
		{"another message", icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Body: &icmp.DstUnreach{}}, false},
		{"of the other family", icmp.Message{Type: ipv6.ICMPTypeEchoReply, Body: request}, false},
	} {
		b, err := c.m.Marshal(nil)
		must(t, err)
		if got := isAnswer(b, ipv4.ICMPTypeEcho.Protocol(), ipv4.ICMPTypeEchoReply, request); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		for n := range b { // whatever is cut off
			if isAnswer(b[:n], ipv4.ICMPTypeEcho.Protocol(), ipv4.ICMPTypeEchoReply, request) {
				t.Errorf("%s: %d bytes of it are taken as the answer", c.name, n)
			}
		}
	}
}
