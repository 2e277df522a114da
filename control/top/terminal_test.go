package top

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/api"
)

// play runs the loop with keys and answers, in the order of their making, until
// it ends, and returns the screens that it drew.
func play(t *testing.T, events ...any) []string {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "screen"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	pressed, answers := make(chan key), make(chan answer)
	go func() {
		for _, e := range events {
			switch e := e.(type) {
			case key:
				pressed <- e
			case answer:
				answers <- e
			}
		}
		close(pressed)
	}()
	top := &Top{}
	top.view.add(site(10))
	if err := top.loop(t.Context(), pressed, answers, out); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(b), homeScreen)[1:]
}

func TestTheScreenIsDrawnAfterEachEvent(t *testing.T) {
	for _, c := range []struct {
		law     string
		events  []any
		screens int
		last    string // the last screen contains it
	}{
		{"at once, and not again when the keys end", nil, 1, "up 10s"},
		{"after an answer", []any{answer{status: site(11)}}, 2, "up 11s"},
		{"after each key", []any{downKey, sortKey}, 3, "s sort: connections/s"},
		{"a key that is none changes nothing", []any{noKey}, 2, "up 10s"},
		{"quit draws no more", []any{answer{status: site(11)}, quitKey}, 2, "up 11s"},
		{"while paused, answers are passed over", []any{pauseKey, answer{status: site(11)}}, 3, "up 10s"},
		{"and are shown again afterwards", []any{pauseKey, answer{status: site(11)}, pauseKey, answer{status: site(12)}}, 5, "up 12s"},
		{"an error is shown beside the last state", []any{answer{err: errors.New("it sleeps")}}, 2, "the director does not answer: it sleeps"},
		{"and goes with the next answer", []any{answer{err: errors.New("it sleeps")}, answer{status: site(12)}}, 3, "up 12s"},
	} {
		got := play(t, c.events...)
		if len(got) != c.screens {
			t.Errorf("%s: drawn %d times, want %d", c.law, len(got), c.screens)
		}
		if last := got[len(got)-1]; !strings.Contains(last, c.last) {
			t.Errorf("%s: the last screen lacks %q:\n%s", c.law, c.last, last)
		}
	}
}

// Each line is cleared before it is written, and the screen below the last one.
func TestNothingOfTheScreenBeforeStays(t *testing.T) {
	screen := play(t)[0]
	lines := strings.Split(strings.TrimSuffix(screen, clearBelow), "\r\n")
	if len(lines) > 24 || !strings.HasSuffix(screen, clearBelow) {
		t.Errorf("%d lines, and at the end %q", len(lines), screen[max(len(screen)-10, 0):])
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, clearLine) || strings.Contains(l, "\n") {
			t.Errorf("line %d: %q", i+1, l)
		}
	}
}

func TestAScreenThatCannotBeWrittenEndsTop(t *testing.T) {
	out, err := os.Open(os.DevNull) // for reading
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	top := &Top{}
	if err := top.loop(t.Context(), nil, nil, out); err == nil {
		t.Error("no error")
	}
}

func TestAnswersComeUntilTheContextEnds(t *testing.T) {
	gone := errors.New("gone")
	n := 0
	top := newTop(func() (*api.Status, error) {
		if n++; n == 2 {
			return nil, gone
		}
		return site(n), nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	all := top.answers(ctx)
	for i, want := range []error{nil, gone, nil} {
		if a := <-all; !errors.Is(a.err, want) || (a.status == nil) != (want != nil) {
			t.Errorf("answer %d: %+v", i+1, a)
		}
	}
	cancel()
}

// A terminal is a pseudo-terminal of 80 columns and 24 lines, and its other end.
func terminal(t *testing.T) (tty, user *os.File) {
	t.Helper()
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { user.Close() })
	if err := unix.IoctlSetPointerInt(int(user.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(user.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: 80}); err != nil {
		t.Fatal(err)
	}
	return tty, user
}

// modes are those of a terminal.
func modes(t *testing.T, tty *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

func TestShowLeavesTheTerminalAsItWas(t *testing.T) {
	tty, user := terminal(t)
	before := modes(t, tty)
	r := rand.New(rand.NewSource(6))
	top := newTop(func() (*api.Status, error) { return seen(r, 1, 3, 1), nil })
	done := make(chan error, 1)
	go func() { done <- top.Show(t.Context(), tty, tty) }()
	in := bufio.NewReader(user)
	until := func(s string) {
		t.Helper()
		var got strings.Builder
		for !strings.HasSuffix(got.String(), s) {
			b, err := in.ReadByte()
			if err != nil {
				t.Fatalf("read %q, and then %v; want %q", got.String(), err, s)
			}
			got.WriteByte(b)
		}
	}
	until(enterScreen)
	until(homeScreen)
	if now := modes(t, tty); now.Lflag&(unix.ICANON|unix.ECHO) != 0 {
		t.Errorf("the terminal still waits for lines, or echoes: %#x", now.Lflag)
	}
	if _, err := io.WriteString(user, "js"); err != nil {
		t.Fatal(err)
	}
	until("s sort: connections/s")
	if _, err := io.WriteString(user, "q"); err != nil {
		t.Fatal(err)
	}
	until(leaveScreen)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if after := modes(t, tty); after != before {
		t.Errorf("modes were %+v\nand are %+v", before, after)
	}
}

func TestShowWithoutADirectorOrATerminalIsAnError(t *testing.T) {
	gone := errors.New("gone")
	if err := newTop(func() (*api.Status, error) { return nil, gone }).Show(t.Context(), nil, nil); !errors.Is(err, gone) {
		t.Errorf("without a director: %v", err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	err = newTop(func() (*api.Status, error) { return site(1), nil }).Show(t.Context(), null, null)
	if err == nil || !strings.Contains(err.Error(), "set up the terminal") {
		t.Errorf("without a terminal: %v", err)
	}
}

func TestPrintEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	top := newTop(func() (*api.Status, error) {
		cancel() // while the director is asked
		return nil, context.Canceled
	})
	top.Interval = time.Hour
	if err := top.Print(ctx, io.Discard, false); err != nil {
		t.Errorf("ended with %v", err)
	}
}
