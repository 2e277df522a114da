package realserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// greCSum is GRE_CSUM of <linux/if_tunnel.h> in host byte order.
const greCSum = 0x8000

// setDevice makes a device, sets it up or down, or removes it. The kernel loads the
// module of a kind that it does not know yet; with it comes the module's own device,
// which cannot be removed.
func (k kernel) setDevice(d Device, value string) error {
	if value == Up {
		if err := k.nl.LinkAdd(d.link()); err != nil && !errors.Is(err, unix.EEXIST) {
			return err
		}
	}
	link, err := k.nl.LinkByName(d.Name)
	if err != nil {
		if value == Up && errors.As(err, new(netlink.LinkNotFoundError)) {
			return fmt.Errorf("another tunnel ends at %s already: %w", d.Local, unix.EEXIST)
		}
		return err
	}
	if value == Up {
		return k.nl.LinkSetUp(link)
	}
	if err := k.nl.LinkSetDown(link); err != nil || value == Down {
		return err
	}
	return k.nl.LinkDel(link)
}

// link is the device for netlink.
func (d Device) link() netlink.Link {
	a := netlink.NewLinkAttrs()
	a.Name = d.Name
	local := net.IP(d.Local.AsSlice())
	switch {
	case d.fallback():
		return &netlink.GenericLink{LinkAttrs: a, LinkType: d.Kind}
	case d.Kind == "ip6tnl":
		return &netlink.Ip6tnl{LinkAttrs: a, Local: local, Remote: net.IPv6zero, Proto: unix.IPPROTO_IPIP}
	case d.Kind == "ip6gre":
		return &netlink.Gretun{LinkAttrs: a, Local: local, Remote: net.IPv6zero, IFlags: greCSum}
	}
	return &netlink.Gretun{LinkAttrs: a, Local: local, Remote: net.IPv4zero, IFlags: greCSum}
}

// listGUE is the ports of GUE; none where the kernel has no fou.
func listGUE(nl *netlink.Handle) ([]GUE, error) {
	var all []GUE
	for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
		found, err := nl.FouList(family)
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPERM) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("list the ports of GUE: %w", err)
		}
		for _, f := range found {
			if f.EncapType == netlink.FOU_ENCAP_GUE && f.Family == family {
				all = append(all, GUE{Port: uint16(f.Port), IPv6: family == unix.AF_INET6})
			}
		}
	}
	return all, nil
}

// setGUE opens or closes a port. The library's FouAdd names an inner protocol, 0,
// which newer kernels refuse.
func setGUE(g GUE, present bool) error {
	family, err := netlink.FouFamilyId()
	if err != nil {
		return err
	}
	req := nl.NewNetlinkRequest(family, unix.NLM_F_ACK)
	req.AddData(g.message(present))
	_, err = req.Execute(unix.NETLINK_GENERIC, 0)
	return err
}

// message is the request to the kernel's fou: a generic netlink header and the
// attributes of <linux/fou.h>.
func (g GUE) message(present bool) nl.NetlinkRequestData {
	family := uint8(unix.AF_INET)
	if g.IPv6 {
		family = unix.AF_INET6
	}
	command := netlink.FOU_CMD_DEL
	all := []*nl.RtAttr{
		nl.NewRtAttr(netlink.FOU_ATTR_PORT, binary.BigEndian.AppendUint16(nil, g.Port)),
		nl.NewRtAttr(netlink.FOU_ATTR_AF, []byte{family}),
	}
	if present {
		command = netlink.FOU_CMD_ADD
		all = append(all, nl.NewRtAttr(netlink.FOU_ATTR_TYPE, []byte{netlink.FOU_ENCAP_GUE}))
	}
	m := rawData{command, 1, 0, 0}
	for _, a := range all {
		m = append(m, a.Serialize()...)
	}
	return m
}

// rawData are bytes for a netlink request.
type rawData []byte

// Len is their number.
func (d rawData) Len() int { return len(d) }

// Serialize is the bytes.
func (d rawData) Serialize() []byte { return d }

// explainTunnel says what to do about a tunnel that was refused.
func explainTunnel(i Item, attempt, err error) error {
	module := map[string]string{"ipip": "ipip", "sit": "sit", "ip6tnl": "ip6_tunnel", "gre": "ip_gre", "ip6gre": "ip6_gre"}[i.Device.Kind]
	switch {
	case i.GUE.IPv6:
		module = "fou6"
	case i.GUE.Port != 0:
		module = "fou"
	}
	switch {
	case errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EPFNOSUPPORT):
		return fmt.Errorf("%w; this kernel has no %s: load the module with modprobe %[2]s (in a container: on the host)", attempt, module)
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("%w; another program or another kind of fou has UDP port %d: ss -lnup, ip fou show", attempt, i.GUE.Port)
	case errors.Is(err, unix.EEXIST):
		return fmt.Errorf("%w; look for it with ip -d tunnel show, and name another address", attempt)
	case errors.Is(err, os.ErrPermission) && i.GUE.Port != 0:
		return fmt.Errorf("%w; ports of GUE are only opened with CAP_NET_ADMIN of the whole machine: run it as root outside of user namespaces, "+
			"with nsenter --net for a container", attempt)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%w; %s", attempt, privilege)
	}
	return attempt
}
