package localclient

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

// serve makes the host's end deliver what comes for the VIPs that are served.
func (d *Redirect) serve(vips []VIP) error {
	want := map[netip.Addr]bool{}
	for _, v := range vips {
		if v.Served {
			want[v.Addr] = true
		}
	}
	have, err := d.nl.AddrList(d.pair, netlink.FAMILY_ALL)
	if err != nil {
		return err
	}
	for _, a := range have {
		addr, _ := netip.AddrFromSlice(a.IP)
		if addr = addr.Unmap(); !want[addr] {
			err = errors.Join(err, d.nl.AddrDel(d.pair, &a))
		}
	}
	if len(want) > 0 {
		err = errors.Join(err, d.acceptAll())
	}
	for addr := range want {
		err = errors.Join(err, d.lend(addr))
	}
	return err
}

// lend gives the host's end an address, so that the host may send from it, and takes away
// the route by which its own clients would end at the host.
func (d *Redirect) lend(addr netip.Addr) error {
	to := single(addr)
	a := &netlink.Addr{IPNet: &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(addr.BitLen(), addr.BitLen())}, Scope: unix.RT_SCOPE_HOST}
	if addr.Is6() { // deprecated: no source but of answers
		a.Flags, a.ValidLft = unix.IFA_F_NODAD|unix.IFA_F_NOPREFIXROUTE, math.MaxUint32
	}
	err := d.nl.AddrAdd(d.pair, a)
	if err != nil && !errors.Is(err, unix.EEXIST) {
		return err
	}
	// IPv6 adds the route a moment after the address.
	for wait := time.Millisecond; err == nil && !d.routed(to) && wait < time.Second; wait *= 2 {
		time.Sleep(wait)
	}
	return d.kernel.DelRoute(policyroute.Route{To: to, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Links: []int{d.pair.Index}})
}

// routed reports whether the kernel has its own route to an address of the host's end.
func (d *Redirect) routed(to netip.Prefix) bool {
	routes, err := d.kernel.Routes(to.Addr().Is6(), func(table int) bool { return table == unix.RT_TABLE_LOCAL })
	return err == nil && slices.ContainsFunc(routes, func(r policyroute.Route) bool {
		return r.To == to && slices.Equal(r.Links, []int{d.pair.Index})
	})
}

// acceptAll has the host's end accept packets of any client: of one that the host would
// answer by another interface, and of one on the host itself. It is asked for by netlink,
// because /proc/sys cannot be written in many containers.
func (d *Redirect) acceptAll() error {
	const (
		inetConf    = 1  // IFLA_INET_CONF, <linux/if_link.h>
		rpFilter    = 8  // IPV4_DEVCONF_RP_FILTER, <linux/ip.h>
		acceptLocal = 23 // IPV4_DEVCONF_ACCEPT_LOCAL
		loose       = 2
	)
	req := nl.NewNetlinkRequest(unix.RTM_SETLINK, unix.NLM_F_ACK)
	msg := nl.NewIfInfomsg(unix.AF_UNSPEC)
	msg.Index = int32(d.pair.Index)
	req.AddData(msg)
	conf := nl.NewRtAttr(inetConf, nil)
	conf.AddRtAttr(rpFilter, nl.Uint32Attr(loose))
	conf.AddRtAttr(acceptLocal, nl.Uint32Attr(1))
	family := nl.NewRtAttr(unix.AF_INET, nil)
	family.AddChild(conf)
	spec := nl.NewRtAttr(unix.IFLA_AF_SPEC, nil)
	spec.AddChild(family)
	req.AddData(spec)
	_, err := req.Execute(unix.NETLINK_ROUTE, 0)
	return err
}

// Hide leaves out what a Redirect gives the host for its real servers: for all others the
// addresses are not the host's.
func Hide(s *hostnet.Snapshot) {
	i := slices.IndexFunc(s.Links, func(l hostnet.Link) bool { return Lends(l.Name, l.MAC) })
	if i < 0 {
		return
	}
	pair := s.Links[i].Index
	s.Addrs = slices.DeleteFunc(s.Addrs, func(a hostnet.Addr) bool { return a.Link == pair })
	s.Routes = slices.DeleteFunc(s.Routes, func(r hostnet.Route) bool { return r.Link == pair && r.Type == hostnet.Local })
}

// Lends reports whether the interface with that name and MAC address is the host's end of a
// pair, whose addresses Hide leaves out.
func Lends(name string, mac frame.MAC) bool { return name == HostEnd && string(mac[:]) == pairMAC }
