package dataplane

import (
	"testing"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// entryIn is a connection of a protocol in a state.
func entryIn(t *testing.T, proto frame.Proto, s conntrack.State) *conntrack.Entry {
	t.Helper()
	table, err := conntrack.New(conntrack.Config{Limit: conntrack.MinLimit})
	if err != nil {
		t.Fatal(err)
	}
	k := conntrack.Key{Client: frame.AddrFrom4([4]byte{192, 0, 2, 1}), Virtual: frame.AddrFrom4([4]byte{198, 51, 100, 1}), Proto: proto}
	e := table.Insert(&k, table.Hash(&k), conntrack.MakeDestRef(1, 1), nil, 0)
	table.SetState(e, s)
	return e
}

// What plainly says of a packet is what next finds out the long way; and it says so of
// the segments that most are.
func TestPlainlyLeavesTheStateAsNextDoes(t *testing.T) {
	for _, proto := range []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP, frame.ProtoICMP} {
		for state := conntrack.None; state <= conntrack.SynAck; state++ {
			e := entryIn(t, proto, state)
			for flags := range uint8(1 << 6) {
				p := &Packet{Data: make([]byte, 60), header: frame.Header{Kind: frame.IPv4, Proto: proto, Flags: flags, L3: 14, L4: 34, End: 60}}
				if !p.plainly(e) {
					continue
				}
				for _, secure := range []bool{false, true} {
					if next := p.next(e, secure); next != state {
						t.Errorf("protocol %v, %v, flags %#x: plainly stays, but goes to %v", proto, state, flags, next)
					}
				}
			}
		}
	}
	open := entryIn(t, frame.ProtoTCP, conntrack.Established)
	for _, flags := range []uint8{frame.ACK, frame.ACK | frame.PSH, frame.ACK | frame.URG} {
		if p := (&Packet{header: frame.Header{Proto: frame.ProtoTCP, Flags: flags}}); !p.plainly(open) {
			t.Errorf("a segment with flags %#x of an open connection takes the long way", flags)
		}
	}
}
