package nics

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/procnet"
)

// A Host says who looks at the frames that leave.
type Host interface {
	// Shaped is why frames must not leave by an interface without its queueing
	// discipline; "": they may.
	Shaped(ifindex int) string
	// Taps are the packet sockets of everybody in the network namespace.
	Taps() ([]procnet.Tap, error)
}

// Look lets the ports send by AF_XDP if nothing would miss the frames there:
// neither a capture nor traffic control. Set looks when it has opened ports. Call it
// about once a second: that is how long a new capture may miss frames.
func (n *NICs) Look() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.look()
}

func (n *NICs) look() {
	if !n.cfg.XDP {
		return
	}
	why := n.wouldMiss()
	groups := n.state.Load().groups
	for _, i := range slices.Sorted(maps.Keys(groups)) {
		for _, p := range groups[i].ports {
			p.SetVisible(why != "")
		}
	}
	if why == "" {
		why = refused(groups)
	}
	if why != n.why {
		n.cfg.Log.Debug("sending by AF_XDP", "not", why)
		n.why = why
	}
}

// wouldMiss says who or what would miss frames that leave by AF_XDP; "": nothing.
func (n *NICs) wouldMiss() string {
	groups := n.state.Load().groups
	for _, i := range slices.Sorted(maps.Keys(groups)) {
		if groups[i].local {
			continue
		}
		if why := n.cfg.Host.Shaped(i); why != "" {
			return why
		}
	}
	taps, err := n.cfg.Host.Taps()
	if err != nil {
		return err.Error()
	}
	return tapped(taps, groups)
}

// tapped says whether one of taps sees what leaves by the interfaces of groups: a
// socket for all protocols that is not one of the groups' own.
func tapped(taps []procnet.Tap, groups map[int]*group) string {
	ours := map[int]int{}
	for i, g := range groups {
		for _, p := range g.ports {
			ours[i] += p.Sockets()
		}
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

// refused is why the kernel refuses a port of groups an AF_XDP socket; "": it
// refuses none.
func refused(groups map[int]*group) string {
	for _, i := range slices.Sorted(maps.Keys(groups)) {
		for _, p := range groups[i].ports {
			if err := p.XDPError(); err != nil {
				return fmt.Sprintf("%s: %v", groups[i].name, err)
			}
		}
	}
	return ""
}

// host is this host.
type host struct{}

// defaultQdiscs are the queueing disciplines of an interface that was not shaped.
var defaultQdiscs = []string{"noqueue", "noop", "mq", "pfifo", "pfifo_fast", "fq", "fq_codel", "ingress"}

// Shaped looks at the kind of the interface and at its queueing disciplines.
// Interfaces that stand on others, such as bonds and bridges, look at more of a
// frame than AF_XDP sets.
func (host) Shaped(ifindex int) string {
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
		if !slices.Contains(defaultQdiscs, q.Type()) {
			return link.Attrs().Name + " has a queueing discipline " + q.Type()
		}
	}
	return ""
}

// Taps reads /proc/net/packet.
func (host) Taps() ([]procnet.Tap, error) { return procnet.Read("packet", procnet.Taps) }
