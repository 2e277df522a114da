package keepalived

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"lvsdr/dataplane/frame"
)

// givenMACs are the MAC addresses that the file gives real servers.
type givenMACs map[netip.Addr]frame.MAC

// setMAC reads lvsdr_mac. A real server is known by its address: another block of it
// cannot give it another MAC address.
func (r *reader) setMAC(n *Node) {
	mac, err := parseMAC(n.Args[0])
	if err == nil {
		if was, ok := r.macs[r.rs.s.Addr]; ok && was != mac {
			err = fmt.Errorf("another line gives %v %v", r.rs.s.Addr, was)
		}
	}
	if err != nil {
		r.add(n, Error, "%v; the line is left out", err)
		return
	}
	if r.macs == nil {
		r.macs = givenMACs{}
	}
	r.macs[r.rs.s.Addr] = mac
	r.rs.s.MAC = mac
}

// parseMAC reads the MAC address of one host.
func parseMAC(s string) (frame.MAC, error) {
	hw, err := net.ParseMAC(s)
	switch {
	case err != nil || len(hw) != len(frame.MAC{}):
		return frame.MAC{}, fmt.Errorf("%q is not a MAC address, as 02:00:00:00:55:01", s)
	case frame.MAC(hw) == frame.MAC{}:
		return frame.MAC{}, errors.New("the zero MAC address is of no host")
	case hw[0]&1 != 0:
		return frame.MAC{}, fmt.Errorf("%s is the MAC address of a group, not of a host", s)
	}
	return frame.MAC(hw), nil
}
