package nics

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/control/procnet"
	"lvsdr/dataplane/afpacket"
)

// ports are the packet sockets of ports on these interfaces.
func ports(ifindexes ...int) []procnet.Tap {
	return taps(slices.Repeat(ifindexes, afpacket.SocketsPerNIC)...)
}

// taps are packet sockets for all protocols on these interfaces; 0: on all.
func taps(ifindexes ...int) []procnet.Tap {
	var all []procnet.Tap
	for _, i := range ifindexes {
		all = append(all, procnet.Tap{Protocol: unix.ETH_P_ALL, Ifindex: i})
	}
	return all
}

func TestFramesGoByAFXDPOnlyWhileNothingWouldMissThem(t *testing.T) {
	for _, c := range []struct {
		law  string
		host machine
		why  string // "": they go
	}{
		{"our own ports do not count", machine{taps: ports(2, 2, 3, 3)}, ""},
		{"a capture on an interface of ours does", machine{taps: append(taps(2), ports(2, 2, 3, 3)...)}, "somebody captures"},
		{"a capture on another one does not", machine{taps: append(ports(2, 2, 3, 3), taps(4)...)}, ""},
		{"a capture on all interfaces does", machine{taps: append(taps(0), ports(2, 2, 3, 3)...)}, "somebody captures"},
		{"a socket for one protocol does not", machine{taps: append(ports(2, 2, 3, 3), procnet.Tap{Protocol: unix.ETH_P_ARP, Ifindex: 2})}, ""},
		{"a queueing discipline of the operator's does", machine{taps: ports(2, 2, 3, 3), shaped: map[int]string{3: "eth1 has a queueing discipline htb"}}, "eth1 has a queueing discipline htb"},
		{"one on the interface of local clients does not", machine{taps: ports(2, 2, 3, 3, 9), shaped: map[int]string{9: "lvsdr-l1 is shaped"}}, ""},
		{"sockets that cannot be listed may be captures", machine{blind: errors.New("open /proc/thread-self/net/packet: denied")}, "denied"},
		{"the kernel's own refusal is said", machine{taps: ports(2, 2, 3, 3), xdp: errors.New("no queue")}, "eth0: no queue"},
	} {
		n, log := newNICs(t, &c.host, 2)
		if err := n.Set([]Wish{eth0(a), eth1(), {Index: 9, Name: "lvsdr-l1", Local: true}}); err != nil {
			t.Fatal(err)
		}
		for looks := range 3 { // the first one is Set's
			for _, p := range c.host.ports {
				if want := c.why != "" && c.host.xdp == nil; p.visible != want {
					t.Errorf("%s: after %d more looks visible on %s is %v", c.law, looks, p.cfg.Interface.Name, p.visible)
				}
			}
			n.Look()
		}
		if lines := strings.Count(log.String(), "sending by AF_XDP"); !strings.Contains(n.why, c.why) || (n.why == "") != (c.why == "") || lines != min(len(n.why), 1) {
			t.Errorf("%s: because of %q, said in %d lines; want %q", c.law, n.why, lines, c.why)
		}
	}
}

func TestTapsAreNotReadWithoutAFXDP(t *testing.T) {
	m := &machine{blind: errors.New("was asked")}
	n, _ := newNICs(t, m, 1)
	n.cfg.XDP = false
	if n.Look(); n.why != "" {
		t.Error(n.why)
	}
}

func TestThisHostTellsWhatShapesAnInterface(t *testing.T) {
	if why := (host{}).Shaped(1 << 30); why == "" {
		t.Error("an interface that does not exist is not shaped")
	}
	if why := (host{}).Shaped(1); why != "" && !strings.Contains(why, "lo") && !strings.Contains(why, "list") {
		t.Errorf("the loopback interface: %q", why)
	}
	if _, err := (host{}).Taps(); err != nil && !strings.Contains(err.Error(), "packet") {
		t.Error(err)
	}
}
