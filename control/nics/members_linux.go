package nics

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
)

// memberships make an interface take frames to MAC addresses beside its own, for as long
// as they are open. The interface need not be promiscuous, and has no second interface
// on top of it (macvlan).
type memberships struct{ fd int }

// joinMACs makes the interface index take frames to these addresses.
func joinMACs(index int, macs []frame.MAC) (*memberships, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // of no protocol: it receives nothing
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	for _, m := range macs {
		r := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_UNICAST, Alen: uint16(len(m))}
		copy(r.Address[:], m[:])
		if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &r); err != nil {
			_ = unix.Close(fd) // nothing was written
			return nil, fmt.Errorf("take frames to %v: setsockopt PACKET_ADD_MEMBERSHIP: %w", m, err)
		}
	}
	return &memberships{fd}, nil
}

// close takes the addresses back.
func (m *memberships) close() {
	if m != nil {
		_ = unix.Close(m.fd) // nothing was written
	}
}

// setMACs makes macs the further addresses of the group's interface. New ones are there
// before old ones go.
func (g *group) setMACs(macs []frame.MAC) error {
	if slices.Equal(macs, g.macs) {
		return nil
	}
	var more *memberships
	if len(macs) > 0 {
		var err error
		if more, err = joinMACs(g.index, macs); err != nil {
			return err
		}
	}
	for _, p := range g.ports {
		p.SetRouters(len(macs) > 0)
	}
	g.mixed = true
	if err := g.setVIPs(&Wish{VIPs: g.vips, Sources: g.sources, Errors: g.errors}); err != nil {
		more.close()
		return err
	}
	g.more.close()
	g.more, g.macs = more, slices.Clone(macs)
	return nil
}
