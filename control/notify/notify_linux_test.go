package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/keepalived"
	"lvsdr/control/script"
)

// runs are the commands that a Notifier has run, which take some virtual time each.
type runs struct {
	mu      sync.Mutex
	takes   time.Duration
	outcome script.Outcome
	err     error
	last    script.Command
	began   []string // arguments, in order
	now     int      // how many run
	most    int      // at a time
}

func (r *runs) run(ctx context.Context, c script.Command) (script.Outcome, error) {
	r.mu.Lock()
	r.began = append(r.began, strings.Join(c.Argv, " "))
	r.last = c
	r.now++
	r.most = max(r.most, r.now)
	takes := r.takes
	r.mu.Unlock()
	select {
	case <-time.After(takes):
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now--
	return r.outcome, r.err
}

// about is a message with a command that is named like it.
func about(subject, line string) Message {
	return Message{Subject: subject, Line: line, Command: keepalived.Command{Line: line}}
}

// newNotifier makes a Notifier whose log is what log gives.
func newNotifier(t *testing.T, c Config) (n *Notifier, log func() string) {
	var text bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&text, nil))
	n = New(c)
	return n, func() string {
		n.mu.Lock() // it logs with it
		defer n.mu.Unlock()
		return text.String()
	}
}

func TestTheCommandsOfOneSubjectRunOneAfterAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runs{takes: time.Second}
		n, _ := newNotifier(t, Config{Run: r.run, AtOnce: 2})
		start := time.Now()
		for _, m := range []Message{about("a", "a down"), about("a", "a up"), about("b", "b down"), about("c", "c down"), about("a", "a down again")} {
			n.Tell(m)
		}
		if time.Since(start) != 0 {
			t.Error("Tell waits")
		}
		n.Close(time.Hour)
		var ofA []string
		for _, s := range r.began {
			if strings.HasPrefix(s, "a ") {
				ofA = append(ofA, s)
			}
		}
		if want := []string{"a down", "a up", "a down again"}; !slices.Equal(ofA, want) || len(r.began) != 5 || r.most != 2 || time.Since(start) != 3*time.Second {
			t.Errorf("ran %q, %d at a time, in %v", r.began, r.most, time.Since(start))
		}
		if got := n.Stats(); got != (Stats{Run: 5}) {
			t.Errorf("%+v", got)
		}
	})
}

func TestTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runs{takes: time.Second}
		n, log := newNotifier(t, Config{Run: r.run, AtOnce: 1, Queue: 3})
		for i := range 10 {
			n.Tell(about(fmt.Sprint(i), fmt.Sprint("cmd ", i)))
		}
		if got := strings.Count(log(), "too many notification commands"); got != 1 {
			t.Errorf("it is logged %d times", got)
		}
		n.Close(time.Hour)
		if got, want := n.Stats(), (Stats{Run: 4, Dropped: 6}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		n.Tell(about("x", "y"))
		if len(r.began) != 4 {
			t.Error("after Close a command is run")
		}
	})
}

func TestCloseKillsWhatHasNotEndedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runs{takes: time.Hour}
		n, _ := newNotifier(t, Config{Run: r.run, AtOnce: 1})
		n.Tell(about("a", "a"))
		n.Tell(about("b", "b"))
		start := time.Now()
		n.Close(5 * time.Second)
		if time.Since(start) != 5*time.Second || !slices.Equal(r.began, []string{"a"}) || n.Stats().Dropped != 1 {
			t.Errorf("after %v, %q, %+v", time.Since(start), r.began, n.Stats())
		}
	})
}

func TestAFailureIsLoggedOnceUntilItIsAnotherOrGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runs{}
		n, log := newNotifier(t, Config{Run: r.run})
		for _, c := range []struct {
			law     string
			outcome script.Outcome
			err     error
			says    string
			times   int
		}{
			{"an exit code and the first line of the output", script.Outcome{Code: 3, Output: []byte("no\nmore")}, nil, "exit code 3: no", 1},
			{"the same again", script.Outcome{Code: 3, Output: []byte("no\n")}, nil, "exit code 3: no", 1},
			{"a timeout", script.Outcome{Code: -1, Signal: 9, TimedOut: true}, nil, "killed, because it took too long", 1},
			{"a signal", script.Outcome{Code: -1, Signal: 11}, nil, "ended by signal 11", 1},
			{"one that cannot be started", script.Outcome{}, errors.New("no such file"), "no such file", 1},
			{"a good end", script.Outcome{}, nil, "no such file", 1},
			{"and the failure after it", script.Outcome{}, errors.New("no such file"), "no such file", 2},
		} {
			r.outcome, r.err = c.outcome, c.err
			n.Tell(about("a", "cmd"))
			synctest.Wait()
			if got := strings.Count(log(), c.says); got != c.times {
				t.Errorf("%s: %q is logged %d times, want %d:\n%s", c.law, c.says, got, c.times, log())
			}
		}
		n.Tell(about("a", "it's"))
		if got := n.Stats(); !strings.Contains(log(), "quotation mark") || got.Run != 8 || got.Failed != 7 {
			t.Errorf("a command line that cannot be read: %+v\n%s", got, log())
		}
	})
}

func TestACommandRunsAsTheFileSays(t *testing.T) {
	for _, c := range []struct {
		g    keepalived.Global
		c    keepalived.Command
		want script.Command
	}{
		{keepalived.Global{}, keepalived.Command{Line: "a 'b c'"}, script.Command{Argv: []string{"a", "b c"}}},
		{keepalived.Global{ScriptUser: "u", ScriptGroup: "g", ScriptSecurity: true}, keepalived.Command{Line: "a"}, script.Command{Argv: []string{"a"}, User: "u", Group: "g", Secure: true}},
		{keepalived.Global{ScriptUser: "u", ScriptGroup: "g"}, keepalived.Command{Line: "a", User: "v"}, script.Command{Argv: []string{"a"}, User: "v"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &runs{}
			n, _ := newNotifier(t, Config{Run: r.run})
			n.Configure(SettingsOf(&keepalived.Config{Global: c.g}))
			n.Tell(Message{Subject: "s", Command: c.c})
			n.Close(time.Hour)
			got := r.last
			if !slices.Equal(got.Argv, c.want.Argv) || got.User != c.want.User || got.Group != c.want.Group || got.Secure != c.want.Secure {
				t.Errorf("it is run as %+v, want %+v", got, c.want)
			}
			if got.Timeout != 30*time.Second || !got.Detached {
				t.Errorf("it is run for %v, detached: %v", got.Timeout, got.Detached)
			}
		})
	}
}

func TestFIFOsGetALineForEachMessage(t *testing.T) {
	dir := t.TempDir()
	made, there, bad := filepath.Join(dir, "made"), filepath.Join(dir, "there"), filepath.Join(dir, "bad")
	if err := errors.Join(unix.Mkfifo(there, 0o600), os.WriteFile(bad, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	n, log := newNotifier(t, Config{})
	n.Configure(SettingsOf(&keepalived.Config{Global: keepalived.Global{FIFOs: [2]string{made, there}}}))
	n.Tell(Message{Line: "VS [192.0.2.1]:tcp:80 UP"})
	n.Tell(Message{Line: "VS [192.0.2.1]:tcp:80 DOWN"})
	n.lines.wait()
	for _, path := range []string{made, there} {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		buf := make([]byte, 4096)
		if k, err := unix.Read(fd, buf); err != nil || string(buf[:k]) != "VS [192.0.2.1]:tcp:80 UP\nVS [192.0.2.1]:tcp:80 DOWN\n" {
			t.Errorf("%s has %q, %v", path, buf[:max(k, 0)], err)
		}
	}
	n.Configure(Settings{FIFOs: []FIFO{{Path: bad}, {Path: filepath.Join(dir, "none", "x")}, {Path: there}}})
	n.Tell(Message{Line: "x"})
	n.lines.wait()
	for _, s := range []string{"file of another kind", "no such file"} {
		if !strings.Contains(log(), s) {
			t.Errorf("the log does not say %q:\n%s", s, log())
		}
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a FIFO that was made and is not wanted: %v", err)
	}
	n.Close(0)
	if _, err := os.Stat(there); err != nil {
		t.Errorf("a FIFO that was there before: %v", err)
	}
	if got := n.Stats().Lines; got != 5 {
		t.Errorf("%d lines were written", got)
	}
}

func TestAFIFOThatIsNotReadLosesLinesAndBlocksNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	n, log := newNotifier(t, Config{})
	n.Configure(Settings{FIFOs: []FIFO{{Path: path}}})
	line := strings.Repeat("x", 1023)
	for range 100 {
		n.Tell(Message{Line: line})
	}
	n.lines.wait()
	if got := n.Stats(); got.Lines != 64 || got.LostLine != 36 || strings.Count(log(), "lines are lost") != 1 {
		t.Errorf("%+v\n%s", got, log())
	}
	n.Close(0)
}
