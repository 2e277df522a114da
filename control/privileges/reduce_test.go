package privileges

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// child is the variable that makes the test's program reduce its privileges and say
// what it has then.
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
	if err := Reduce(); err != nil {
		fmt.Println("error:", err)
		if errors.Is(err, syscall.ENOTSUP) {
			return 3
		}
		return 1
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
	_, _, errno := syscall.RawSyscall(unix.SYS_CHROOT, uintptr(0), 0, 0) // of what was given back
	fmt.Println("chroot:", errno)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0) // of what was kept
	fmt.Println("packet socket:", err)
	_ = unix.Close(fd)
	return 0
}

func TestAllThreadsKeepWhatADirectorNeedsAndNothingElse(t *testing.T) {
	netns.Require(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() == 3 {
		t.Log("a program with cgo, such as one of the race detector, keeps its privileges")
		return
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	threads := 0
	for s := bufio.NewScanner(strings.NewReader(string(out))); s.Scan(); {
		name, value, _ := strings.Cut(s.Text(), ":")
		want := map[string]string{
			"CapInh": "0000000000000000", "CapPrm": "0000000000003000", "CapEff": "0000000000003000",
			"CapBnd": "0000000000003000", "CapAmb": "0000000000000000", "NoNewPrivs": "1",
			"chroot": "operation not permitted", "packet socket": "<nil>",
		}[name]
		if got := strings.TrimSpace(value); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
		if name == "CapEff" {
			threads++
		}
	}
	if threads < 2 {
		t.Errorf("%d threads were looked at:\n%s", threads, out)
	}
}
