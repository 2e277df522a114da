package scheduler

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"
)

// Whatever happens to many servers, the count of those with room to spare says what a
// look at all of them says.
func TestACrowdedServerIsSparedAsALookAtAllSays(t *testing.T) {
	for _, servers := range []int{0, manyServers - 1, manyServers, 65, 200} {
		t.Run(fmt.Sprintf("among %d", servers), func(t *testing.T) {
			var yes, no int
			for seed := range long(int64(3), 40) {
				lblc := scheduled(t, "lblc", nil).(*localityLeastConn)
				s := &site{random: rand.New(rand.NewSource(seed)), fast: lblc}
				for range servers {
					s.add()
				}
				for range 150 {
					s.step()
					if s.random.Intn(3) == 0 {
						s.fill(s.random.Intn(3))
					}
					full := &Dest{Active: 2, Weight: 1}
					got, want := lblc.all.crowded(full, s.dests), anySpares(s.dests)
					if got != want {
						t.Fatalf("seed %d: crowded %v among %d servers, a look at all says %v, after\n%s", seed, got, len(s.dests), want, strings.Join(s.steps, "\n"))
					}
					if want {
						yes++
					} else {
						no++
					}
					if at := (&Dest{Active: 1, Weight: 1}); lblc.all.crowded(at, s.dests) {
						t.Fatal("at its weight a server is not crowded")
					}
				}
			}
			if servers > 0 && (yes < 50 || no < 50) {
				t.Errorf("%d times there was room, %d times there was none: this test proves little", yes, no)
			}
		})
	}
}

// fill has all servers but the last few have as many connections as their weight.
func (s *site) fill(few int) {
	for i, d := range s.dests {
		if d.Active = d.Weight; i >= len(s.dests)-few {
			d.Active = 0
		}
		d.Changed()
	}
	s.note("all but the last %d servers are at their weight", few)
}

// Among many servers no look at all is needed: one that has changed is not seen before the
// scheduler is told, neither by lblc nor by lblcr nor after the list has become short
// and long again.
func TestACrowdedServerNeedsNoLookAtManyOthers(t *testing.T) {
	many := func() []*Dest {
		dests := make([]*Dest, 2*manyServers)
		for i := range dests {
			dests[i] = &Dest{Addr: address(i), Weight: 4, Active: 4}
		}
		return dests
	}
	full := &Dest{Weight: 1, Active: 2}
	for _, c := range []struct {
		name  string
		among func(dests []*Dest) *leastLoad
	}{
		{"lblc", func(dests []*Dest) *leastLoad { return scheduled(t, "lblc", dests).(*localityLeastConn).all }},
		{"lblcr", func(dests []*Dest) *leastLoad { return scheduled(t, "lblcr", dests).(*localityReplicated).all }},
		{"a list that was short", func(dests []*Dest) *leastLoad {
			l := scheduled(t, "lblc", dests).(*localityLeastConn)
			l.all.tournament.dissolve()
			l.Update(dests, Edited, 0)
			return l.all
		}},
		{"a clone", func(dests []*Dest) *leastLoad {
			l := scheduled(t, "lblc", dests).Clone(dests).(*localityLeastConn)
			l.Update(dests, Edited, 0)
			return l.all
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dests := many()
			all := c.among(dests)
			if all.crowded(full, dests) {
				t.Fatal("no server has room")
			}
			dests[70].Active = 1
			if all.crowded(full, dests) {
				t.Error("there was a look at each server")
			}
			dests[70].Changed()
			if !all.crowded(full, dests) {
				t.Error("a server with room was not seen")
			}
			dests[70].Unreachable = true
			dests[70].Changed()
			if all.crowded(full, dests) {
				t.Error("an unreachable server counts")
			}
			if n := testing.AllocsPerRun(100, func() { dests[3].Changed(); all.crowded(full, dests) }); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}
