package shield

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// A Guard is a VIP on the interface it is received on.
type Guard struct {
	VIP       netip.Addr
	Interface string
}

// A Shield is the guards of one network namespace. There must be only one. It is
// not safe for concurrent use, and belongs to the namespace of the thread that
// called New: its methods are to be called from there. Its methods need CAP_NET_ADMIN; without it their
// errors wrap os.ErrPermission.
type Shield struct {
	links  *netlink.Handle
	kernel *policyroute.Kernel
	nft    *nft
	early  error   // why there is no early part
	guards []Guard // of the last Set
	// answers are those that are kept back; nil: it is not known what there is.
	answers map[Answer]bool
}

// New opens netlink sockets in the calling thread's network namespace and finds
// out whether there can be an early part. It changes nothing: what a shield that
// could not clean up has left stays until Set.
func New() (*Shield, error) {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("shield: open a netlink socket: %w", err)
	}
	kernel, err := policyroute.Open()
	if err != nil {
		links.Close()
		return nil, fmt.Errorf("shield: %w", err)
	}
	s := &Shield{links: links, kernel: kernel}
	if s.nft, s.early = openNFT(); s.early == nil {
		s.early = s.nft.probe()
	}
	return s, nil
}

// Early is why the kernel's copies of frames end in its routing and not at
// ingress; nil: they end at ingress.
func (s *Shield) Early() error { return s.early }

// Set hides exactly these VIPs, each on its interface, whatever was hidden
// before. A VIP on an interface that is not there is named in the error; all
// others are hidden. After other errors too it may be called again.
func (s *Shield) Set(guards []Guard) error {
	s.guards = slices.Clone(guards)
	indexes, err := s.indexes()
	if err != nil {
		return err
	}
	var errs []error
	wanted := map[port]*addrs{}
	for _, g := range guards {
		index, ok := indexes[g.Interface]
		if !ok {
			errs = append(errs, fmt.Errorf("shield: hide %s: interface %s is not there", g.VIP, g.Interface))
			continue
		}
		p := port{g.Interface, index}
		if wanted[p] == nil {
			wanted[p] = &addrs{}
		}
		wanted[p].add(g.VIP)
	}
	s.early = s.setEarly(wanted)
	var late policyroute.Policy
	if s.early != nil {
		if late, err = s.latePolicy(wanted); err != nil {
			return errors.Join(append(errs, err)...)
		}
	}
	return errors.Join(append(errs, s.kernel.Set(policyroute.Shield(), late))...)
}

func (s *Shield) setEarly(wanted map[port]*addrs) error {
	if s.nft == nil {
		return s.early
	}
	return s.nft.set(wanted)
}

// Standing lists what a process before this one hides at ingress, on interfaces that are there; nil: nothing, or it
// cannot be read.
func (s *Shield) Standing() (all []Guard) {
	if s.early != nil {
		return nil
	}
	have, err := s.nft.read()
	if err != nil {
		return nil
	}
	indexes, err := s.indexes()
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(have.guards(), func(g Guard) bool { return indexes[g.Interface] == 0 })
}

// Check names what of the last Set is not there any more, because somebody has
// removed it. It changes nothing; Set restores it.
func (s *Shield) Check() (missing []string, err error) {
	indexes, err := s.indexes()
	if err != nil {
		return nil, err
	}
	wanted := map[port]*addrs{}
	for _, g := range s.guards {
		p := port{g.Interface, indexes[g.Interface]}
		if p.index == 0 {
			continue // Set has said so
		}
		if wanted[p] == nil {
			wanted[p] = &addrs{}
		}
		wanted[p].add(g.VIP)
	}
	if s.early == nil {
		return s.nft.missing(wanted)
	}
	late, err := s.latePolicy(wanted)
	if err != nil {
		return nil, err
	}
	return s.kernel.Missing(policyroute.Shield(), late)
}

// Close removes the shield, or keeps it for the next start: frames for the VIPs
// that come in until then are not answered either.
func (s *Shield) Close(keep bool) error {
	defer s.links.Close()
	defer s.kernel.Close()
	if keep {
		return nil
	}
	err := s.kernel.Clean(policyroute.Shield())
	if s.nft != nil && s.early == nil {
		err = errors.Join(err, s.nft.clean(), s.nft.cleanAnswers())
	}
	return err
}

// indexes are those of the interfaces by name.
func (s *Shield) indexes() (map[string]int, error) {
	links, err := policyroute.Dump(s.links.LinkList)
	if err != nil {
		return nil, fmt.Errorf("shield: list the interfaces: %w", err)
	}
	all := map[string]int{}
	for _, l := range links {
		all[l.Attrs().Name] = l.Attrs().Index
	}
	return all, nil
}

// A port is an interface: a chain is bound to the interface that had the name
// when it was made.
type port struct {
	name  string
	index int
}

// addrs are the VIPs of an interface, of IPv4 and IPv6.
type addrs [2]map[netip.Addr]bool

func (a *addrs) add(vip netip.Addr) {
	k := 0
	if vip.Is6() {
		k = 1
	}
	if a[k] == nil {
		a[k] = map[netip.Addr]bool{}
	}
	a[k][vip] = true
}
