package scheduler

import (
	"slices"
	"testing"
)

// A serverName is how the definitions know a server.
type serverName struct {
	addr [16]byte
	port uint16
}

func nameOf(d *Dest) serverName { return serverName{d.Addr, d.Port} }

// find is the server called n; nil: it is not in list.
func find(list []*Dest, n serverName) *Dest {
	i := slices.IndexFunc(list, func(d *Dest) bool { return nameOf(d) == n })
	if i < 0 {
		return nil
	}
	return list[i]
}

// slowCrowded is "active > weight while a server has active x 2 < weight".
func slowCrowded(list []*Dest, d *Dest) bool {
	return d.Active > d.Weight && slices.ContainsFunc(list, func(o *Dest) bool {
		return !o.Unreachable && o.Active*2 < o.Weight
	})
}

// A slowMemory is when what is remembered is forgotten: every half an hour, counted
// from the first packet, what was not used for its expiration.
type slowMemory struct{ first, last int64 }

// forgets reports whether something that was used at used is forgotten by f's
// time.
func (m *slowMemory) forgets(used, now int64, ticks int) bool {
	if m.last == 0 {
		m.first = now
	}
	m.last = max(now, 1)
	if ticks == 0 {
		ticks = 86400 * 100
	}
	const half = 1800e9
	c := m.first + (used-m.first)/half*half // the last check before it was used
	for ; c <= now; c += half {
		if c-used >= int64(ticks)*10e6 {
			return true
		}
	}
	return false
}

// slowLBLC remembers a server and the time of its last use for each address.
func slowLBLC() definition {
	type memo struct {
		server serverName
		used   int64
	}
	known := map[[16]byte]memo{}
	var memory slowMemory
	return func(list []*Dest, f *Flow) *Dest {
		m, ok := known[f.Dst]
		if memory.forgets(m.used, f.Now, f.LBLCExpiration) && ok {
			delete(known, f.Dst)
			ok = false
		}
		if ok {
			known[f.Dst] = memo{m.server, f.Now}
			d := find(list, m.server)
			if d != nil && d.Weight > 0 && !d.Unreachable && !slowCrowded(list, d) {
				return d
			}
		}
		d := slowWLC(list, f)
		if d != nil {
			known[f.Dst] = memo{nameOf(d), f.Now}
		}
		return d
	}
}

func TestLBLCLaws(t *testing.T) {
	const first, second = 0, 1
	for _, c := range []struct {
		law    string
		change func(dests []*Dest, f *Flow)
		want   int
	}{
		{"an address keeps its server, however loaded", func(d []*Dest, _ *Flow) { d[first].Active, d[second].Active = 50, 2 }, first},
		{"also when that is overloaded by its thresholds", func(d []*Dest, _ *Flow) { d[first].Overloaded = true }, first},
		{"but not when it is unreachable", func(d []*Dest, _ *Flow) { d[first].Unreachable = true }, second},
		{"nor when it is quiesced", func(d []*Dest, _ *Flow) { d[first].Weight = 0 }, second},
		{"nor when it is beyond its weight and another is half idle", func(d []*Dest, _ *Flow) { d[first].Active, d[second].Active = 5, 1 }, second},
		{"another that cannot be reached does not count as idle",
			func(d []*Dest, _ *Flow) { d[first].Active, d[second].Unreachable = 5, true }, first},
		{"at its weight it is not crowded", func(d []*Dest, _ *Flow) { d[first].Active = 4 }, first},
		{"half of the weight is not half idle", func(d []*Dest, _ *Flow) { d[first].Active, d[second].Active = 5, 2 }, first},
		{"less than half an hour is not looked at", func(d []*Dest, f *Flow) {
			d[first].Active, f.Now, f.LBLCExpiration, f.LBLCRExpiration = 4, 1799e9, 1, 1
		}, first},
		{"after half an hour what was not used for its expiration is forgotten", func(d []*Dest, f *Flow) {
			d[first].Active, f.Now, f.LBLCExpiration, f.LBLCRExpiration = 4, 1800e9, 180000, 180000
		}, second},
		{"and what was used since is not", func(d []*Dest, f *Flow) {
			d[first].Active, f.Now, f.LBLCExpiration, f.LBLCRExpiration = 4, 1800e9, 180001, 180001
		}, first},
		{"a day without use is forgotten", func(d []*Dest, f *Flow) { d[first].Active, f.Now = 4, day }, second},
		{"less is not", func(d []*Dest, f *Flow) { d[first].Active, f.Now = 4, day-1 }, first},
		{"another address is by wlc", func(d []*Dest, f *Flow) { d[first].Active, f.Dst = 1, address(9) }, second},
	} {
		for _, name := range []string{"lblc", "lblcr"} {
			if name == "lblcr" && c.law == "also when that is overloaded by its thresholds" {
				continue // a set offers only fit servers
			}
			t.Run(name+" "+c.law, func(t *testing.T) {
				dests := servers(4, 4)
				s, f := scheduled(t, name, dests), flowTo(1)
				if got := s.Pick(dests, f); got != first {
					t.Fatalf("a new address got server %d", got)
				}
				c.change(dests, f)
				if got := s.Pick(dests, f); got != c.want {
					t.Errorf("server %d, want %d", got, c.want)
				}
			})
		}
	}
}

// A server that is removed and comes back, even as a new record of the same
// address, gets the addresses back that nobody asked for meanwhile.
func TestRemovedServersComeBackToTheirAddresses(t *testing.T) {
	for _, name := range []string{"lblc", "lblcr"} {
		for _, forgotten := range []bool{false, true} {
			dests := servers(1, 1)
			s := scheduled(t, name, dests)
			for n := range 10 {
				s.Pick(dests, flowTo(n))
			}
			d := dests[0]
			dests = dests[1:]
			s.Update(dests, Removed, 0)
			if got := s.Pick(dests, flowTo(3)); got != 0 {
				t.Fatalf("%s: server %d of one", name, got)
			}
			if forgotten {
				d = &Dest{Addr: d.Addr, Port: d.Port, Weight: d.Weight}
			}
			d.Inactive = 9
			dests = slices.Insert(dests, 0, d)
			s.Update(dests, Added, 0)
			if got := s.Pick(dests, flowTo(5)); got != 0 {
				t.Errorf("%s: the address goes to server %d, want the one that came back", name, got)
			}
			if got := s.Pick(dests, flowTo(3)); got != 1 {
				t.Errorf("%s: the address asked for meanwhile goes to server %d, want the other one", name, got)
			}
		}
	}
}
