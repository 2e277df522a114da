//go:build long

package main_test

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A director that is killed again and again under load, and started again at once, has
// lost no connection in the end: it knows all of them, and chooses none anew.
func TestAKilledDirectorLosesNoConnection(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 2, 3)})
	config := lab.Config(netlab.Service{Port: port, Persistence: "0", Scheduler: "wrr"})
	dir, table := shortDir(t), filepath.Join(memoryDir(t), "table")
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-c", file, "--table", table, "--resume", "0", "--keep-shield", "--force"}
	p := launchWith(t, lab, dir, args...)
	k := keepTalking(t, lab, 100)
	kills := 5
	if long() {
		kills = 60
	}
	var out []time.Duration // how long there was no director
	for range kills {
		p.end(t, unix.SIGKILL)
		ended := time.Now()
		p = launchWith(t, lab, dir, args...)
		out = append(out, time.Since(ended))
		time.Sleep(max(time.Second-time.Since(ended), 0)) // the load goes on; nothing waits for it
	}
	st, err := askStatus(t.Context(), p.socket)
	if err != nil {
		t.Fatal(err)
	}
	if errs := k.end(); len(errs) > 0 {
		t.Errorf("%d of %d connections failed: %s", len(errs), len(k.conns), strings.Join(errs, "; "))
	}
	taken := st.Table.TakenOver
	if taken == nil || taken.Connections < len(k.conns) || taken.InOrder || taken.Dropped > 1 || st.Reasons["reset-no-connection"] > 0 {
		t.Errorf("taken over: %+v; reasons %v", taken, st.Reasons)
	}
	slices.Sort(out)
	slices.Sort(k.gaps)
	t.Logf("%d kills, %d connections, %d requests, 0 failed; from the kill to a director that serves: median %v, longest %v; longest wait of a connection: median %v, longest %v",
		kills, len(k.conns), k.count, out[len(out)/2], out[len(out)-1], k.gaps[len(k.gaps)/2], k.gaps[len(k.gaps)-1])
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ended the director with %d", code)
	}
}

// Connections live through starts with another number of workers, another limit, and an
// end in order; a file that is no good is replaced by an empty table, which is said.
func TestAConnectionTableIsTakenOver(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	config := lab.Config(netlab.Service{Port: port, Persistence: "50", Scheduler: "rr"})
	dir, table := shortDir(t), filepath.Join(memoryDir(t), "table")
	file := filepath.Join(dir, "keepalived.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func(more ...string) (*process, *api.TakenOver) {
		p := launchWith(t, lab, dir, append([]string{"-c", file, "--table", table, "--resume", "0", "--force"}, more...)...)
		st, err := askStatus(t.Context(), p.socket)
		if err != nil {
			t.Fatal(err)
		}
		return p, st.Table.TakenOver
	}
	p, taken := start()
	if taken == nil || taken.PID != 0 || taken.Empty != "" {
		t.Fatalf("a first start took over %+v", taken)
	}
	c, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from := bufio.NewReader(c)
	server, err := request(c, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		signal unix.Signal
		more   []string
	}{{unix.SIGTERM, nil}, {unix.SIGKILL, []string{"--workers", "2"}}, {unix.SIGTERM, []string{"--conn-limit", "4096"}}, {unix.SIGKILL, nil}} {
		pid := p.Process.Pid
		p.end(t, s.signal)
		if p, taken = start(s.more...); taken == nil || taken.Connections != 1 || taken.Templates != 1 || taken.PID != pid || taken.InOrder != (s.signal == unix.SIGTERM) {
			t.Errorf("after %v, with %v: taken over %+v", s.signal, s.more, taken)
		}
		if got, err := request(c, from); err != nil || got != server {
			t.Errorf("after %v, with %v: %q, %v; want %q", s.signal, s.more, got, err, server)
		}
	}
	if r := lvsdr(t, "run", "--no-config", "--table", table, "--socket", filepath.Join(dir, "other")); r.code == 0 || !strings.Contains(r.stderr, "another process has this connection table") {
		t.Errorf("a second director: %d, %s", r.code, r.stderr)
	}
	p.end(t, unix.SIGKILL)
	if err := os.WriteFile(table, []byte(strings.Repeat("garbage", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if p, taken = start(); taken == nil || taken.Empty != "it is not a connection table" || taken.Connections != 0 {
		t.Errorf("of garbage %+v was taken over", taken)
	}
	if !strings.Contains(p.log.String(), "connection table begins empty") {
		t.Error("the log does not say that the table begins empty")
	}
	p.end(t, unix.SIGKILL)
	otherVersion(t, table)
	if p, taken = start(); taken == nil || taken.Empty != "it is of another version of the program" || taken.Connections != 0 {
		t.Errorf("of another version %+v was taken over", taken)
	}
	p.end(t, unix.SIGTERM)
	p = launchWith(t, lab, dir, "-c", file, "--table", "off", "--force")
	if st, err := askStatus(t.Context(), p.socket); err != nil || st.Table.TakenOver != nil {
		t.Errorf("--table off: %v, %+v", err, st.Table.TakenOver)
	}
	p.end(t, unix.SIGTERM)
}
