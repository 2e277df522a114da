package hostnet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Down is why no frame comes or goes by the link with this index: "interface eth0 is
// down", or "interface eth0 has no carrier"; empty: frames do, or there is no such link.
func (s *Snapshot) Down(index int) string {
	link, ok := s.Link(index)
	if !ok {
		return ""
	}
	return downText(link, slices.Contains(s.NoCarrier, index))
}

// A DownError is the error of an address that has no place because a link is down.
type DownError struct {
	Addr netip.Addr // zero: any on the link
	Link Link
	// Lost says that Addr is on no network of this host, and that the link has no
	// address of IPv6 while it is down: it may be the one.
	Lost bool
	// Remedy is another remedy than to bring the link up, with Lost; empty: none.
	Remedy string
}

// Error names the link and the remedy.
func (e *DownError) Error() string {
	text := fmt.Sprintf("interface %s is down", e.Link.Name)
	switch {
	case e.Addr.IsValid() && e.Lost:
		text = fmt.Sprintf("%s is on no network of this host, but %s", e.Addr, text)
	case e.Addr.IsValid():
		text = fmt.Sprintf("%s is on the network of interface %s, which is down", e.Addr, e.Link.Name)
	}
	if e.Lost {
		text += " and has no IPv6 address until it is up"
	}
	text = fmt.Sprintf("%s; bring it up: ip link set %s up", text, e.Link.Name)
	if e.Remedy != "" {
		text += "; or " + e.Remedy
	}
	return text
}

// DownNow is Down of a snapshot that is read now. It is empty too if the link
// cannot be looked at.
func DownNow(index int) string {
	l, err := netlink.LinkByIndex(index)
	if err != nil {
		return ""
	}
	return downText(LinkOf(l), lacksCarrier(l))
}

func downText(l Link, noCarrier bool) string {
	switch {
	case !l.Up:
		return "interface " + l.Name + " is down"
	case noCarrier:
		return "interface " + l.Name + " has no carrier"
	}
	return ""
}

// lacksCarrier reports whether l is up and has no carrier: its cable is out, or its peer
// is down.
func lacksCarrier(l netlink.Link) bool {
	flags := l.Attrs().RawFlags
	return flags&unix.IFF_UP != 0 && flags&unix.IFF_LOWER_UP == 0
}
