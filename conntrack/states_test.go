package conntrack

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"lvsdr/dataplane/frame"
)

// countSlowly counts entries as the definition reads: by protocol and by the name of the
// state, which for a template is that of no connection.
func countSlowly(t *Table) (conns map[string]int, templates int) {
	conns = map[string]int{}
	t.All(func(e *Entry) bool {
		if e.Template() {
			templates++
		} else {
			k := t.Key(e)
			conns[fmt.Sprint(k.Proto, " ", e.StateName())]++
		}
		return true
	})
	return conns, templates
}

func TestStatesAreCountedAsTheirNamesSay(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	table, err := New(Config{Limit: 4096})
	if err != nil {
		t.Fatal(err)
	}
	protos := []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}
	for i := range 2000 {
		k := Key{Client: frame.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}),
			VirtualPort: 80, Proto: protos[rnd.IntN(len(protos))], Template: rnd.IntN(5) == 0}
		if rnd.IntN(4) == 0 {
			k.Client[0] = 0x20 // IPv6
		}
		e := table.Insert(&k, table.Hash(&k), MakeDestRef(1, 1), nil, 0)
		switch {
		case k.Template && rnd.IntN(2) == 0:
			table.SetState(e, Assured)
		case k.Template, k.Proto == frame.ProtoUDP:
		case k.Proto == frame.ProtoSCTP:
			table.SetState(e, State(rnd.IntN(int(numSCTP))))
		default:
			table.SetState(e, State(rnd.IntN(int(numStates))))
		}
	}
	var counts StateCounts
	for c := range table.Chunks() {
		table.Count(c, &counts)
	}
	want, templates := countSlowly(table)
	got, sum := map[string]int{}, counts.Templates()
	counts.Each(func(p frame.Proto, state string, n int) {
		got[fmt.Sprint(p, " ", state)] += n
		sum += n
	})
	if !maps.Equal(got, want) || counts.Templates() != templates || sum != table.Len() {
		t.Errorf("counted %v and %d templates, want %v and %d; %d entries", got, counts.Templates(), want, templates, table.Len())
	}
	if len(want) < 15 {
		t.Errorf("only %d states occurred", len(want))
	}
}

func TestAnEmptyTableHasNoStates(t *testing.T) {
	table, err := New(Config{Limit: MinLimit})
	if err != nil {
		t.Fatal(err)
	}
	var counts StateCounts
	for c := range table.Chunks() {
		table.Count(c, &counts)
	}
	counts.Each(func(p frame.Proto, state string, n int) { t.Errorf("%d of %v in %s", n, p, state) })
	if counts.Templates() != 0 {
		t.Errorf("%d templates", counts.Templates())
	}
}

// All states there are have a place of their own.
func TestEveryStateHasAPlace(t *testing.T) {
	var s StateCounts
	if int(numStates) > len(s.names[0]) || int(numSCTP) > len(s.names[0]) {
		t.Errorf("%d and %d states, %d places", numStates, numSCTP, len(s.names[0]))
	}
}
