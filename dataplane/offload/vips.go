package offload

import (
	"net/netip"
	"slices"

	"lvsdr/dataplane/frame"
)

// A place is a virtual address at the interface where its frames come in.
type place struct {
	in  int32 // index of the interface
	vip frame.Addr
}

// serve says for which virtual addresses flows may go over to the kernel at an interface.
// Those to others are taken back.
func (f *Flows) serve(in int32, vips []netip.Addr, now int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for p := range f.vips {
		if p.in == in && !slices.ContainsFunc(vips, func(a netip.Addr) bool { return frame.AddrFrom(a) == p.vip }) {
			delete(f.vips, p)
		}
	}
	for _, a := range vips {
		f.vips[place{in, frame.AddrFrom(a)}] = true
	}
	if !f.settling {
		f.takeUnserved(now)
	}
}

// settle takes back the flows of the process before to what this one has not served so far.
func (f *Flows) settle(now int64) {
	f.mu.Lock()
	f.settling = false
	f.takeUnserved(now)
	f.mu.Unlock()
	f.Check(now)
}

// takeUnserved takes back the flows to addresses that are not served. First the program is
// kept from all of them, by a store for each: so the last of many is forwarded no longer than
// the first.
func (f *Flows) takeUnserved(now int64) {
	var gone []uint32
	for slot := range f.records {
		if r := &f.records[slot]; r.on && !f.vips[place{r.in, r.key.Virtual}] {
			f.side.flow(uint32(slot)).close()
			gone = append(gone, uint32(slot))
		}
	}
	for _, slot := range gone {
		f.end(slot, now)
	}
}
