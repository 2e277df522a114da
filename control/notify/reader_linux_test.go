package notify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/keepalived"
	"lvsdr/control/script"
)

// settingsWith are those of a file with a FIFO at path, which this program reads as user.
func settingsWith(path, program, user string) Settings {
	return SettingsOf(&keepalived.Config{Global: keepalived.Global{ScriptUser: user, FIFOs: [2]string{"", path}, FIFOScripts: [2]keepalived.Command{{}, {Line: program}}}})
}

func TestAReaderRunsWhileItsFIFOIsWanted(t *testing.T) {
	path, other := filepath.Join(t.TempDir(), "fifo"), filepath.Join(t.TempDir(), "other")
	for _, c := range []struct {
		law  string
		then Settings
		want []string // what has begun in all
		now  int      // how many run then
		most int      // how many run at a time: those of one FIFO one after the other
	}{
		{"a reload that changes nothing leaves it", settingsWith(path, "read a", "u"), []string{"read a " + path}, 1, 1},
		{"another program", settingsWith(path, "read b", "u"), []string{"read a " + path, "read b " + path}, 1, 1},
		{"another user", settingsWith(path, "read a", "v"), []string{"read a " + path, "read a " + path}, 1, 1},
		{"another FIFO", settingsWith(other, "read a", "u"), []string{"read a " + path, "read a " + other}, 1, 2},
		{"no program", settingsWith(path, "", "u"), []string{"read a " + path}, 0, 1},
		{"no FIFO", settingsWith("", "read a", "u"), []string{"read a " + path}, 0, 1},
		{"a FIFO that cannot be opened", settingsWith(path+"/x", "read a", "u"), []string{"read a " + path}, 0, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &runs{takes: time.Hour}
			n, log := newNotifier(t, Config{Run: r.run})
			start := time.Now()
			n.Configure(settingsWith(path, "read a", "u"))
			synctest.Wait()
			n.Configure(c.then)
			synctest.Wait()
			if !slices.Equal(r.began, c.want) || r.now != c.now || r.most > c.most {
				t.Errorf("%s: began %q, %d run, %d at a time", c.law, r.began, r.now, r.most)
			}
			if strings.Contains(log(), "has ended") {
				t.Errorf("%s: it is logged:\n%s", c.law, log())
			}
			n.Close(time.Minute)
			if r.now != 0 || time.Since(start) != 0 {
				t.Errorf("%s: after Close %d run, %v later", c.law, r.now, time.Since(start))
			}
		})
	}
}

// One that ends is started again: after 1 s, then after twice as long each time, up to a minute; and that is
// logged once.
func TestAReaderThatEndsIsStartedAgain(t *testing.T) {
	for _, c := range []struct {
		law     string
		outcome script.Outcome
		err     error
		says    string
	}{
		{"it says that all is well", script.Outcome{}, nil, "exit code 0"},
		{"it fails", script.Outcome{Code: 3, Output: []byte("no")}, nil, "exit code 3: no"},
		{"it is not there", script.Outcome{}, errors.New("no such file"), "no such file"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var at []string
			start := time.Now()
			run := func(context.Context, script.Command) (script.Outcome, error) {
				at = append(at, fmt.Sprint(time.Since(start)))
				return c.outcome, c.err
			}
			n, log := newNotifier(t, Config{Run: run})
			n.Configure(settingsWith(filepath.Join(t.TempDir(), "fifo"), "read", ""))
			time.Sleep(3*time.Minute + time.Second)
			n.Close(time.Minute)
			if want := []string{"0s", "1s", "3s", "7s", "15s", "31s", "1m3s", "2m3s"}; !slices.Equal(at[:len(want)], want) {
				t.Errorf("%s: it is started at %v, want %v", c.law, at, want)
			}
			if got := strings.Count(log(), c.says); got != 1 {
				t.Errorf("%s: %q is logged %d times:\n%s", c.law, c.says, got, log())
			}
		})
	}
}

func TestAReaderThatHasRunForAMinuteIsStartedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &runs{takes: 2 * time.Minute}
		n, log := newNotifier(t, Config{Run: r.run})
		n.Configure(settingsWith(filepath.Join(t.TempDir(), "fifo"), "read", ""))
		time.Sleep(3*(2*time.Minute+time.Second) + time.Second)
		synctest.Wait()
		if len(r.began) != 4 || strings.Count(log(), "has ended") != 3 {
			t.Errorf("it has begun %d times\n%s", len(r.began), log())
		}
		n.Close(time.Minute)
	})
}

// A FIFO on a file server that does not answer is opened beside the caller; the lines wait, and what has no
// room is counted.
func TestLinesWaitForTheirFIFO(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := newNotifier(t, Config{})
		w := n.lines
		w.busy = true // as while a FIFO is opened
		path := filepath.Join(t.TempDir(), "fifo")
		n.Configure(Settings{FIFOs: []FIFO{{Path: path + "none/x"}}})
		n.Configure(Settings{FIFOs: []FIFO{{Path: path}}}) // and the one before is not wanted any more
		for range maxQueue + 5 {
			n.Tell(Message{Line: "x"})
		}
		if got := n.Stats(); got != (Stats{LostLine: 6}) || len(w.queue) != maxQueue {
			t.Errorf("%+v, %d wait", got, len(w.queue))
		}
		w.work()
		if got := n.Stats(); got != (Stats{LostLine: 6, Lines: maxQueue - 1}) {
			t.Errorf("%+v", got)
		}
		n.Close(time.Minute)
	})
}

// The end does not wait for it for longer than it may.
func TestCloseLeavesAFIFOThatCannotBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _ := newNotifier(t, Config{})
		n.lines.busy = true
		start := time.Now()
		n.Close(5 * time.Second)
		if got := time.Since(start); got != 5*time.Second {
			t.Errorf("it took %v", got)
		}
		n.lines.work() // it was opened after all
	})
}

// A shell reads the FIFO, and ends with its children when it is not wanted any more.
func TestARealReaderGetsTheLines(t *testing.T) {
	dir := t.TempDir()
	path, out := filepath.Join(dir, "fifo"), filepath.Join(dir, "out")
	if err := unix.Mkfifo(out, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, log := newNotifier(t, Config{})
	// A signal just before a shell reads waits for the end of that, one before it waits for
	// a child does not.
	n.Configure(settingsWith(path, `/bin/sh -c 'trap "echo end >`+out+`; exit" TERM; while read l <$0; do echo "got $l" >`+out+`; done & wait'`, ""))
	n.Tell(Message{Line: "VS a UP"})
	want := "got VS a UP\n"
	got := make([]byte, len(want))
	if _, err := f.Read(got); err != nil || string(got) != want {
		t.Errorf("it has read %q, %v\n%s", got, err, log())
	}
	n.Close(time.Minute)
	if k, err := f.Read(got); err != nil || string(got[:k]) != "end\n" {
		t.Errorf("at the end it says %q, %v", got[:k], err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the FIFO is still there: %v", err)
	}
}
