package conntrack

import (
	"math/rand/v2"
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

// Touching reads: a table is the same afterwards, whatever the hash, and as far as its
// last line, behind which the first comes.
func TestTouchingChangesNothing(t *testing.T) {
	c := newClocked(t, MinLimit)
	rnd := rand.New(rand.NewPCG(7, 8))
	for i := range c.Limit() {
		k := Key{Client: client, Virtual: vip, ClientPort: uint16(i), VirtualPort: 80, Proto: frame.ProtoTCP}
		c.Insert(&k, c.Hash(&k), MakeDestRef(1, 2), nil, c.now)
	}
	before := slices.Clone(c.lines)
	for _, h := range []uint64{0, 1, 1 << 63, 1<<64 - 1} {
		c.Touch(h)
		c.TouchNext(h)
	}
	for range 10_000 {
		h := rnd.Uint64()
		c.Touch(h)
		c.TouchNext(h)
	}
	if !slices.Equal(before, c.lines) {
		t.Error("touching changed a line")
	}
}

// TouchNext reads the line behind that of the hash where entries of the latter are stored
// further on, and that line itself elsewhere.
func TestTouchNextReadsWhereTheSearchGoesOn(t *testing.T) {
	c := newClocked(t, MinLimit)
	last := len(c.lines) - 1
	hashOfLine := func(i int) uint64 { // the first hash of a line
		for h := uint64(i) * (1 << 63 / uint64(len(c.lines)) * 2); ; h += 1 << 40 {
			if c.home(h) == i {
				return h
			}
		}
	}
	c.lines[3][0].word, c.lines[4][0].word = 0, 7*overflowUnit
	c.lines[5][0].word = 2 * overflowUnit
	c.lines[last][0].word, c.lines[0][0].word = overflowUnit, 9*overflowUnit
	for _, at := range []struct {
		what string
		line int
		want uint8
	}{
		{"nothing is stored further on: the line itself", 3, 0},
		{"something is: the line behind", 4, 2},
		{"of the last line: the first", last, 9},
	} {
		if got := c.TouchNext(hashOfLine(at.line)); got != at.want {
			t.Errorf("%s: read %d, want %d", at.what, got, at.want)
		}
	}
}

func TestOnlyALargeTableIsFar(t *testing.T) {
	for limit, want := range map[int]bool{MinLimit: false, 1 << 14: false, 1 << 18: true} {
		if table := newClocked(t, limit); table.Far() != want {
			t.Errorf("a table of %d entries: Far is %v", limit, table.Far())
		}
	}
}
