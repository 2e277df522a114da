package localclient

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
)

// The names of the pair of veth interfaces.
const (
	HostEnd     = "lvsdr-l0" // where the host's packets leave
	DirectorEnd = "lvsdr-l1" // where the director receives them
)

// pairMAC is the MAC address of both ends, 02 and "lvsdr". It tells the pair
// from an interface of somebody else that happens to have the name, and is
// never seen on another interface.
const pairMAC = "\x02lvsdr"

// openPair makes the pair, or takes over the one of a predecessor.
func (d *Redirect) openPair(mtu int) error {
	pair, err := d.find()
	if err == nil && pair == nil {
		pair, err = d.add(mtu)
	}
	if err != nil {
		return err
	}
	d.pair = pair
	return d.raise(mtu)
}

// find is the host's end of the pair, nil if there is none. An interface that
// only has its name is an error.
func (d *Redirect) find() (*netlink.Veth, error) {
	link, err := d.nl.LinkByName(HostEnd)
	if errors.As(err, new(netlink.LinkNotFoundError)) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if pair, ok := link.(*netlink.Veth); ok && string(pair.HardwareAddr) == pairMAC {
		return pair, nil
	}
	return nil, fmt.Errorf("an interface %s that is not lvsdr's exists; rename or remove it", HostEnd)
}

func (d *Redirect) add(mtu int) (*netlink.Veth, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr = HostEnd, mtu, net.HardwareAddr(pairMAC)
	pair := netlink.NewVeth(attrs)
	pair.PeerName, pair.PeerHardwareAddr = DirectorEnd, net.HardwareAddr(pairMAC)
	return pair, d.nl.LinkAdd(pair)
}

// raise gives both ends their settings and brings them up. Where there is no
// IPv6, its addresses need not be switched off.
func (d *Redirect) raise(mtu int) error {
	const noAddrs = 1 // IN6_ADDR_GEN_MODE_NONE, <linux/if_link.h>
	far, err := d.nl.LinkByName(DirectorEnd)
	if err != nil {
		return err
	}
	for _, link := range []netlink.Link{d.pair, far} {
		if link.Attrs().MTU != mtu {
			if err := d.nl.LinkSetMTU(link, mtu); err != nil {
				return err
			}
		}
		if link.Attrs().Flags&net.FlagUp != 0 {
			continue
		}
		_ = d.nl.LinkSetIP6AddrGenMode(link, noAddrs)
		if err := d.nl.LinkSetARPOff(link); err != nil {
			return err
		}
		if err := d.nl.LinkSetUp(link); err != nil {
			return err
		}
	}
	return nil
}
