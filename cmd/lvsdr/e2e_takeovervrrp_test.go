package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A stranger is a keepalived that takes part in VRRP on a node, and notes what it becomes.
type stranger struct{ roles *os.File }

// startStranger runs it, as a backup of low priority.
func startStranger(t *testing.T, keepalived string, n *netlab.Node, lab *network, advert string) *stranger {
	t.Helper()
	dir := shortDir(t)
	path := func(name string) string { return filepath.Join(dir, name) }
	config := fmt.Sprintf("global_defs {\n vrrp_version 3\n vrrp_notify_fifo %s\n}\n", path("fifo")) + virtualRouter(lab, 100, advert, "")
	if err := os.WriteFile(path("keepalived.conf"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path("fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(path("fifo"), os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var log netlab.Output
	k := n.Host.Command(t.Context(), keepalived, "-P", "-n", "-l", "-D", "-f", path("keepalived.conf"), "-p", path("k.pid"), "-r", path("vrrp.pid"))
	k.Stdout, k.Stderr = &log, &log
	if err := k.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = k.Process.Signal(unix.SIGTERM) // it may have ended
		_ = k.Wait()
		_ = fifo.Close()
		if t.Failed() {
			t.Logf("keepalived wrote:\n%s", log.String())
		}
	})
	return &stranger{fifo}
}

// became are the lines about roles that it has written since the last call.
func (s *stranger) became(t *testing.T) string {
	t.Helper()
	if err := s.roles.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for buf := make([]byte, 4096); ; {
		n, err := s.roles.Read(buf)
		if all.Write(buf[:n]); err != nil {
			return all.String()
		}
	}
}

// One process takes over from another while it is the master, beside keepalived: that never becomes master, nothing is
// announced anew, no connection ends, and programs are told nothing. It becomes master when the last process ends.
func TestAMasterIsTakenOverFromWithoutAWord(t *testing.T) {
	t.Parallel()
	keepalived := tool(t, "keepalived", "keepalived")
	for _, advert := range []string{"1", "0.25"} {
		t.Run("advert_int "+advert, func(t *testing.T) {
			lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
			n, err := lab.AddDirector(t.Context(), "director2")
			if err != nil {
				t.Fatal(err)
			}
			dir := shortDir(t)
			file := filepath.Join(dir, "keepalived.conf")
			if err := os.WriteFile(file, []byte(virtualRouter(lab, 150, advert, "")+lab.Config(rotating())), 0o600); err != nil {
				t.Fatal(err)
			}
			args := []string{"--table", filepath.Join(dir, "table"), "-c", file}
			p := launchWith(t, lab, dir, args...)
			k := startStranger(t, keepalived, n, lab, advert)
			heard := ""
			await(t, "keepalived to be a backup", func() bool { heard += k.became(t); return strings.Contains(heard, "BACKUP") })
			l := startAsking(t, lab, 4, 1)
			l.more(t, 50)
			for range 3 {
				p = takeOver(t, lab, dir, p, args...)
				st, err := askStatus(t.Context(), p.socket)
				if err != nil || len(st.Routers) != 1 || st.Routers[0].Role != "MASTER" || st.ARP["announcements-sent"] != 0 {
					t.Errorf("%v: roles %+v, ARP %v", err, st.Routers, st.ARP)
				}
				if log := p.log.String(); strings.Contains(log, "VRRP role") {
					t.Errorf("it says that its role has changed:\n%s", log)
				}
				l.more(t, 50)
			}
			l.end(t)
			if heard := k.became(t); heard != "" {
				t.Errorf("keepalived became %s", heard)
			}
			p.end(t, unix.SIGTERM)
			await(t, "keepalived to be the master", func() bool { heard += k.became(t); return strings.Contains(heard, "MASTER") })
		})
	}
}
