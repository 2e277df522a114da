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

func route(table, protocol uint8, attrs ...*nl.RtAttr) syscall.NetlinkMessage {
	m := nl.NewRtMsg()
	m.Table, m.Protocol = table, protocol
	b := m.Serialize()
	for _, a := range attrs {
		b = append(b, a.Serialize()...)
	}
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE}, Data: b}
}

func rule(attrs ...*nl.RtAttr) syscall.NetlinkMessage {
	b := (&nl.RtMsg{}).Serialize()
	for _, a := range attrs {
		b = append(b, a.Serialize()...)
	}
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_DELRULE}, Data: b}
}

func TestRouteIsTheTableAndTheMakerOfARouteOrRule(t *testing.T) {
	for _, c := range []struct {
		name     string
		m        syscall.NetlinkMessage
		table    int
		protocol uint8
		ok       bool
	}{
		{"a route", route(254, 118), 254, 118, true},
		{"a route of a table with a long number", route(252, 118, nl.NewRtAttr(unix.RTA_TABLE, []byte{1, 0, 0x78, 0x6c})), 0x6c780001, 118, true},
		{"a rule", rule(nl.NewRtAttr(nl.FRA_PRIORITY, []byte{1, 0, 0, 0}), nl.NewRtAttr(nl.FRA_PROTOCOL, []byte{118})), 0, 118, true},
		{"a rule without a maker", rule(nl.NewRtAttr(nl.FRA_TABLE, []byte{7, 0, 0, 0})), 7, 0, true},
		{"a rule that is cut off", rule(&nl.RtAttr{RtAttr: unix.RtAttr{Len: 200, Type: nl.FRA_PROTOCOL}}), 0, 0, true},
		{"a link", syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWLINK}, Data: make([]byte, 64)}, 0, 0, false},
		{"a route that is too short", syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: unix.RTM_NEWROUTE}, Data: []byte{2}}, 0, 0, false},
	} {
		if table, p, ok := nlwatch.Route(c.m); table != c.table || p != c.protocol || ok != c.ok {
			t.Errorf("%s: %d, %d, %v; want %d, %d, %v", c.name, table, p, ok, c.table, c.protocol, c.ok)
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
	subscribed := make(chan struct{}, 1)
	told, ended := make(chan struct{}, 1), make(chan error, 1)
	changed := func() {
		select {
		case told <- struct{}{}:
		default:
		}
	}
	go func() {
		ended <- h.Do(func() error {
			return nlwatch.Watch(ctx, time.Millisecond, changed, missing, nlwatch.Source{Name: "links", Protocol: unix.NETLINK_ROUTE, Groups: []uint{unix.RTNLGRP_IPV4_IFADDR},
				Subscribed: func() { subscribed <- struct{}{} }})
		})
	}()
	<-subscribed
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
