package scheduler

// destHash gives every destination address the same server again: addresses are
// hashed to buckets, which the servers take in turn, one each, whatever their
// weights. Behaviour: ipvsadm(8) "dh", measured on Linux 6.1.
type destHash struct {
	table [hashBuckets]uint16 // indexes of servers
}

func newDH(dests []*Dest) *destHash {
	d := &destHash{}
	d.Update(dests, Edited, 0)
	return d
}

// Pick takes the server of the destination's bucket; none where that is not fit.
func (h *destHash) Pick(dests []*Dest, f *Flow) int {
	if len(dests) == 0 {
		return -1
	}
	if i := int(h.table[multiplicative(fold(f.Dst))]); dests[i].Fit() {
		return i
	}
	return -1
}

// Update fills the table anew.
func (h *destHash) Update(dests []*Dest, _ Change, _ int) {
	if len(dests) == 0 {
		return
	}
	for b := range h.table {
		h.table[b] = uint16(b % len(dests))
	}
}

// Clone copies the table.
func (h *destHash) Clone([]*Dest) Scheduler {
	c := *h
	return &c
}

// Describe says whose bucket the destination is in.
func (h *destHash) Describe(dests []*Dest, f *Flow) string {
	bucket := multiplicative(fold(f.Dst))
	return place("bucket", bucket, hashBuckets, "the virtual address", dests, h.table[bucket]) + "; where that is not fit, none"
}
