package conntrack

import "lvsdr/dataplane/frame"

// Sorts of entries that StateCounts keeps apart.
const (
	templates = iota
	tcpConns
	udpConns
	sctpConns
	otherConns
	numSorts
)

// StateCounts count entries by protocol and state. The zero StateCounts is empty.
type StateCounts struct {
	entries [numSorts][1 << 5]int
	names   [numSorts][1 << 5]string
}

// Count adds the entries of the chunk c, of Chunks.
func (t *Table) Count(c int, to *StateCounts) {
	t.Chunk(c, func(e *Entry) bool {
		sort, state := sortOf(e), e.State()&(1<<5-1)
		to.entries[sort][state]++
		if to.entries[sort][state] == 1 {
			to.names[sort][state] = e.StateName()
		}
		return true
	})
}

// sortOf is the sort of e.
func sortOf(e *Entry) int {
	switch {
	case e.Template():
		return templates
	case e.proto() == frame.ProtoTCP:
		return tcpConns
	case e.proto() == frame.ProtoUDP:
		return udpConns
	case e.proto() == frame.ProtoSCTP:
		return sctpConns
	}
	return otherConns
}

// Templates is the number of persistence templates, of whatever protocol.
func (s *StateCounts) Templates() int {
	sum := 0
	for _, n := range s.entries[templates] {
		sum += n
	}
	return sum
}

// Each calls f with each protocol and state of connections of which there are some, as
// StateName has it.
func (s *StateCounts) Each(f func(proto frame.Proto, state string, connections int)) {
	protos := [numSorts]frame.Proto{tcpConns: frame.ProtoTCP, udpConns: frame.ProtoUDP, sctpConns: frame.ProtoSCTP}
	for sort := tcpConns; sort < numSorts; sort++ {
		for state, n := range s.entries[sort] {
			if n > 0 {
				f(protos[sort], s.names[sort][state], n)
			}
		}
	}
}
