package ladder

import (
	"context"
	"fmt"

	"lvsdr/conntrack"
	"lvsdr/conntrack/mapping"
	"lvsdr/dataplane/frame"
)

// lookupRungs are the connection table alone: finding a known connection and
// restarting its timer, hash included, uniform over the flows.
func lookupRungs(o *Options) []Rung {
	var rungs []Rung
	for _, flows := range o.Flows {
		rungs = append(rungs, Rung{Name: "lookup/" + count(flows), Metrics: []Metric{{Unit: "ns", Less: true}}, Candidates: []Candidate{
			inProcess("Go map", func(context.Context) (*loop, error) { return startMapLookup(flows, o.Batch) }),
			inProcess("lvsdr, one by one", func(context.Context) (*loop, error) { return startTableLookup(flows, o.Batch, false) }),
			inProcess("lvsdr, batch", func(context.Context) (*loop, error) { return startTableLookup(flows, o.Batch, true) }),
		}})
	}
	return rungs
}

// flowKey is the key of a flow.
func flowKey(k *conntrack.Key, flow uint32) {
	k.Client[12], k.Client[13], k.Client[14], k.Client[15] = 100, byte(flow>>20), byte(flow>>12), byte(flow>>4)
	k.ClientPort = uint16(1024 + flow%flowsPerClient)
}

// firstKey is the part that all keys have in common.
func firstKey() conntrack.Key {
	return conntrack.Key{Client: frame.AddrFrom4([4]byte{100}), Virtual: frame.AddrFrom4([4]byte{10, 0, 0, 1}), VirtualPort: 80, Proto: frame.ProtoTCP}
}

func startMapLookup(flows, batch int) (*loop, error) {
	m, k, pick, missed := map[conntrack.Key]*mapConn{}, firstKey(), Uniform(flows), 0
	for i := range flows {
		flowKey(&k, uint32(i))
		m[k] = &mapConn{}
	}
	step := func() int {
		for range batch {
			flowKey(&k, pick.Next())
			c := m[k]
			if c == nil {
				missed++
				continue
			}
			c.expires++
		}
		return batch
	}
	return &loop{step: step, check: func() error { return found(missed, 0) }}, nil
}

// A tableLookup looks flows up in lvsdr's connection table.
type tableLookup struct {
	t              *conntrack.Table
	pick           *Flows
	keys           []conntrack.Key
	ids            []conntrack.ID
	missed, looked int
	touched        uint8 // keeps the loads of Table.Touch alive
}

func startTableLookup(flows, batch int, together bool) (*loop, error) {
	var memory mapping.Memory
	t, err := conntrack.New(conntrack.Config{Limit: max(flows*105/100, 1<<14), Secret: [16]byte{1}, Room: memory.Room})
	if err != nil {
		return nil, err
	}
	l := &tableLookup{t: t, pick: Uniform(flows), ids: make([]conntrack.ID, batch)}
	for range batch {
		l.keys = append(l.keys, firstKey())
	}
	k := firstKey()
	for i := range flows {
		flowKey(&k, uint32(i))
		if e := t.Insert(&k, t.Hash(&k), 1, nil, firstMoment); e != nil {
			t.SetState(e, conntrack.Established)
			t.Refresh(e, firstMoment)
		}
	}
	step := l.oneByOne
	if together {
		step = l.together
	}
	return &loop{step: step, check: func() error { return found(l.missed, l.looked/1000) }, end: memory.Free}, nil
}

// oneByOne finds each flow before it hashes the next.
func (l *tableLookup) oneByOne() int {
	for i := range l.keys {
		k := &l.keys[i]
		flowKey(k, l.pick.Next())
		l.ids[i] = l.t.ID(k)
		l.find(k, &l.ids[i])
	}
	return len(l.keys)
}

// together has the places of all flows on their way from memory before it
// looks for the first, as the director does.
func (l *tableLookup) together() int {
	for i := range l.keys {
		flowKey(&l.keys[i], l.pick.Next())
		l.ids[i] = l.t.ID(&l.keys[i])
	}
	for i := range l.ids {
		l.touched += l.t.Touch(l.ids[i].Hash)
	}
	if l.t.Far() {
		for i := range l.ids {
			l.touched += l.t.TouchNext(l.ids[i].Hash)
		}
	}
	for i := range l.keys {
		l.find(&l.keys[i], &l.ids[i])
	}
	return len(l.keys)
}

func (l *tableLookup) find(k *conntrack.Key, id *conntrack.ID) {
	l.looked++
	e := l.t.Peek(id, k)
	if e == nil || e.Expired(firstMoment) {
		l.missed++
		return
	}
	l.t.Refresh(e, firstMoment)
}

// found is the error about more keys missed than there may be.
func found(missed, most int) error {
	if missed > most {
		return fmt.Errorf("%d keys were not found", missed)
	}
	return nil
}
