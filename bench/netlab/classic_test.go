package netlab

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
)

// policy is the part of a host's settings that a Classic changes.
func policy(t *testing.T, h *netns.Host, family int) (all []string) {
	t.Helper()
	rules, err := h.Netlink().RuleList(family)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		all = append(all, r.String())
	}
	addrs, err := h.Addresses()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		all = append(all, fmt.Sprint(a))
	}
	return all
}

// The frame of the stand-in is that of IPVS: from the VIP to the VIP, to the
// real server's MAC address. Stop leaves nothing.
func TestAClassicSendsItsOwnHostsConnectionsAsIPVSWould(t *testing.T) {
	netns.Require(t)
	for name, net := range map[string]netip.Prefix{"IPv4": {}, "IPv6": netip.MustParsePrefix("fd00:1::/64")} {
		t.Run(name, func(t *testing.T) {
			lab, err := Build(t.Context(), Spec{Net: net})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { closeOK(t, lab) })
			d, to, vip := lab.Director, lab.Servers[1], lab.Spec.VIP
			family := unix.AF_INET
			if vip.Is6() {
				family = unix.AF_INET6
			}
			if err := d.Ping(t.Context(), to.Addr); err != nil { // so that d has its MAC address
				t.Fatal(err)
			}
			before := policy(t, d.Host, family)
			c, err := lab.StartClassic(8080, to)
			if err != nil {
				t.Fatal(err)
			}
			if slices.Equal(before, policy(t, d.Host, family)) {
				t.Error("nothing has changed: this test proves nothing")
			}
			seen, err := to.Capture(Ifname, CaptureConfig{})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Ping(t.Context(), vip); err != nil {
				t.Errorf("the host does not answer a ping of the VIP: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if conn, err := d.Dial(ctx, "tcp", netip.AddrPortFrom(vip, 8080).String()); err == nil {
					t.Error("the connection was accepted")
					conn.Close()
				}
			}()
			arrived := func(f Frame) bool {
				p := PacketOf(f)
				return !p.Outgoing && p.TCP(frame.SYN) && p.IsFrom(vip) && p.IsTo(vip) && p.From() == frame.MAC(d.MAC) && p.To() == frame.MAC(to.MAC)
			}
			for end := time.Now().Add(time.Minute); !slices.ContainsFunc(seen.Frames(), arrived); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("no SYN from the VIP to the VIP has arrived")
				}
			}
			cancel()
			<-ended
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
			if err := c.Stop(); err != nil {
				t.Errorf("a second stop: %v", err)
			}
			if after := policy(t, d.Host, family); !slices.Equal(before, after) {
				t.Errorf("before: %v, after: %v", before, after)
			}
		})
	}
}
