//go:build long

package main_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// cpuOf is the CPU time of all threads of a process, from the first field of their
// schedstat (Documentation/scheduler/sched-stats.rst). It may have ended: then it is zero.
func cpuOf(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is good
	for _, file := range files {
		var ran int64
		b, _ := os.ReadFile(file) // threads come and go
		_, _ = fmt.Sscan(string(b), &ran)
		sum += time.Duration(ran)
	}
	return sum
}

// answered sends a question each millisecond until that one is answered: answers to others may
// still wait.
func answered(t *testing.T, c net.Conn, question string) {
	t.Helper()
	var b [64]byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		_, _ = c.Write([]byte(question)) // an ICMP error of before may be told
		_ = c.SetReadDeadline(time.Now().Add(time.Millisecond))
		if n, err := c.Read(b[:]); err == nil && string(b[:n]) == question {
			return
		}
	}
	t.Fatal("no answer comes any more")
}

// restart starts a director on the lab's host and does not wait for it.
func restart(t *testing.T, lab *network, args ...string) (*netns.Cmd, *netlab.Output) {
	t.Helper()
	log := new(netlab.Output)
	cmd := lab.Director.Command(context.WithoutCancel(t.Context()), binary(), append([]string{"run", netlab.SmallTable}, args...)...)
	cmd.Stdout, cmd.Stderr = log, log
	must(t, cmd.Start())
	return cmd, log
}

// A director that is killed answers soon, from one that is started then, and sooner from one that
// stood by. It measures the time from the kill to the first answer of a flow that was open, and
// the CPU that the new process used in that time; a bound on either would be one on the
// machine.
func TestHowSoonAKilledDirectorServesAgain(t *testing.T) {
	for _, standby := range []bool{false, true} {
		t.Run(fmt.Sprintf("standby %v", standby), func(t *testing.T) { killAndServe(t, standby) })
	}
}

// killAndServe kills one director after the other.
func killAndServe(t *testing.T, standby bool) {
	const kills = 20
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	for _, rs := range lab.Servers {
		serveUDP(t, lab, rs, func(question []byte) []byte { return question })
	}
	dir, table := shortDir(t), filepath.Join(memoryDir(t), "table")
	file := filepath.Join(dir, "keepalived.conf")
	must(t, os.WriteFile(file, []byte(lab.Config(rotating())+udpService(lab, "")), 0o600))
	args := []string{"-c", file, "--table", table, "--resume", "0", "--force", "--takeover=standby"}
	p := launchWith(t, lab, dir, args...) // with nobody to wait for
	args = append(args, "--socket", p.socket)
	if !standby {
		args = slices.DeleteFunc(args, func(s string) bool { return s == "--takeover=standby" })
	}
	c, err := lab.Clients[0].Dial(t.Context(), "udp", vipPort(lab))
	must(t, err)
	defer c.Close()
	answered(t, c, "first")
	open := dialVIP(t, lab)
	must(t, open.ask())
	cmd := p.Cmd
	var next *netns.Cmd
	var log *netlab.Output
	var gaps, cpus []time.Duration
	for i := range kills {
		if standby {
			next, log = restart(t, lab, args...)
			await(t, "the next one to stand by", func() bool { return strings.Contains(log.String(), "standing by") })
		}
		time.Sleep(500 * time.Millisecond) // the load of the last start is over
		var used time.Duration
		if standby {
			used = cpuOf(next.Process.Pid)
		}
		began := time.Now()
		must(t, unix.Kill(cmd.Process.Pid, unix.SIGKILL))
		if !standby {
			_ = cmd.Wait() // it was killed
			next, log = restart(t, lab, args...)
		}
		answered(t, c, fmt.Sprint(i))
		gaps = append(gaps, time.Since(began).Round(100*time.Microsecond))
		cpus = append(cpus, (cpuOf(next.Process.Pid) - used).Round(100*time.Microsecond))
		_ = cmd.Wait() // as above
		cmd = next
		must(t, open.ask())
	}
	st := status(t, &netlab.Director{Socket: p.socket})
	if taken := st.Table.TakenOver; st.PID != cmd.Process.Pid || taken == nil || taken.Empty != "" || taken.Connections < 2 || st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("process %d serves, want %d; taken over %+v; reasons %v", st.PID, cmd.Process.Pid, taken, st.Reasons)
	}
	must(t, unix.Kill(cmd.Process.Pid, unix.SIGTERM))
	if err := cmd.Wait(); err != nil || strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the last director: %v\n%s", err, log)
	}
	slices.Sort(gaps)
	slices.Sort(cpus)
	t.Logf("%d kills; from the kill to an answer: median %v, all %v; CPU of the new process in that time: median %v, all %v",
		kills, gaps[kills/2], gaps, cpus[kills/2], cpus)
}
