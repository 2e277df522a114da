package main_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// A stage has three real servers that go up and down: rs1 by a TCP_CHECK, rs2 by an HTTP_GET
// and rs3 by a MISC_CHECK.
type stage struct {
	t    *testing.T
	lab  *network
	code verdict      // of the program about rs3
	page atomic.Int32 // status code of rs2
	stop map[string]func()

	mu    sync.Mutex // guards lines
	lines []string   // of the FIFO, with the servers' names
}

// The ports of the daemons that are checked.
const (
	updownTCP = 9200 + iota
	updownWeb
)

func newStage(t *testing.T) *stage {
	s := &stage{t: t, lab: newLab(t, netlab.Spec{Servers: weighted(1, 1, 1)}), code: verdict(filepath.Join(shortDir(t), "code")), stop: map[string]func(){}}
	s.start("tcp")
	s.start("web")
	s.code.set(t, 0)
	s.page.Store(http.StatusOK)
	t.Cleanup(func() {
		for _, stop := range s.stop {
			stop()
		}
	})
	return s
}

// start starts a daemon.
func (s *stage) start(daemon string) {
	if daemon == "tcp" {
		s.stop[daemon] = startTCP(s.t, s.lab.Servers[0].Host, updownTCP)
		return
	}
	server := http.Server{ReadHeaderTimeout: patience, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(int(s.page.Load())) })}
	l := listen(s.t, s.lab.Servers[1].Host, updownWeb)
	ended := make(chan struct{})
	go func() { defer close(ended); _ = server.Serve(l) }() // it is closed
	s.stop[daemon] = func() { server.Close(); <-ended }
}

// end ends a daemon.
func (s *stage) end(daemon string) {
	s.stop[daemon]()
	delete(s.stop, daemon)
}

// config is the file of both programs.
func (s *stage) config(fifo string) string {
	var servers strings.Builder
	for i, check := range []string{
		fmt.Sprintf("TCP_CHECK {\nconnect_port %d\n}", updownTCP),
		fmt.Sprintf("HTTP_GET {\nconnect_port %d\nurl {\npath /\nstatus_code 200\n}\n}", updownWeb),
		"MISC_CHECK {\n" + s.code.check("misc_timeout 20") + "\n}",
	} {
		fmt.Fprintf(&servers, "real_server %s %d {\n%s\n}\n", s.lab.Servers[i].Addr, port, check)
	}
	return fmt.Sprintf("global_defs {\nscript_user root\nlvs_notify_fifo %s\n}\nvirtual_server %s %d {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 50\n"+
		"delay_loop 0.2\nwarmup 0\nretry 1\ndelay_before_retry 0.1\nconnect_timeout 5\nquorum 2\n%s}\n", fifo, s.lab.Spec.VIP, port, &servers)
}

// follow collects the lines of a new FIFO, whose path it returns.
func (s *stage) follow() string {
	fifo := filepath.Join(shortDir(s.t), "fifo")
	must(s.t, unix.Mkfifo(fifo, 0o600))
	f, err := os.OpenFile(fifo, os.O_RDWR, 0) // it has an end only when it is closed
	must(s.t, err)
	names := []string{fmt.Sprintf("[%s]:tcp:%d", s.lab.Spec.VIP, port), "VS"}
	for _, r := range s.lab.Servers {
		names = append(names, fmt.Sprintf("[%s]:tcp:%d", r.Addr, port), r.Name())
	}
	short := strings.NewReplacer(names...)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for in := bufio.NewScanner(f); in.Scan(); {
			s.mu.Lock()
			s.lines = append(s.lines, short.Replace(in.Text()))
			s.mu.Unlock()
		}
	}()
	s.t.Cleanup(func() { f.Close(); <-ended })
	return fifo
}

// told are the lines up to now.
func (s *stage) told() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// acts are events, each with the lines that keepalived 2.2.7 (Debian 12, Linux 6.1 with ip_vs) wrote
// after it into the FIFO of the same file. Where the test runs with ip_vs it compares that
// keepalived itself.
var acts = []struct {
	name string
	do   func(*stage)
	want string // lines, with "|" between them
}{
	{"the start, with all servers good", func(*stage) {}, "VS VS UP"},
	{"the TCP server ends", func(s *stage) { s.end("tcp") }, "RS rs1 VS DOWN"},
	{"the page fails", func(s *stage) { s.page.Store(http.StatusInternalServerError) }, "RS rs2 VS DOWN|VS VS DOWN"},
	{"the program fails", func(s *stage) { s.code.set(s.t, 1) }, "RS rs3 VS DOWN"},
	{"the TCP server is back", func(s *stage) { s.start("tcp") }, "RS rs1 VS UP"},
	{"the program is good", func(s *stage) { s.code.set(s.t, 0) }, "RS rs3 VS UP|VS VS UP"},
	{"the page is back", func(s *stage) { s.page.Store(http.StatusOK) }, "RS rs2 VS UP"},
	{"the web server ends", func(s *stage) { s.end("web") }, "RS rs2 VS DOWN"},
	{"the program fails again", func(s *stage) { s.code.set(s.t, 3) }, "RS rs3 VS DOWN|VS VS DOWN"},
	{"the web server is back", func(s *stage) { s.start("web") }, "RS rs2 VS UP|VS VS UP"},
	{"the TCP server ends again", func(s *stage) { s.end("tcp") }, "RS rs1 VS DOWN|VS VS DOWN"},
	{"the program is good again", func(s *stage) { s.code.set(s.t, 0) }, "RS rs3 VS UP|VS VS UP"},
	{"the TCP server is back again", func(s *stage) { s.start("tcp") }, "RS rs1 VS UP"},
}

// play plays all acts and wants the lines after each.
func (s *stage) play() {
	before := 0
	for _, a := range acts {
		a.do(s)
		var want []string
		if a.want != "" {
			want = strings.Split(a.want, "|")
		}
		for end := time.Now().Add(patience / 12); len(s.told()) < before+len(want) && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
		got := s.told()[before:]
		if before += len(got); !slices.Equal(got, want) {
			s.t.Errorf("%s: %q, want %q", a.name, got, want)
		}
	}
}

// One file with a check of three kinds: for the same events lvsdr writes the same lines, in the same order,
// as keepalived does.
func TestUpAndDownComeInTheOrderOfKeepalived(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	direct(t, s.lab, s.config(s.follow()))
	s.play()
}

// That order is keepalived's: it is asked where the kernel has IPVS, which it needs.
func TestKeepalivedTellsUpAndDownAsRecorded(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil {
		return // the lines above were recorded with it
	}
	s := newStage(t)
	dir := shortDir(t)
	file := filepath.Join(dir, "keepalived.conf")
	must(t, os.WriteFile(file, []byte(s.config(s.follow())), 0o600))
	cmd := s.lab.Director.Command(context.WithoutCancel(t.Context()), "keepalived", "-n", "-l", "-D", "-C", "-f", file, "-p", filepath.Join(dir, "p"), "-c", filepath.Join(dir, "c"))
	var log netlab.Output
	cmd.Stdout, cmd.Stderr = &log, &log
	must(t, cmd.Start())
	await(t, "keepalived to start", func() bool {
		return strings.Contains(log.String(), "Activating healthchecker") || strings.Contains(log.String(), "Can't initialize ipvs")
	})
	if strings.Contains(log.String(), "Can't initialize ipvs") {
		_ = cmd.Kill()
		_ = cmd.Wait() // it was killed, or has ended
		return         // IPVS may not be set up here
	}
	s.play()
	must(t, cmd.Kill())
	_ = cmd.Wait() // it was killed
	t.Logf("keepalived wrote:\n%s", log.String())
}
