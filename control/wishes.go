package control

import (
	"lvsdr/control/localclient"
	"lvsdr/control/shield"
	"lvsdr/control/site"
)

// wishes are those of the State that take a walk over all services and servers to
// look up, and that several steps of converge need. They are kept from one State to
// the next, as long as site.Compare says that they are the same. They are not
// changed.
type wishes struct {
	guards memo[map[shield.Guard]bool]
	nics   memo[[]site.NIC]
	local  memo[localWish]
}

// A localWish holds the results of State.LocalVIPs, for clients on this host.
type localWish struct {
	vips    []site.LocalVIP
	mtu     int
	lacking []string
}

// note forgets what has changed.
func (w *wishes) note(ch *site.Changes) {
	if ch.Guards {
		w.guards.forget()
	}
	if ch.NICs {
		w.nics.forget()
	}
	if ch.Local || ch.NICs {
		w.local.forget()
	}
}

// guards are the guards that s wishes. Those of clients on this host are on an
// interface that is there only while they are served.
func (c *converger) guards(s *site.State) map[shield.Guard]bool {
	return c.wishes.guards.get(func() map[shield.Guard]bool {
		all := map[shield.Guard]bool{}
		for _, g := range s.Guards() {
			if g.Interface != localclient.DirectorEnd || c.local.link.Index != 0 {
				all[shield.Guard{VIP: g.VIP, Interface: g.Interface}] = true
			}
		}
		return all
	})
}

// nicsOf are the interfaces that s wishes.
func (c *converger) nicsOf(s *site.State) []site.NIC { return c.wishes.nics.get(s.NICs) }

// localOf are the virtual addresses that s wishes for clients on this host.
func (c *converger) localOf(s *site.State) localWish {
	return c.wishes.local.get(func() (w localWish) {
		w.vips, w.mtu, w.lacking = s.LocalVIPs()
		return w
	})
}

// A memo is a value that is looked up when it is needed first, or again after it
// was forgotten.
type memo[T any] struct {
	value T
	known bool
}

func (m *memo[T]) get(look func() T) T {
	if !m.known {
		m.value, m.known = look(), true
	}
	return m.value
}

func (m *memo[T]) forget() { *m = memo[T]{} }
