package hostnet

import (
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
