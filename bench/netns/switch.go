package netns

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/vishvananda/netlink"
)

// BridgeName is the interface name of a Switch's bridge, in its Host.
const BridgeName = "br0"

// ageingTime of the forwarding table in hundredths of a second, as IEEE 802.1Q
// recommends: 300 s.
const ageingTime uint32 = 300 * 100

// maxIfname is the longest interface name, IFNAMSIZ less the final zero.
const maxIfname = 15

// A Switch is a learning Ethernet switch: a Linux bridge in a host of its own.
// It forwards from the first frame on (no spanning tree), floods multicast and
// has no address. Its methods may be used concurrently.
type Switch struct {
	// Host is where the bridge lives. Each port is there under the name of
	// the host it leads to, or as portN where that name is taken or too long.
	*Host

	mu    sync.Mutex // guards ports
	ports int        // made so far
}

// NewSwitch makes a switch.
func NewSwitch(name string) (*Switch, error) {
	h, err := NewHost(name, HostConfig{})
	if err != nil {
		return nil, err
	}
	off, age := false, ageingTime
	attrs := netlink.NewLinkAttrs()
	attrs.Name = BridgeName
	attrs.HardwareAddr = MAC(KindSwitch, 0) // else it changes with every new port
	err = h.nl.LinkAdd(&netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &off, AgeingTime: &age})
	if err == nil {
		err = setUp(h.nl, BridgeName)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make switch %s: %w", name, err), h.Close())
	}
	return &Switch{Host: h}, nil
}

// Connect lays a cable, a veth pair, between the switch and h and returns when
// both ends are up. The cable goes with either of the hosts.
func (s *Switch) Connect(ctx context.Context, h *Host, c Cable) error {
	s.mu.Lock()
	s.ports++
	n := s.ports
	s.mu.Unlock()
	if c.Ifname == "" {
		c.Ifname = "eth0"
	}
	if c.MAC == nil {
		c.MAC = MAC(KindOther, n)
	}
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if err := s.connect(ctx, h, c, n); err != nil {
		return fmt.Errorf("connect %s of %s to %s: %w", c.Ifname, h.name, s.name, err)
	}
	return nil
}

func (s *Switch) connect(ctx context.Context, h *Host, c Cable, n int) error {
	port, err := s.addPort(h, c, n)
	if err != nil {
		return err
	}
	if err := h.plugIn(c); err != nil {
		return err
	}
	if err := s.WaitUp(ctx, port); err != nil {
		return err
	}
	return h.waitPlugged(ctx, c)
}

// addPort makes the veth pair, its far end in h, and puts the near end, whose
// name it returns, into the bridge.
func (s *Switch) addPort(h *Host, c Cable, n int) (string, error) {
	bridge, err := s.nl.LinkByName(BridgeName)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", BridgeName, err)
	}
	port := Cable{Ifname: fmt.Sprintf("port%d", n), MAC: MAC(KindSwitch, n), MTU: c.MTU}
	if _, err := s.nl.LinkByName(h.name); err != nil && len(h.name) <= maxIfname {
		port.Ifname = h.name
	}
	veth, err := addVeth(s.Host, port, h, c)
	if err != nil {
		return "", err
	}
	if err := s.nl.LinkSetMaster(veth, bridge); err != nil {
		return "", fmt.Errorf("put %s into %s: %w", port.Ifname, BridgeName, err)
	}
	return port.Ifname, setUp(s.nl, port.Ifname)
}
