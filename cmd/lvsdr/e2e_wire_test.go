package main_test

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
)

// A sighting is a captured frame, parsed.
type sighting struct {
	frame.Header
	netlab.Frame
}

// String says what a test that fails needs to know.
func (s sighting) String() string {
	way := "received"
	if s.Outgoing {
		way = "sent"
	}
	return fmt.Sprintf("frame %s by %s, %s > %s, %s:%d > %s:%d, kind %s, protocol %d, flags %#x, ICMP %d/%d, TTL %d, %d bytes",
		way, s.Host, frame.SrcMAC(s.Data), frame.DstMAC(s.Data), s.Src, s.SrcPort, s.Dst, s.DstPort,
		s.Kind, s.Proto, s.Flags, s.ICMPType, s.ICMPCode, s.TTL, len(s.Data))
}

// capture collects the frames of a node until the test ends.
func capture(t *testing.T, n *netlab.Node) *netlab.Capture {
	t.Helper()
	c, err := n.Capture(netlab.Ifname, netlab.CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// sightings are all frames of c so far. None may be missing.
func sightings(t *testing.T, c *netlab.Capture) []sighting {
	t.Helper()
	var all []sighting
	for _, f := range c.Frames() {
		s := sighting{Frame: f}
		frame.Parse(f.Data, &s.Header)
		all = append(all, s)
	}
	if n := c.Lost(); n > 0 {
		t.Fatalf("the capture lost %d frames and proves nothing", n)
	}
	return all
}

// serverMACs are the MAC addresses of the real servers.
func serverMACs(lab *network) map[frame.MAC]bool {
	macs := map[frame.MAC]bool{}
	for _, n := range lab.Servers {
		macs[frame.MAC(n.MAC)] = true
	}
	return macs
}

// withoutEdits is a frame with everything blanked that a director may change:
// MAC addresses, TTL and header checksum.
func withoutEdits(s sighting) string {
	b := slices.Clone(s.Data)
	clear(b[:12])
	b[s.L3+8] = 0
	clear(b[s.L3+10 : s.L3+12])
	return string(b)
}

// A wireCount counts the frames on the director's interface.
type wireCount struct {
	forwarded int
	answers   []sighting // our own IP packets
}

// checkDirector proves that every frame that left the director was one that it
// had received for the VIP, once, with new MAC addresses and a TTL less by one,
// or an ARP packet, or an answer from the VIP to a client; and that the real
// servers' replies did not pass through it.
func checkDirector(t *testing.T, lab *network, c *netlab.Capture) wireCount {
	t.Helper()
	vip, mine := frame.AddrFrom(lab.Spec.VIP), frame.MAC(lab.Director.MAC)
	servers := serverMACs(lab)
	var count wireCount
	open := map[string][]sighting{} // received and not yet forwarded
	var left []sighting
	for _, s := range sightings(t, c) {
		switch {
		case s.Kind == frame.ARP:
		case s.Kind != frame.IPv4:
			t.Errorf("neither ARP nor IPv4: %v", s)
		case !s.Outgoing && s.Src == vip:
			t.Errorf("the director sees a reply: %v", s)
		case !s.Outgoing:
			k := withoutEdits(s)
			open[k] = append(open[k], s)
		default:
			left = append(left, s)
		}
	}
	for _, s := range left {
		k := withoutEdits(s)
		switch was := open[k]; {
		case frame.SrcMAC(s.Data) != mine:
			t.Errorf("not with the director's own MAC address: %v", s)
		case s.Src == vip:
			count.answers = append(count.answers, s)
		case len(was) == 0:
			t.Errorf("nothing that was received, or a duplicate: %v", s)
		case !servers[frame.DstMAC(s.Data)] || s.Dst != vip || s.TTL != was[0].TTL-1:
			t.Errorf("not as a forwarded frame should be: %v", s)
		default:
			open[k] = was[1:]
			count.forwarded++
		}
	}
	return count
}

// checkClient proves that every TCP segment a client got came from the VIP and
// directly from a real server, and that none was a reset and no ICMP error
// came. It returns the number of segments.
func checkClient(t *testing.T, lab *network, c *netlab.Capture) int {
	t.Helper()
	vip, servers := frame.AddrFrom(lab.Spec.VIP), serverMACs(lab)
	n := 0
	for _, s := range sightings(t, c) {
		switch {
		case s.Outgoing || s.Kind == frame.ARP:
		case s.Proto != frame.ProtoTCP || s.Src != vip || !servers[frame.SrcMAC(s.Data)] || s.Flags&frame.RST != 0:
			t.Errorf("not a real server's reply: %v", s)
		default:
			n++
		}
	}
	return n
}

// listening reports whether any socket of the host is bound to the port, TCP
// in state LISTEN or UDP, as ss -lntup would list it.
func listening(t *testing.T, h *netns.Host, port uint16) bool {
	t.Helper()
	found := false
	err := h.Do(func() error {
		for _, table := range []struct{ file, state string }{ // states from <net/tcp_states.h>
			{"tcp", "0A"}, {"tcp6", "0A"}, {"udp", "07"}, {"udp6", "07"},
		} {
			f, err := os.Open("/proc/thread-self/net/" + table.file)
			if err != nil {
				return err
			}
			defer f.Close()
			for lines := bufio.NewScanner(f); lines.Scan(); {
				// sl local_address rem_address st ...
				w := strings.Fields(lines.Text())
				if len(w) < 4 || w[3] != table.state {
					continue
				}
				_, hex, _ := strings.Cut(w[1], ":")
				if p, err := strconv.ParseUint(hex, 16, 16); err == nil && uint16(p) == port {
					found = true
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// policy lists all IPv4 rules and routes of a host, and its settings: what a
// director might leave behind.
func policy(t *testing.T, h *netns.Host) []string {
	t.Helper()
	var all []string
	rules, err := h.Netlink().RuleList(unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		all = append(all, fmt.Sprintf("rule %d: from %v to %v iif %q mark %#x lookup %d", r.Priority, r.Src, r.Dst, r.IifName, r.Mark, r.Table))
	}
	routes, err := h.Netlink().RouteListFiltered(unix.AF_INET, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		all = append(all, fmt.Sprintf("route in %d: %v dev %d type %d", r.Table, r.Dst, r.LinkIndex, r.Type))
	}
	for _, conf := range []string{"all", "default", "lo", netlab.Ifname} {
		for _, key := range []string{"rp_filter", "arp_ignore", "arp_announce", "accept_local", "send_redirects", "forwarding"} {
			name := "net.ipv4.conf." + conf + "." + key
			v, err := h.ReadSysctl(name)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name+" = "+v)
		}
	}
	slices.Sort(all)
	return all
}
