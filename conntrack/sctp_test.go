package conntrack

import (
	"testing"

	"lvsdr/dataplane/frame"
)

// associations is the state machine of SCTP's client half, every row: what each
// state becomes by a packet whose first chunk is of the column's type. other is
// all types that have no column.
var associations = []struct {
	from                                                         State
	init, cookieEcho, shutdown, shutdownAck, abort, done, others State
}{
	//from           INIT             COOKIE ECHO      SHUTDOWN      SHUTDOWN ACK  ABORT       SHUTDOWN COMPLETE
	{SCTPNone, SCTPInit1, SCTPEstablished, SCTPNone, SCTPNone, SCTPClosed, SCTPClosed, SCTPEstablished},
	{SCTPInit1, SCTPInit, SCTPEstablished, SCTPInit1, SCTPInit1, SCTPClosed, SCTPClosed, SCTPInit1},
	{SCTPInit, SCTPInit, SCTPEstablished, SCTPInit, SCTPInit, SCTPClosed, SCTPClosed, SCTPInit},
	{SCTPEstablished, SCTPEstablished, SCTPEstablished, SCTPShutdown, SCTPShutdown, SCTPClosed, SCTPClosed, SCTPEstablished},
	{SCTPShutdown, SCTPInit1, SCTPEstablished, SCTPShutdown, SCTPShutdown, SCTPClosed, SCTPClosed, SCTPShutdown},
	{SCTPRejected, SCTPInit1, SCTPEstablished, SCTPRejected, SCTPRejected, SCTPClosed, SCTPClosed, SCTPRejected},
	{SCTPClosed, SCTPInit1, SCTPEstablished, SCTPClosed, SCTPClosed, SCTPClosed, SCTPClosed, SCTPClosed},
}

// Every state, every type of chunk there can be.
func TestNextSCTPIsTheTable(t *testing.T) {
	if len(associations) != int(numSCTP) {
		t.Fatalf("%d rows for %d states", len(associations), numSCTP)
	}
	for i, row := range associations {
		if row.from != State(i) {
			t.Fatalf("row %d is of %s", i, sctpName(row.from))
		}
		want := map[int]State{1: row.init, 10: row.cookieEcho, 7: row.shutdown, 8: row.shutdownAck, 6: row.abort, 14: row.done}
		for chunk := range 256 {
			next, ok := want[chunk]
			if !ok {
				next = row.others
			}
			if got := NextSCTP(row.from, uint8(chunk)); got != next {
				t.Errorf("NextSCTP(%s, chunk %d) = %s, want %s", sctpName(row.from), chunk, sctpName(got), sctpName(next))
			}
		}
	}
}

// Each state has its timeout and name, and ESTABLISHED alone is active.
func TestSCTPStates(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range []struct {
		state State
		name  string
		want  float64 // s
	}{
		{SCTPNone, "NONE", 61}, {SCTPInit1, "INIT1", 4}, {SCTPInit, "INIT", 61}, {SCTPEstablished, "ESTABLISHED", 900},
		{SCTPShutdown, "SHUTDOWN", 61}, {SCTPRejected, "REJECTED", 4}, {SCTPClosed, "CLOSED", 61},
	} {
		c := newClocked(t, MinLimit)
		k := connKey(1)
		k.Proto = frame.ProtoSCTP
		e := c.insert(k, nil)
		c.SetState(e, row.state)
		c.Refresh(e, 0)
		if seen[row.name] = true; e.StateName() != row.name || e.Active() != (row.state == SCTPEstablished) {
			t.Errorf("state %d is called %s, Active = %v; want %s", row.state, e.StateName(), e.Active(), row.name)
		}
		if got := c.lives(k); got != row.want {
			t.Errorf("%s lives %v s, want %v", row.name, got, row.want)
		}
	}
	if len(seen) != int(numSCTP) || sctpName(numSCTP) != "STATE?" {
		t.Errorf("%d states of %d; one beyond the last is called %s", len(seen), numSCTP, sctpName(numSCTP))
	}
}

// An established association makes its template an assured one. INIT, whose
// number is that of TCP's SYN_SENT, and INIT1, whose number is TCP's
// ESTABLISHED, do not.
func TestAssociationAssuresItsTemplate(t *testing.T) {
	c := newClocked(t, MinLimit)
	tmpl := c.insert(templateKey(), nil)
	k := connKey(1)
	k.Proto = frame.ProtoSCTP
	e := c.insert(k, tmpl)
	for _, s := range []State{SCTPInit1, SCTPInit, SCTPShutdown, SCTPRejected, SCTPClosed, SCTPEstablished} {
		if c.SetState(e, s); (tmpl.State() == Assured) != (s == SCTPEstablished) {
			t.Errorf("an association in %s: its template is %s", sctpName(s), tmpl.StateName())
		}
	}
}
