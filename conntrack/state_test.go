package conntrack

import (
	"fmt"
	"testing"

	"lvsdr/dataplane/frame"
)

// transitions is the state machine of the client's half, every row: what each
// state becomes by a segment with RST, and if it has none with SYN, then FIN,
// then ACK, and by one with none of them. secure is SYN's column under secure_tcp.
var transitions = []struct {
	from                       State
	rst, syn, secure, fin, ack State
	none                       State
}{
	//from       RST       SYN          secure SYN   FIN       ACK          none
	{None, Close, SynRecv, SynAck, Close, Established, Close},
	{Established, Close, Established, Established, FinWait, Established, Close},
	{SynSent, Close, Established, Established, SynSent, SynSent, Close},
	{SynRecv, SynRecv, SynRecv, SynRecv, TimeWait, Established, Close},
	{FinWait, Close, SynRecv, SynAck, FinWait, FinWait, Close},
	{TimeWait, Close, SynRecv, SynAck, TimeWait, TimeWait, Close},
	{Close, Close, SynRecv, SynAck, Close, Close, Close},
	{CloseWait, Close, SynRecv, SynAck, CloseWait, CloseWait, Close},
	{LastAck, LastAck, SynRecv, SynAck, LastAck, Close, Close},
	{Listen, Listen, SynRecv, SynAck, Listen, Listen, Close},
	{SynAck, Close, SynRecv, SynAck, TimeWait, Established, Close},
}

// Every state, every combination of the six flags, with and without secure_tcp.
func TestNextTCPIsTheTable(t *testing.T) {
	if len(transitions) != int(numStates) {
		t.Fatalf("%d rows for %d states", len(transitions), numStates)
	}
	for _, row := range transitions {
		for flags := range uint8(64) {
			for _, secure := range []bool{false, true} {
				want := row.none
				switch {
				case flags&frame.RST != 0:
					want = row.rst
				case flags&frame.SYN != 0 && secure:
					want = row.secure
				case flags&frame.SYN != 0:
					want = row.syn
				case flags&frame.FIN != 0:
					want = row.fin
				case flags&frame.ACK != 0:
					want = row.ack
				}
				if got := NextTCP(row.from, flags, secure); got != want {
					t.Errorf("NextTCP(%v, %06b, secure %v) = %v, want %v", row.from, flags, secure, got, want)
				}
			}
		}
	}
}

// The conversations that a director sees half of.
func TestConversations(t *testing.T) {
	const (
		S, A, F, R, P = frame.SYN, frame.ACK, frame.FIN, frame.RST, frame.PSH
	)
	for _, c := range []struct {
		name   string
		flags  []uint8
		secure bool
		want   []State
	}{
		{"a connection from its start to its end", []uint8{S, A, P | A, F | A, A}, false,
			[]State{SynRecv, Established, Established, FinWait, FinWait}},
		{"a SYN sent again", []uint8{S, S, A}, false, []State{SynRecv, SynRecv, Established}},
		{"a client that aborts", []uint8{S, A, R | A}, false, []State{SynRecv, Established, Close}},
		{"a forged reset of a half-open connection", []uint8{S, R, A}, false, []State{SynRecv, SynRecv, Established}},
		{"a FIN instead of the last ACK of the handshake", []uint8{S, F | A}, false, []State{SynRecv, TimeWait}},
		{"a port used again after FIN", []uint8{S, A, F | A, S, A}, false,
			[]State{SynRecv, Established, FinWait, SynRecv, Established}},
		{"a connection met in the middle", []uint8{P | A, F | A}, false, []State{Established, FinWait}},
		{"SYN and RST together are a RST", []uint8{S | R}, false, []State{Close}},
		{"SYN and FIN together are a SYN", []uint8{S | F | A}, false, []State{SynRecv}},
		{"a segment without flags closes", []uint8{S, A, 0}, false, []State{SynRecv, Established, Close}},
		{"secure_tcp", []uint8{S, S, A, F | A}, true, []State{SynAck, SynAck, Established, FinWait}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := None
			for i, f := range c.flags {
				if s = NextTCP(s, f, c.secure); s != c.want[i] {
					t.Fatalf("segment %d: %v, want %v", i, s, c.want[i])
				}
			}
		})
	}
}

// SYN_RECV, SYN_SENT, SYNACK and ESTABLISHED are active, UDP and templates never.
func TestActive(t *testing.T) {
	m := newModel(t, MinLimit, 1, 0)
	active := map[State]bool{Established: true, SynSent: true, SynRecv: true, SynAck: true}
	k := Key{Client: frame.AddrFrom4([4]byte{10, 0, 0, 1}), Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}), ClientPort: 1, VirtualPort: 80, Proto: frame.ProtoTCP}
	e := m.table.Insert(&k, m.table.Hash(&k), 1, nil, 0)
	for s := range numStates {
		m.table.SetState(e, s)
		if e.Active() != active[s] {
			t.Errorf("%v: Active = %v", s, e.Active())
		}
	}
	k.Proto = frame.ProtoUDP
	if u := m.table.Insert(&k, m.table.Hash(&k), 2, nil, 0); u.Active() || u.StateName() != "UDP" {
		t.Errorf("UDP: Active = %v, state %s", u.Active(), u.StateName())
	}
	k.Proto, k.Template, k.ClientPort = frame.ProtoTCP, true, 0
	tmpl := m.table.Insert(&k, m.table.Hash(&k), 3, nil, 0)
	if tmpl.Active() || tmpl.StateName() != "NONE" {
		t.Errorf("template: Active = %v, state %s", tmpl.Active(), tmpl.StateName())
	}
	k.Template, k.ClientPort = false, 9
	c := m.table.Insert(&k, m.table.Hash(&k), 4, tmpl, 0)
	if m.table.SetState(c, SynRecv); tmpl.StateName() != "NONE" {
		t.Errorf("a half-open connection made its template %s", tmpl.StateName())
	}
	if m.table.SetState(c, Established); tmpl.Active() || tmpl.StateName() != "ASSURED" {
		t.Errorf("template of an established connection: Active = %v, state %s", tmpl.Active(), tmpl.StateName())
	}
}

func TestStateNames(t *testing.T) {
	seen := map[string]State{}
	for s := range numStates {
		name := s.String()
		if other, twice := seen[name]; twice || name == "" || name == "STATE?" {
			t.Errorf("state %d is called %q, as is %d", s, name, other)
		}
		seen[name] = s
	}
	for s, want := range map[State]string{None: "NONE", SynRecv: "SYN_RECV", FinWait: "FIN_WAIT", SynAck: "SYNACK", numStates: "STATE?"} {
		if got := fmt.Sprint(s); got != want {
			t.Errorf("state %d is called %q, want %q", s, got, want)
		}
	}
}
