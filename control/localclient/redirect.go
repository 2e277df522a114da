package localclient

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/hostnet"
	"lvsdr/control/policyroute"
)

// A VIP is a virtual address for clients of this host, or real servers on it. All its
// addresses are of one family.
type VIP struct {
	Addr netip.Addr
	// Source is the host's own address that the clients get if they do not
	// choose one; the real servers must be able to answer it. The zero Addr: clients are
	// not redirected.
	Source netip.Addr
	// Replies are the indexes of the interfaces by which the real servers'
	// answers come in.
	Replies []int
	// Served says that what the director sends by its end of the pair is for a real server
	// on this host.
	Served bool
}

// A Redirect sends packets of this host's own clients to the director, and those of the
// director to real servers on this host, in one network namespace; there must be only one. It is not safe for concurrent use.
// Its methods need CAP_NET_ADMIN; without it their errors wrap os.ErrPermission
// and name it.
type Redirect struct {
	nl     *netlink.Handle
	kernel *policyroute.Kernel
	pair   *netlink.Veth // HostEnd; nil: not opened
}

// New opens netlink sockets in the calling thread's network namespace. It
// changes nothing: what a predecessor that was killed has left is there until
// Set replaces it, or Close removes it.
func New() (*Redirect, error) {
	nl, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("local clients: open a netlink socket: %w", err)
	}
	k, err := policyroute.Open()
	if err != nil {
		nl.Close()
		return nil, fmt.Errorf("local clients: %w", err)
	}
	return &Redirect{nl: nl, kernel: k}, nil
}

// Open makes sure that the pair is there and up, with this MTU in bytes, and
// returns the director's end, which is to be received on before Set. It may be
// called again.
func (d *Redirect) Open(mtu int) (hostnet.Link, error) {
	if err := d.openPair(mtu); err != nil {
		return hostnet.Link{}, policyroute.Explain("local clients: make the interfaces "+HostEnd+" and "+DirectorEnd, err)
	}
	end, err := d.nl.LinkByName(DirectorEnd)
	if err != nil {
		return hostnet.Link{}, fmt.Errorf("local clients: interface %s: %w", DirectorEnd, err)
	}
	return hostnet.LinkOf(end), nil
}

// Set redirects the clients of exactly these VIPs to the director, whatever the
// kernel had before; Open was called before, if there are any. What stays is not
// interrupted. What cannot be done is named in the error.
func (d *Redirect) Set(vips []VIP) error {
	var want policyroute.Policy
	if d.pair == nil && len(vips) > 0 {
		return errors.New("local clients: the interfaces are not open")
	}
	if len(vips) > 0 {
		want = policy(d.pair.Index, vips)
	}
	if err := d.kernel.Set(policyroute.Local(), want); err != nil || d.pair == nil {
		return err
	}
	return policyroute.Explain("local clients: make "+HostEnd+" ready for real servers", d.serve(vips))
}

// policy is the rules and routes that lead packets for VIPs to the interface near.
func policy(near int, vips []VIP) policyroute.Policy {
	var want policyroute.Policy
	rule := func(r policyroute.Rule) {
		if !slices.Contains(want.Rules, r) {
			want.Rules = append(want.Rules, r)
		}
	}
	for _, v := range vips {
		to := single(v.Addr)
		if v.Served {
			want.Routes = append(want.Routes, policyroute.Route{To: to, Table: policyroute.LocalServerTable, Links: []int{near}, Type: unix.RTN_LOCAL})
			rule(policyroute.Rule{IPv6: v.Addr.Is6(), Pref: policyroute.LocalServerPref, IIF: HostEnd, Table: policyroute.LocalServerTable})
		}
		if !v.Source.IsValid() {
			continue
		}
		if v.Addr.Is4() {
			want.Routes = append(want.Routes, policyroute.Route{To: to, Table: policyroute.LocalReplyTable, Links: append([]int{near}, v.Replies...)})
			rule(policyroute.Rule{Pref: policyroute.LocalReplyPref, IIF: "lo", From: single(v.Source), Table: policyroute.LocalReplyTable})
		}
		want.Routes = append(want.Routes, policyroute.Route{To: to, Table: policyroute.LocalTable, Links: []int{near}, Source: v.Source})
	}
	for _, v := range vips { // last: no client is redirected before all is ready
		if v.Source.IsValid() {
			rule(policyroute.Rule{IPv6: v.Addr.Is6(), Pref: policyroute.LocalPref, IIF: "lo",
				Ports: policyroute.Ports{First: 1, Last: 65534}, Table: policyroute.LocalTable})
		}
	}
	return want
}

// single is a alone as a network.
func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// Close removes everything, whoever installed it. The director has stopped
// receiving on the pair.
func (d *Redirect) Close() error {
	defer d.nl.Close()
	defer d.kernel.Close()
	err := d.kernel.Clean(policyroute.Local())
	pair, _ := d.find() // an interface of another program stays
	if pair != nil {
		err = errors.Join(err, policyroute.Explain("local clients: remove the interface "+HostEnd, d.nl.LinkDel(pair)))
	}
	return err
}

// Clean removes what a predecessor has left in the calling thread's network
// namespace, where local clients are not to be served.
func Clean() error {
	d, err := New()
	if err != nil {
		return err
	}
	return d.Close()
}

// Redirected lists the VIPs whose clients on this host go to the director, in the
// calling thread's network namespace, whoever has installed it.
func Redirected() ([]netip.Addr, error) {
	k, err := policyroute.Open()
	if err != nil {
		return nil, fmt.Errorf("local clients: %w", err)
	}
	defer k.Close()
	var all []netip.Addr
	for _, ipv6 := range []bool{false, true} {
		rules, err := k.Rules(ipv6)
		if err != nil {
			return nil, fmt.Errorf("local clients: %w", err)
		}
		if !slices.ContainsFunc(rules, func(r policyroute.Rule) bool { return r.Table == policyroute.LocalTable }) {
			continue
		}
		routes, err := k.Routes(ipv6, func(table int) bool { return table == policyroute.LocalTable })
		if err != nil {
			return nil, fmt.Errorf("local clients: %w", err)
		}
		for _, r := range routes {
			all = append(all, r.To.Addr())
		}
	}
	return all, nil
}
