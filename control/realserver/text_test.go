package realserver

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"
)

var vipOfTexts = netip.MustParseAddr("192.168.1.100")

func TestAReportIsALineForEachOutcome(t *testing.T) {
	r := &Report{VIP: vipOfTexts, Notes: []string{"the record is new"}, Outcomes: []Outcome{
		{Item: "a", Result: Set, Was: "0", Is: "1"}, {Item: "b", Result: Failed, Was: "0", Is: "0", Note: "not permitted"},
	}}
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := "192.168.1.100:\n  note: the record is new\n  " + r.Outcomes[0].String() + "\n  " + r.Outcomes[1].String() + "\n"
	if b.String() != want || r.OK() {
		t.Errorf("%q, OK %v, want %q", b.String(), r.OK(), want)
	}
}

// A stop that found nothing to undo printed a bare address.
func TestAReportOfNothingSaysSo(t *testing.T) {
	var b strings.Builder
	if err := (&Report{VIP: vipOfTexts}).WriteText(&b); err != nil || b.String() != "192.168.1.100: nothing to do\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
	b.Reset()
	if err := (&Report{VIP: vipOfTexts, Notes: []string{"no record"}}).WriteText(&b); err != nil || b.String() != "192.168.1.100:\n  note: no record\n" {
		t.Errorf("with a note: %q, %v", b.String(), err)
	}
}

func TestAStatusIsATable(t *testing.T) {
	s := &Status{VIP: vipOfTexts, Notes: []string{"no record"}, Items: []State{
		{Item: "VIP on lo", OK: true, Is: "there"}, {Item: "arp_ignore", Is: "0", Want: "1", Ours: true, Was: "2"},
	}}
	var b strings.Builder
	if err := s.WriteText(&b); err != nil {
		t.Fatal(err)
	}
	want := `192.168.1.100: not in place
  note: no record
  VIP on lo   there  ok      not set by lvsdr
  arp_ignore  0      want 1  set by lvsdr, was 2
`
	if b.String() != want || s.OK() {
		t.Errorf("%q, OK %v, want %q", b.String(), s.OK(), want)
	}
	if s = (&Status{VIP: vipOfTexts, InPlace: true}); !s.OK() {
		t.Error("in place and not OK")
	}
}

func TestTextsSayThatTheyCouldNotBeWritten(t *testing.T) {
	for name, write := range map[string]func(*brokenWriter) error{
		"report": func(w *brokenWriter) error { return (&Report{VIP: vipOfTexts}).WriteText(w) },
		"status": func(w *brokenWriter) error { return (&Status{VIP: vipOfTexts}).WriteText(w) },
	} {
		if err := write(new(brokenWriter)); !errors.Is(err, iotest.ErrTimeout) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

type brokenWriter struct{}

func (*brokenWriter) Write([]byte) (int, error) { return 0, iotest.ErrTimeout }
