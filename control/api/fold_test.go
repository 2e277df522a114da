package api_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lvsdr/control/api"
)

// A page is text that prints itself.
type page string

// WriteText writes the text.
func (p page) WriteText(out io.Writer) error {
	_, err := io.WriteString(out, string(p))
	return err
}

func onScreen(t *testing.T, v texter, width int) string {
	t.Helper()
	var b bytes.Buffer
	if err := api.WriteScreen(&b, v, width); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestLinesAreFoldedAtBlanks(t *testing.T) {
	for _, c := range []struct {
		law   string
		width int
		text  string
		want  string
	}{
		{"what fits stays", 10, "0123456789\n", "0123456789\n"},
		{"an empty line stays", 10, "\n\n", "\n\n"},
		{"the rest is indented", 12, "one two three four five\n", "one two\n    three\n    four\n    five\n"},
		{"the rest of the last column stays in it", 48, "server  up   down: nothing answers at the port of it\n", "server  up   down: nothing answers at the port\n             of it\n"},
		{"but not in one that is too narrow", 30, "server  up   down: nothing answers at all\n", "server  up   down: nothing\n    answers at all\n"},
		{"an indented line's rest is indented more", 40, "  problem: " + strings.Repeat("words ", 6) + "\n", "  problem: words words words words words\n      words\n"},
		{"a word that is too long is broken", 8, "/etc/keepalived/keepalived.conf:12: no\n", "/etc/kee\n    pali\n    ved/\n    keep\n    aliv\n    ed.c\n    onf:\n    12:\n    no\n"},
		{"one column is enough", 1, "ab c\n", "a\nb\nc\n"},
		{"characters count, not bytes", 8, "████ ███ █\n", "████ ███\n    █\n"},
		{"without an end nothing is folded", 0, strings.Repeat("word ", 100) + "\n", strings.Repeat("word ", 100) + "\n"},
	} {
		if got := onScreen(t, page(c.text), c.width); got != c.want {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
	}
}

// However text is folded, no line is too long, and no word is lost.
func TestFoldingLosesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var b strings.Builder
		for range r.IntN(40) {
			b.WriteString([]string{" ", "  ", "a", "be", "███", "0123456789abcdef", "\n"}[r.IntN(7)])
		}
		width := 1 + r.IntN(40)
		got := onScreen(t, page(b.String()), width)
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("%q for %d columns has a line of %d:\n%s", b.String(), width, n, got)
			}
		}
		joined := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if joined(got) != joined(b.String()) {
			t.Fatalf("%q for %d columns has become %q", b.String(), width, got)
		}
	}
}

// On 80 columns the table of servers has no line that the terminal breaks, and their
// states with all of their reasons; with 200 it has all columns.
func TestTheStatusFits80AndUses200(t *testing.T) {
	st := &api.Status{Version: "1.2", Time: time.Unix(9, 0), Active: true, Services: []api.Service{web()}, Local: "served",
		Problems: []string{"/etc/keepalived/keepalived.conf:7: real_server 192.168.1.11:8080 is left out: 192.168.1.11 is on the network of interface eth0, which is down; bring it up: ip link set eth0 up"},
		Ports:    map[string]api.PortStats{"eth0": {Received: 1 << 40, Sent: 1 << 40}}}
	st.Services[0].Servers[2].Check = "connect to 10.0.0.3:80: nothing answers within three seconds"
	narrow, wide := onScreen(t, st, 80), onScreen(t, st, 200)
	for width, screen := range map[int]string{80: narrow, 200: wide} {
		for line := range strings.Lines(screen) {
			if n := utf8.RuneCountInString(line) - 1; n > width {
				t.Errorf("a line of %d on a screen of %d: %q", n, width, line)
			}
		}
	}
	flat := strings.Join(strings.Fields(narrow), " ")
	for _, want := range []string{"SERVER WEIGHT ACTIVE INACTIVE CONNS STATE 10.0.0.1:80 3 1 2 4 up 10.0.0.2:80", "10.0.0.3:80 0 (1) 1 2 4 down: connect to 10.0.0.3:80: nothing answers within three seconds",
		"no MAC: no ARP answer on eth1", "full: upper threshold 3", "quiesced: weight 0", "bring it up: ip link set eth0 up"} {
		if !strings.Contains(flat, want) {
			t.Errorf("80 columns have no %q:\n%s", want, narrow)
		}
	}
	states := 0
	for line := range strings.Lines(narrow) {
		if strings.HasPrefix(line, "  10.0.0.") && strings.Count(line, "  ") >= 5 {
			states++
		}
	}
	if states != len(st.Services[0].Servers) {
		t.Errorf("%d servers have a line of the table:\n%s", states, narrow)
	}
	if !strings.Contains(wide, "  10.0.0.3:80  0 (1)   02:00:00:00:00:03  1       2         3           4            down: connect to 10.0.0.3:80: nothing answers within three seconds\n") {
		t.Errorf("200 columns:\n%s", wide)
	}
	if got := onScreen(t, st, 0); got != text(t, st) {
		t.Errorf("a file gets\n%s", got)
	}
}

// What cannot be written is said.
func TestAScreenThatCannotBeWrittenIsAnError(t *testing.T) {
	for _, width := range []int{0, 1, 80, 200} {
		for _, v := range []texter{page("text\n"), &api.Status{Services: []api.Service{web()}}} {
			if err := api.WriteScreen(fullDisk{}, v, width); !errors.Is(err, errFull) {
				t.Errorf("%d columns: %v", width, err)
			}
		}
	}
	if err := api.WriteScreen(io.Discard, failing{}, 80); !errors.Is(err, errFull) {
		t.Errorf("%v", err)
	}
}

// failing is text that fails.
type failing struct{}

// WriteText fails.
func (failing) WriteText(io.Writer) error { return errFull }

// A wide screen shows every column that a narrow one has.
func TestAWideServiceHasTheColumnsOfANarrowOne(t *testing.T) {
	st := &api.Status{Services: []api.Service{web()}}
	columns := func(width int) []string {
		for line := range strings.Lines(onScreen(t, st, width)) {
			if strings.Contains(line, "SERVER") {
				return strings.Fields(line)
			}
		}
		return nil
	}
	wide := columns(200)
	for _, c := range columns(80) {
		if c = strings.Replace(c, "CONNS", "CONNECTIONS", 1); !slices.Contains(wide, c) {
			t.Errorf("200 columns have no %s: %v", c, wide)
		}
	}
}
