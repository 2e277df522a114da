package neighbour

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
)

// newHost is a host with an interface, whose index it returns, on the networks of first
// and second.
func newHost(t *testing.T) (*netns.Host, int) {
	t.Helper()
	h := netns.NewTestHost(t, "director", netns.HostConfig{IPv6: true})
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "eth0"
	veth := netlink.NewVeth(attrs)
	veth.PeerName = "eth1"
	if err := h.Netlink().LinkAdd(veth); err != nil {
		t.Fatal(err)
	}
	index := 0
	for _, name := range []string{"eth1", "eth0"} {
		l, err := h.Netlink().LinkByName(name)
		if err == nil {
			index = l.Attrs().Index
			err = h.Netlink().LinkSetUp(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"192.168.1.10/24", "fd00::10/64"} {
		if err := h.AddAddr("eth0", netip.MustParsePrefix(p)); err != nil {
			t.Fatal(err)
		}
	}
	return h, index
}

// put makes an entry as somebody else would: the kernel, or an operator.
func put(t *testing.T, h *netns.Host, p Place, mac frame.MAC, state, flags int) {
	t.Helper()
	n := &netlink.Neigh{LinkIndex: p.Link, IP: p.Addr.AsSlice(), HardwareAddr: mac[:], State: state, Flags: flags}
	if err := h.Netlink().NeighSet(n); err != nil {
		t.Fatal(err)
	}
}

// at are the places of a host's interface.
func at(link int) (v4, v6 Place) { return Place{link, first.Addr}, Place{link, second.Addr} }

func TestEntriesAreReadAndSet(t *testing.T) {
	h, link := newHost(t)
	var k *rtnetlink
	if err := h.Do(func() (err error) { k, err = openKernel(); return err }); err != nil {
		t.Fatal(err)
	}
	defer k.close()
	v4, v6 := at(link)
	for _, p := range []Place{v4, v6} {
		if e, err := k.Get(p); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("%v: %v, error %v before there is one", p, e, err)
		}
		for _, c := range []struct {
			law          string
			state, flags int
			want         Entry
		}{
			{"a dynamic one", netlink.NUD_STALE, 0, Entry{Place: p, MAC: forged}},
			{"a router's", netlink.NUD_REACHABLE, netlink.NTF_ROUTER, Entry{Place: p, MAC: forged, Router: true}},
			{"a permanent one", netlink.NUD_PERMANENT, 0, Entry{Place: p, MAC: forged, Permanent: true, Fixed: true}},
			{"one without ARP", netlink.NUD_NOARP, 0, Entry{Place: p, MAC: forged, Fixed: true}},
			{"a routing daemon's", netlink.NUD_REACHABLE, netlink.NTF_EXT_LEARNED, Entry{Place: p, MAC: forged, Fixed: true}},
		} {
			put(t, h, p, forged, c.state, c.flags)
			e, err := k.Get(p)
			if err != nil || e != c.want {
				t.Errorf("%s: %+v, error %v; want %+v", c.law, e, err, c.want)
			}
			all, err := k.List()
			if err != nil || !slices.Contains(all, c.want) {
				t.Errorf("%s: the list is %+v, error %v", c.law, all, err)
			}
		}
		put(t, h, p, forged, netlink.NUD_STALE, netlink.NTF_ROUTER)
		if err := k.Set(Entry{Place: p, MAC: real1, Router: true}); err != nil {
			t.Fatal(err)
		}
		if got := entryAt(t, h, p); got.State != netlink.NUD_REACHABLE || EntryOf(&got) != (Entry{Place: p, MAC: real1, Router: true}) {
			t.Errorf("after Set the entry is %+v", got)
		}
	}
	if err := k.Set(Entry{Place: Place{999, first.Addr}, MAC: real1}); err == nil {
		t.Error("an entry on no interface was set")
	}
	if _, err := k.Get(Place{999, first.Addr}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an entry on no interface: %v", err)
	}
}

// entryAt is the kernel's entry at p.
func entryAt(t *testing.T, h *netns.Host, p Place) netlink.Neigh {
	t.Helper()
	all, err := h.Netlink().NeighList(p.Link, netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range all {
		if addrOf(n.IP) == p.Addr {
			return n
		}
	}
	return netlink.Neigh{}
}

// A site has the beliefs of a Keeper, and the events that it has told.
type site struct {
	mu   sync.Mutex
	macs map[Place]frame.MAC
	told []Event
}

func (s *site) believe(p Place, mac frame.MAC) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.macs[p] = mac
}

func (s *site) config() Config {
	begin := time.Now()
	return Config{Now: func() time.Duration { return time.Since(begin) },
		Believed: func(p Place) (frame.MAC, bool) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.macs[p], true
		},
		Told: func(e Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, e)
		}}
}

// The entries of a kernel follow the belief: those that were wrong at the start, those
// that become wrong, and those about which the belief changes.
func TestAKernelFollowsTheBelief(t *testing.T) {
	h, link := newHost(t)
	v4, v6 := at(link)
	s := &site{macs: map[Place]frame.MAC{v4: real1, v6: real2}}
	put(t, h, v4, forged, netlink.NUD_REACHABLE, 0)
	k := New(s.config())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Do(func() error { return k.Run(ctx) }) }()
	expect := func(law string, p Place, mac frame.MAC) {
		t.Helper()
		netns.Eventually(t, law, func() bool { n := entryAt(t, h, p); return EntryOf(&n).MAC == mac })
	}
	expect("an entry that was wrong at the start", v4, real1)
	for range 3 {
		put(t, h, v6, forged, netlink.NUD_STALE, 0)
		expect("an entry that becomes wrong", v6, real2)
		put(t, h, v4, forged, netlink.NUD_REACHABLE, 0)
		expect("an entry that becomes wrong again", v4, real1)
	}
	s.believe(v6, real1)
	k.Look(v6)
	expect("another belief", v6, real1)
	put(t, h, v6, forged, netlink.NUD_PERMANENT, 0)
	put(t, h, v4, forged, netlink.NUD_REACHABLE, 0)
	expect("an entry beside a permanent one", v4, real1)
	expect("the permanent one", v6, forged)
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(s.told) != 2 || s.told[0].Err != nil || s.told[1].Err != nil {
		t.Errorf("told %v, want one event for each server", s.told)
	}
}
