package conntrack

import (
	"encoding/binary"

	"lvsdr/dataplane/frame"
)

// A Pair is the client's and the virtual address of an IPv6 entry. In a free
// one the first four bytes are 1 + the index of the next.
type Pair [2]frame.Addr

// takePair keeps the addresses of k and returns where. There is a place for
// each entry of the limit.
func (t *Table) takePair(k *Key) uint32 {
	i := t.newPair
	if t.freePair != 0 {
		i = t.freePair - 1
		t.freePair = binary.LittleEndian.Uint32(t.pairs[i][0][:])
	} else {
		t.newPair++
	}
	t.pairs[i] = Pair{k.Client, k.Virtual}
	return i
}

func (t *Table) freePairOf(e *Entry) { t.freePairAt(uint32(e.addrs)) }

// freePairAt puts pair i into the list of free ones.
func (t *Table) freePairAt(i uint32) {
	binary.LittleEndian.PutUint32(t.pairs[i][0][:], t.freePair)
	t.freePair = i + 1
}
