package conntrack

import (
	"math"
	"math/rand"
	"testing"
	"time"

	"lvsdr/dataplane/frame"
)

// A guarded entry is one that Defend meets.
type guarded struct {
	name    string
	make    maker
	packets uint32
	idle    float64 // s since its last packet
	goes    int     // 0: never; else one in so many
}

func guards() []guarded {
	const half, open = 1, 0
	all := []guarded{
		{"SYN_RECV that just came", inState(frame.ProtoTCP, SynRecv), 1, 0, half},
		{"SYN_RECV of many packets", inState(frame.ProtoTCP, SynRecv), 100, 0, half},
		{"SYNACK", inState(frame.ProtoTCP, SynAck), 100, 0, half},
		{"an unassured template", aTemplate(None, 0), 0, 0, half},
		{"an invalid template that was never assured", maker{make: func(c *clocked, k Key) *Entry {
			e := aTemplate(None, 0).make(c, k)
			c.Invalidate(e)
			return e
		}}, 0, 0, half},
		{"an assured template", aTemplate(Assured, 0), 0, 0, 0},
		{"a template with connections", aTemplate(None, 2), 0, 0, 0},
	}
	for s := range numStates {
		if s != Established && s != SynRecv && s != SynAck {
			all = append(all, guarded{"TCP " + s.String(), inState(frame.ProtoTCP, s), 1, 0, 0})
		}
	}
	for s := range numSCTP {
		if s != SCTPEstablished {
			all = append(all, guarded{"SCTP " + sctpName(s), inState(frame.ProtoSCTP, s), 1, 0, 0})
		}
	}
	for name, mk := range map[string]maker{"TCP ESTABLISHED": inState(frame.ProtoTCP, Established),
		"SCTP ESTABLISHED": inState(frame.ProtoSCTP, SCTPEstablished), "UDP": inState(frame.ProtoUDP, None)} {
		all = append(all, guarded{name + ", busy", mk, 1, 59.99, open}, guarded{name + ", talkative", mk, 9, 200, open},
			guarded{name + ", very talkative", mk, math.MaxUint32, 200, open}, guarded{name + " of no packet", mk, 0, 60, 1})
		for n := uint32(1); n <= 8; n++ {
			all = append(all, guarded{name + ", idle", mk, n, 60, int(n)}, guarded{name + ", long idle", mk, n, 290, int(n)})
		}
	}
	return all
}

// Each sort goes as often as it should, one in so many, to within six standard
// deviations; what never goes never does.
func TestWhoDefendTakes(t *testing.T) {
	const n = 20_000
	r := rand.New(rand.NewSource(1))
	for _, g := range guards() {
		c := newClocked(t, MinLimit)
		c.now = 1000e9
		e := g.make.make(c, connKey(1))
		if !e.Template() {
			e.aux = g.packets
		}
		at := ticks(c.now + int64(g.idle*1e9))
		taken := 0
		for range n {
			if c.useless(e, at, r.Uint64) {
				taken++
			}
		}
		want := 0.0
		if g.goes > 0 {
			want = n / float64(g.goes)
		}
		if d := math.Abs(float64(taken) - want); d > 6*math.Sqrt(want*(1-want/n)) {
			t.Errorf("%s, of %d packets: %d of %d went, want about %.0f", g.name, g.packets, taken, n, want)
		}
	}
}

// One Defend looks at a 32nd of the table, whatever lives there; those it
// takes are counted as evicted, and reported to Removed.
func TestDefendLooksAtAShare(t *testing.T) {
	const n = 50_000
	for _, c := range []struct {
		name    string
		make    maker
		packets uint32
		want    float64
	}{
		{"half-open connections", inState(frame.ProtoTCP, SynRecv), 1, n / 32},
		{"idle ones of 4 packets", inState(frame.ProtoTCP, Established), 4, n / 32 / 4},
		{"idle UDP of 8 packets", inState(frame.ProtoUDP, None), 8, n / 32 / 8},
		{"talkative ones", inState(frame.ProtoTCP, Established), 9, 0},
	} {
		left := 0
		table, err := New(Config{Limit: 2 * n, Removed: func(*Entry) { left++ }})
		if err != nil {
			t.Fatal(err)
		}
		cl := &clocked{Table: table, t: t}
		for i := range n {
			k := connKey(uint16(i))
			if i%2 == 1 {
				k = key6(uint16(i))
			}
			k.Client[14] = byte(i >> 16)
			c.make.make(cl, k).aux = c.packets
		}
		r := rand.New(rand.NewSource(2))
		gone := table.Defend(int64(59*time.Second), r.Uint64) // nothing is idle yet, nor due
		if c.packets > 1 && gone > 0 {
			t.Errorf("%s: %d of those that were busy went", c.name, gone)
		}
		before := table.Len()
		if c.packets > 1 {
			gone = table.Defend(int64(100*time.Second), r.Uint64)
		} else {
			before += gone
		}
		// Two entries share a line, so up to twice the variance.
		if d := math.Abs(float64(gone) - c.want); d > 6*math.Sqrt(2*c.want) {
			t.Errorf("%s: %d of %d went, want about %.0f", c.name, gone, before, c.want)
		}
		if left != gone || table.Len() != before-gone || table.Evicted() != uint64(gone) {
			t.Errorf("%s: %d went, %d removed, %d entries of %d, %d evicted", c.name, gone, left, table.Len(), before, table.Evicted())
		}
	}
}

// What is due anyway is no loss: it goes, and does not count as evicted.
func TestDefendDoesNotCountWhatWasDue(t *testing.T) {
	c := newClocked(t, MinLimit)
	for port := range uint16(200) {
		inState(frame.ProtoTCP, SynRecv).make(c, connKey(port))
	}
	r := rand.New(rand.NewSource(3))
	gone := 0
	for range 500 {
		gone += c.Defend(60e9, r.Uint64)
	}
	if gone == 0 || c.Len() != 200-gone || c.Evicted() != 0 {
		t.Errorf("%d went, %d are left, %d counted as evicted, want none", gone, c.Len(), c.Evicted())
	}
}

// However often: what is never taken is still there, in the end nothing else
// is, and an empty table costs nothing.
func TestDefendOften(t *testing.T) {
	c := newClocked(t, 4096)
	keep := map[Key]bool{}
	for i, g := range guards() {
		for j := range uint16(4) {
			k := connKey(uint16(i)*8 + j)
			if j%2 == 1 {
				k = key6(uint16(i)*8 + j)
			}
			if g.idle >= 60 && g.packets <= talkative { // a second after the others, all are as idle
				k.VirtualPort = 81
			}
			e := g.make.make(c, k)
			if e.expires = ticks(200e9); !e.Template() {
				e.aux = g.packets
				idle := uint32(g.idle * ticksPerSecond)
				e.expires = ticks(100e9) + c.timeout(e) - idle
			}
			if g.goes == 0 {
				keep[c.Key(e)] = true
			}
		}
	}
	r := rand.New(rand.NewSource(4))
	for range 3000 {
		c.Defend(100e9, r.Uint64)
	}
	c.All(func(e *Entry) bool {
		if k := c.Key(e); !keep[k] {
			t.Errorf("%v, %s of %d packets is still there", k, e.StateName(), e.aux)
		} else {
			delete(keep, k)
		}
		return true
	})
	for k := range keep {
		t.Errorf("%v is gone", k)
	}
	empty := newClocked(t, MinLimit)
	if n := testing.AllocsPerRun(100, func() { c.Defend(100e9, r.Uint64); empty.Defend(0, r.Uint64) }); n != 0 || empty.Evicted() != 0 {
		t.Errorf("%v allocations, want 0; %d evicted of none", n, empty.Evicted())
	}
}
