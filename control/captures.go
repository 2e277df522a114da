package control

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/procnet"
)

// lookInterval is how long somebody who begins to capture may miss frames that
// go by AF_XDP.
const lookInterval = time.Second

// lookForCaptures lets the ports send by AF_XDP as long as nobody would miss the
// frames there: neither a capture nor traffic control. It returns with ctx.
func (m *manager) lookForCaptures(ctx context.Context) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for last := ""; ; {
		if why := m.missed(); why != last {
			m.log.Debug("sending by AF_XDP", "not", why)
			last = why
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// missed tells all ports whether the frames they send by AF_XDP would be missed.
// It says by whom or what, or else why they cannot be sent so; empty: they are,
// as soon as there is enough to send.
func (m *manager) missed() (why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	ours, links := map[int]int{}, slices.Sorted(maps.Keys(m.ports))
	for _, i := range links {
		ours[i] = len(m.ports[i].all)
		if i != m.local.ifindex && why == "" {
			why = bypassable(i)
		}
	}
	if why == "" {
		why = captured(ours)
	}
	visible := why != ""
	for _, i := range links {
		for _, port := range m.ports[i].all {
			port.SetVisible(visible)
			if err := port.XDPError(); err != nil && why == "" {
				why = m.ports[i].name + ": " + err.Error()
			}
		}
	}
	return why
}

// plainQdiscs are the queueing disciplines of an interface nobody has shaped.
var plainQdiscs = []string{"noqueue", "noop", "mq", "pfifo", "pfifo_fast", "fq", "fq_codel", "ingress"}

// bypassable says why frames should not leave by the interface without its
// queueing discipline; empty: they may. Interfaces that stand on others, such as
// bonds and bridges, look at more of a frame than AF_XDP sets.
func bypassable(ifindex int) (why string) {
	link, err := netlink.LinkByIndex(ifindex)
	if err != nil {
		return err.Error()
	}
	if kind := link.Type(); kind != "device" && kind != "veth" {
		return link.Attrs().Name + " is a " + kind
	}
	qdiscs, err := netlink.QdiscList(link)
	if err != nil {
		return "list queueing disciplines: " + err.Error()
	}
	for _, q := range qdiscs {
		if !slices.Contains(plainQdiscs, q.Type()) {
			return link.Attrs().Name + " has a queueing discipline " + q.Type()
		}
	}
	return ""
}

// captured says who sees what leaves by the interfaces: packet sockets for all
// protocols, of which that many on each interface are ours. Empty: nobody.
func captured(ours map[int]int) (why string) {
	taps, err := procnet.Read("packet", procnet.Taps)
	if err != nil {
		return err.Error()
	}
	for _, t := range taps {
		n, port := ours[t.Ifindex]
		if t.Protocol != unix.ETH_P_ALL || t.Ifindex != 0 && !port {
			continue
		}
		if n == 0 {
			return "somebody captures"
		}
		ours[t.Ifindex]--
	}
	return ""
}
