package track

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/script"
	"lvsdr/control/vrrp"
)

const sec = time.Second

// A lab is a Runner whose programs and processes the test makes up.
type lab struct {
	*Runner
	start time.Time

	mu      sync.Mutex
	reports []string          // since the last call of take
	fails   map[string]string // why a program fails
	takes   map[string]time.Duration
	runs    map[string]int
	all     []Running
	broken  error // of Scan
}

// bubble runs f with a lab in virtual time.
func bubble(t *testing.T, f func(t *testing.T, l *lab)) {
	synctest.Test(t, func(t *testing.T) {
		l := &lab{start: time.Now(), fails: map[string]string{}, takes: map[string]time.Duration{}, runs: map[string]int{}}
		l.Runner = New(Config{Report: l.report, Run: l.run, Scan: l.scan})
		f(t, l)
		l.Close()
	})
}

func (l *lab) report(t vrrp.Tracked) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = append(l.reports, fmt.Sprintf("%v %s %v %d", time.Since(l.start), t.Name, t.Up, t.Value))
}

func (l *lab) run(ctx context.Context, c script.Command) (out script.Outcome, err error) {
	l.mu.Lock()
	name := c.Argv[0]
	l.runs[name]++
	takes := l.takes[name]
	l.mu.Unlock()
	if takes > c.Timeout {
		takes, out.TimedOut = c.Timeout, true
	}
	if !sleep(ctx, takes) {
		return out, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if why := l.fails[name]; why != "" {
		return out, errors.New(why)
	}
	return out, nil
}

func (l *lab) scan() ([]Running, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.all), l.broken
}

// set makes s what is tracked.
func (l *lab) set(t *testing.T, s Settings) {
	t.Helper()
	if err := l.Set(s); err != nil {
		t.Fatal(err)
	}
}

// ran is how often a program was run.
func (l *lab) ran(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.runs[name]
}

// told is how many reports there are since the last call of expect.
func (l *lab) told() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.reports)
}

// fail has a program fail from now on; empty: it is good.
func (l *lab) fail(name, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails[name] = why
}

// expect states what was reported since its last call.
func (l *lab) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.reports, want) {
		t.Errorf("reported %q, want %q", l.reports, want)
	}
	l.reports = nil
}

func program(name string) Script {
	return Script{Name: name, Command: script.Command{Argv: []string{name}}, Interval: 2 * sec}
}

func TestTheFirstResultOfAScriptCountsAtOnce(t *testing.T) {
	for _, why := range []string{"", "broken"} {
		bubble(t, func(t *testing.T, l *lab) {
			l.fail("p", why)
			s := program("p")
			s.Rise, s.Fall = 3, 3
			l.set(t, Settings{Scripts: []Script{s}})
			l.expect(t, fmt.Sprintf("0s p %v 0", why == ""))
		})
	}
}

func TestAScriptRisesAndFallsAfterResultsInARow(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		s := program("p")
		s.Rise, s.Fall = 2, 3
		l.set(t, Settings{Scripts: []Script{s}})
		l.expect(t, "0s p true 0")
		time.Sleep(sec)
		l.fail("p", "broken") // 2, 4 s: bad
		time.Sleep(4 * sec)
		l.fail("p", "") // 6 s: good, it begins anew
		time.Sleep(2 * sec)
		l.fail("p", "broken") // 8, 10, 12 s
		time.Sleep(6 * sec)
		l.expect(t, "12s p false 0")
		l.fail("p", "")
		time.Sleep(10 * sec)
		l.expect(t, "16s p true 0")
	})
}

// init_fail is told before Set returns, so that no instance begins without it.
func TestAScriptMayStartAsDown(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		s := program("p")
		s.InitFail, s.Rise = true, 2
		l.set(t, Settings{Scripts: []Script{s}})
		if l.told() != 1 {
			t.Errorf("when Set returns: %q", l.reports)
		}
		time.Sleep(10 * sec)
		l.expect(t, "0s p false 0", "2s p true 0")
	})
}

// A program that takes too long is a bad result; the next run begins on time.
func TestAScriptHasATimeLimit(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		slow, limited := program("slow"), program("limited")
		limited.Interval, limited.Timeout = 10*sec, 3*sec
		l.takes["slow"], l.takes["limited"] = time.Hour, 4*sec
		l.set(t, Settings{Scripts: []Script{slow, limited}})
		time.Sleep(9*sec + sec/2)
		l.expect(t, "2s slow false 0", "3s limited false 0")
		if l.ran("slow") != 5 || l.ran("limited") != 1 {
			t.Errorf("runs %v", l.runs)
		}
	})
}

func TestAChangeOfSettingsKeepsWhatStays(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, b := program("a"), program("b")
		l.set(t, Settings{Scripts: []Script{a, b}})
		l.expect2(t, "0s a true 0", "0s b true 0")
		l.set(t, Settings{Scripts: []Script{a}})
		time.Sleep(20*sec + sec)
		if l.ran("a") != 11 || l.ran("b") != 1 {
			t.Errorf("runs %v", l.runs)
		}
		a.Interval = 5 * sec
		l.set(t, Settings{Scripts: []Script{a}})
		time.Sleep(5*sec + 1)
		if l.ran("a") != 13 {
			t.Errorf("with another interval %d runs, want 13", l.ran("a"))
		}
		l.expect(t, "21s a true 0") // a new tracker says its first word again
		l.set(t, Settings{})
		time.Sleep(time.Hour)
		if l.ran("a") != 13 {
			t.Error("it runs on")
		}
	})
}

// expect2 is expect in any order.
func (l *lab) expect2(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	slices.Sort(l.reports)
	l.mu.Unlock()
	l.expect(t, want...)
}

func TestAProcessIsUpWhileEnoughRun(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.set(t, Settings{Processes: []Process{{Name: "p", Path: "/usr/sbin/nginx", Quorum: 2, Most: 3, UpDelay: 3 * sec, DownDelay: 2 * sec}}})
		l.expect(t, "0s p false 0")
		nginx := Running{Comm: "nginx"}
		for _, step := range []struct {
			n     int
			after time.Duration
			want  []string
		}{
			{1, 10 * sec, nil},
			{2, 10 * sec, []string{"14s p true 0"}}, // seen at 11 s
			{1, 2 * sec, nil},                       // seen at 21 s, for less than its delay
			{2, 10 * sec, nil},
			{4, 10 * sec, []string{"35s p false 0"}}, // seen at 33 s
			{3, 10 * sec, []string{"46s p true 0"}},
		} {
			synctest.Wait()
			l.mu.Lock()
			l.all = slices.Repeat([]Running{nginx}, step.n)
			l.mu.Unlock()
			time.Sleep(step.after)
			l.expect(t, step.want...)
		}
		l.mu.Lock()
		l.broken, l.all = os.ErrPermission, nil
		l.mu.Unlock()
		time.Sleep(time.Hour)
		l.expect(t) // nothing is known
	})
}

func TestWhichProcessesMatch(t *testing.T) {
	run := func(comm string, args ...string) Running { return Running{comm, args} }
	for _, c := range []struct {
		name string
		p    Process
		is   Running
		want bool
	}{
		{"by name", Process{Path: "nginx"}, run("nginx", "nginx: master"), true},
		{"by the name of a path", Process{Path: "/usr/sbin/nginx"}, run("nginx"), true},
		{"another name", Process{Path: "nginx"}, run("nginx2"), false},
		{"a long name is cut", Process{Path: "/usr/bin/unattended-upgrade-shutdown"}, run("unattended-upgr"), true},
		{"full, with the program", Process{Path: "/bin/a", Full: true}, run("a", "/bin/a", "-x"), true},
		{"full, another program", Process{Path: "/bin/a", Full: true}, run("a", "/usr/bin/a"), false},
		{"full, a thread of the kernel", Process{Path: "a", Full: true}, run("a"), false},
		{"the same arguments", Process{Path: "a", HasArgs: true, Args: []string{"-x", "1"}}, run("a", "a", "-x", "1"), true},
		{"one argument more", Process{Path: "a", HasArgs: true, Args: []string{"-x"}}, run("a", "a", "-x", "1"), false},
		{"no arguments", Process{Path: "a", HasArgs: true}, run("a", "a"), true},
		{"partial", Process{Path: "a", HasArgs: true, Partial: true, Args: []string{"-x"}}, run("a", "a", "-x", "1"), true},
		{"partial, too few", Process{Path: "a", HasArgs: true, Partial: true, Args: []string{"-x", "1"}}, run("a", "a", "-x"), false},
		{"initial", Process{Path: "a", HasArgs: true, Initial: true, Args: []string{"-x", "ab"}}, run("a", "a", "-x", "abc", "d"), true},
		{"initial, another start", Process{Path: "a", HasArgs: true, Initial: true, Args: []string{"-x", "ab"}}, run("a", "a", "-x", "bc"), false},
		{"initial without arguments", Process{Path: "a", HasArgs: true, Initial: true}, run("a", "a", "-x"), true},
	} {
		if got := c.p.matches(&c.is); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// This test's own process is found in /proc, with its arguments.
func TestTheProcessesOfThisHostAreRead(t *testing.T) {
	all, err := scan()
	if err != nil {
		t.Skip("needs /proc:", err)
	}
	if !slices.ContainsFunc(all, func(p Running) bool { return slices.Equal(p.Args, os.Args) && p.Comm != "" }) {
		t.Errorf("not among %d processes", len(all))
	}
	self := Process{Path: os.Args[0], Full: true}
	if !self.enough(all) {
		t.Error("it does not match itself")
	}
}

// A file is read when it changes, not only from time to time.
func TestANumberInAFileIsReportedWhenItChanges(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "number")
	got := make(chan vrrp.Tracked, 16)
	r := New(Config{Report: func(t vrrp.Tracked) { got <- t }, Every: time.Hour})
	defer r.Close()
	if err := r.Set(Settings{Files: []File{{Name: "f", Path: path}}}); err != nil {
		t.Fatal(err)
	}
	want := func(n int) {
		t.Helper()
		select {
		case x := <-got:
			if x.Value != n || x.Up != (n == 0) || x.Tracker != (vrrp.Tracker{Kind: "track_file", Name: "f"}) {
				t.Fatalf("reported %+v, want %d", x, n)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%d is not reported", n)
		}
	}
	want(0) // there is no file
	for _, n := range []string{"5", "-3\n", "0"} {
		if err := os.WriteFile(path+".new", []byte(n), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
		var v int
		if _, err := fmt.Sscan(strings.TrimSpace(n), &v); err != nil {
			t.Fatal(err)
		}
		want(v)
	}
}

// Close kills what runs and ends all; a Set after it is none.
func TestCloseEndsAll(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.takes["p"] = sec
		l.set(t, Settings{Scripts: []Script{program("p")}})
		time.Sleep(sec / 2)
		l.Close()
		l.set(t, Settings{Scripts: []Script{program("q")}})
		time.Sleep(time.Minute)
		l.expect(t)
		if l.ran("q") != 0 {
			t.Error("a program runs after the end")
		}
	})
}
