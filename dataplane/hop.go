package dataplane

import (
	"slices"
	"sync/atomic"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// hopPage is how many hops are together.
const hopPage = conntrack.DestPage

// hops are those to all servers, by slot, in pages: there can be more without
// one that workers look at being moved.
type hops []*[hopPage]atomic.Pointer[hop]

// at is the place of a slot that is used.
func (h hops) at(slot uint32) *atomic.Pointer[hop] { return &h[slot/hopPage][slot%hopPage] }

// dest is the server that r names; nil: there is none.
func (h *hops) dest(r conntrack.DestRef) *dest {
	if hop := h.at(r.Slot()).Load(); hop != nil && hop.ref == r {
		return hop.dest
	}
	return nil
}

// publish makes what changed of ds known to the workers. The caller holds
// d.mu.
func (d *Director) publish(ds *dest) {
	ds.others = [4]*hop{}
	ds.hop = newHop(ds, d.Tunables().PMTUDisc)
	d.hops.Load().at(ds.ref.Slot()).Store(ds.hop)
	if d.offloader != nil {
		d.offloader.SetNextHop(ds.ref.Slot(), ds.hop.nextHop())
	}
}

// makeRoom prepares for a server in slot. The caller holds d.mu.
func (d *Director) makeRoom(slot uint32) error {
	was := *d.hops.Load()
	if int(slot/hopPage) < len(was) {
		return nil
	}
	pages := make([]*[hopPage]load, len(d.shards))
	for i := range pages {
		if d.kept == nil {
			pages[i] = new([hopPage]load)
			continue
		}
		page, err := d.kept.Loads(i, len(was))
		if err != nil {
			return err
		}
		pages[i] = (*[hopPage]load)(page)
	}
	for i, sh := range d.shards {
		sh.mu.Lock()
		sh.traffic = append(sh.traffic, pages[i])
		sh.mu.Unlock()
	}
	grown := append(slices.Clone(was), new([hopPage]atomic.Pointer[hop]))
	d.hops.Store(&grown)
	return nil
}

// republish makes what changed of the tunables known to the hops of tunnels. The caller
// holds d.admin.
func (d *Director) republish() {
	for _, servers := range d.byAddr {
		for some := range slices.Chunk(servers, neighbourStep) {
			d.mu.Lock()
			for _, ds := range some {
				if ds.tunnelled.Tunnels() {
					d.publish(ds)
				}
			}
			d.release()
		}
	}
}

// hopFor is the hop to ds of connection e, which keeps the way it was made for when the
// server's method is edited; nil: that of a new one. The caller holds d.mu.
func (d *Director) hopFor(ds *dest, e *conntrack.Entry) *hop {
	if e == nil || e.Way() == ds.method.Way() || ds.stranger || ds.local {
		return ds.hop
	}
	other := &ds.others[e.Way().Number()]
	if *other == nil {
		was := *ds
		switch e.Way() {
		case conntrack.ByTunnel:
			was.method, was.tunnel = IPIP, Tunnel{} // what a server without a tunnel is set to
		case conntrack.ByMasquerade:
			was.method = Masquerade
		default:
			was.method = Direct
		}
		if was.method.Tunnels() && was.link.Source == (frame.Addr{}) {
			was.mac = frame.MAC{} // without a source there is no outer header
		}
		*other = newHop(&was, d.Tunables().PMTUDisc)
		(*other).dest = ds
	}
	return *other
}
