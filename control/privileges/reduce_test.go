package privileges

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// child is the variable that makes the test's program reduce its privileges to these sets,
// one after the other, and say what it has then.
const child = "PRIVILEGES_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		os.Exit(reduced())
	}
	os.Exit(netns.RunTests(m))
}

// reduced is the child: it has several threads, reduces its privileges, and prints the
// status of each thread.
func reduced() int {
	stop := make(chan struct{})
	for range 4 {
		go func() { // blocks a thread
			var b [1]byte
			r, _, _ := os.Pipe()
			_, _ = syscall.Read(int(r.Fd()), b[:])
			<-stop
		}()
	}
	for name := range strings.FieldsSeq(os.Getenv(child)) {
		kept, err := strconv.ParseUint(name, 0, 64)
		if err == nil {
			err = Reduce(Set(kept))
		}
		if err != nil {
			fmt.Println("error:", err)
			if errors.Is(err, syscall.ENOTSUP) {
				return 3
			}
			return 1
		}
	}
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		fmt.Println("error:", err)
		return 1
	}
	for _, t := range tasks {
		status, err := os.ReadFile("/proc/self/task/" + t.Name() + "/status")
		if err != nil {
			fmt.Println("error:", err)
			return 1
		}
		for line := range strings.Lines(string(status)) {
			if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "NoNewPrivs") {
				fmt.Print(line)
			}
		}
	}
	fmt.Println("chroot:", unix.Chroot("/"))                 // of what was given back
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0) // of what was kept
	fmt.Println("packet socket:", err)
	_ = unix.Close(fd)
	return 0
}

// afterwards is the report of a process that has reduced its privileges to these sets, by the
// names of its lines; each thread has said the same.
func afterwards(t *testing.T, sets ...Set) map[string]string {
	t.Helper()
	netns.Require(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+strings.Trim(fmt.Sprint(sets), "[]"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 3 {
		t.Log("a program with cgo, such as one of the race detector, keeps its privileges")
		return nil
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	said, threads := map[string]string{}, 0
	for s := bufio.NewScanner(strings.NewReader(string(out))); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		value = strings.TrimSpace(value)
		if before, ok := said[name]; ok && before != value {
			t.Errorf("%s is %s in one thread, %s in another", name, before, value)
		}
		said[name] = value
		if name == "CapEff" {
			threads++
		}
	}
	if threads < 2 {
		t.Errorf("%d threads were looked at:\n%s", threads, out)
	}
	return said
}

func TestAllThreadsKeepWhatADirectorNeedsAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		law  string
		sets []Set
		caps string // permitted, effective, and the bound
	}{
		{"the network alone", []Set{Network}, "0000000000003000"},
		{"other users too", []Set{Network | Users}, "00000000000030e0"},
		{"first a little more", []Set{Network | Users | Again, Network}, "0000000000003000"},
		{"first a little more, and then as much", []Set{Network | Users | Again, Network | Users}, "00000000000030e0"},
		{"twice the same", []Set{Network, Network}, "0000000000003000"},
		{"what is gone does not come back", []Set{Network, Network | Users}, "0000000000003000"},
	} {
		said := afterwards(t, c.sets...)
		if said == nil {
			return
		}
		for name, want := range map[string]string{
			"CapInh": "0000000000000000", "CapPrm": c.caps, "CapEff": c.caps, "CapBnd": c.caps, "CapAmb": "0000000000000000", "NoNewPrivs": "1",
			"chroot": "operation not permitted", "packet socket": "<nil>",
		} {
			if said[name] != want {
				t.Errorf("%s: %s is %s, want %s", c.law, name, said[name], want)
			}
		}
	}
}
