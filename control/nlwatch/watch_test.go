package nlwatch_test

import (
	"context"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/nlwatch"
)

func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }

func route(protocol uint8) syscall.NetlinkMessage {
	m := nl.NewRtMsg()
	m.Protocol = protocol
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE}, Data: m.Serialize()}
}

func rule(attrs ...*nl.RtAttr) syscall.NetlinkMessage {
	b := nl.NewRtMsg().Serialize()
	for _, a := range attrs {
		b = append(b, a.Serialize()...)
	}
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_DELRULE}, Data: b}
}

func TestRouteProtocolIsWhoMadeARouteOrRule(t *testing.T) {
	for _, c := range []struct {
		name     string
		m        syscall.NetlinkMessage
		protocol uint8
		ok       bool
	}{
		{"a route", route(118), 118, true},
		{"a rule", rule(nl.NewRtAttr(nl.FRA_PRIORITY, []byte{1, 0, 0, 0}), nl.NewRtAttr(nl.FRA_PROTOCOL, []byte{118})), 118, true},
		{"a rule of nobody", rule(), 0, true},
		{"a rule that is cut off", rule(&nl.RtAttr{RtAttr: unix.RtAttr{Len: 200, Type: nl.FRA_PROTOCOL}}), 0, true},
		{"a link", syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWLINK}, Data: make([]byte, 64)}, 0, false},
		{"a route that is too short", syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE}, Data: []byte{2}}, 0, false},
	} {
		if p, ok := nlwatch.RouteProtocol(c.m); p != c.protocol || ok != c.ok {
			t.Errorf("%s: %d, %v; want %d, %v", c.name, p, ok, c.protocol, c.ok)
		}
	}
}

// A source that the kernel does not have does not keep the others from being
// heard; if it has none of them that is an error.
func TestASourceThatIsNotThereIsLeftOut(t *testing.T) {
	h := netns.NewTestHost(t, "host", netns.HostConfig{})
	const noProtocol = 31
	missing := nlwatch.Source{Name: "nothing", Protocol: noProtocol}
	if err := nlwatch.Watch(t.Context(), time.Millisecond, nil, missing); err == nil || err.Error() != "watch nothing: protocol not supported" {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	told, ended := make(chan struct{}, 1), make(chan error, 1)
	changed := func() {
		select {
		case told <- struct{}{}:
		default:
		}
	}
	go func() {
		ended <- h.Do(func() error {
			return nlwatch.Watch(ctx, time.Millisecond, changed, missing, nlwatch.Source{Name: "links", Protocol: unix.NETLINK_ROUTE, Groups: []uint{unix.RTNLGRP_IPV4_IFADDR}})
		})
	}()
	lo, err := h.Netlink().LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	n := byte(0)
	netns.Eventually(t, "a change is told", func() bool {
		n++
		a := &netlink.Addr{IPNet: netlink.NewIPNet(netip.AddrFrom4([4]byte{10, 0, 0, n}).AsSlice())}
		if err := h.Netlink().AddrReplace(lo, a); err != nil {
			t.Fatal(err)
		}
		select {
		case <-told:
			return true
		default:
			return false
		}
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
