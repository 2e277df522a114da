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
// one after the other, and say what it has then; childLimits the one of those to which it limits them before.
const (
	child       = "PRIVILEGES_TEST_CHILD"
	childLimits = "PRIVILEGES_TEST_LIMITS"
)

func TestMain(m *testing.M) {
	if os.Getenv(child)+os.Getenv(childLimits) != "" {
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
	for _, step := range []struct {
		names string
		take  func(Set) error
	}{{childLimits, Limit}, {child, Reduce}} {
		for name := range strings.FieldsSeq(os.Getenv(step.names)) {
			kept, err := strconv.ParseUint(name, 0, 64)
			if err == nil {
				err = step.take(Set(kept))
			}
			if err != nil {
				fmt.Println("error:", err)
				if errors.Is(err, syscall.ENOTSUP) {
					return 3
				}
				return 1
			}
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

// afterwards is the report of a process that has limited its privileges to some sets and reduced them to others, by the
// names of its lines; each thread has said the same.
func afterwards(t *testing.T, limits, sets []Set) map[string]string {
	t.Helper()
	netns.Require(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), child+"="+strings.Trim(fmt.Sprint(sets), "[]"), childLimits+"="+strings.Trim(fmt.Sprint(limits), "[]"))
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

// everything is a bounding set of which nothing was taken.
const everything = ""

func TestAllThreadsKeepWhatADirectorNeedsAndNothingElse(t *testing.T) {
	most := Network | Users
	for _, c := range []struct {
		law          string
		limits, sets []Set
		caps         string // permitted and effective
		bound        string
	}{
		{"the network alone", nil, []Set{Network}, "0000000000003000", "0000000000003000"},
		{"other users too", nil, []Set{most}, "00000000000030e0", "00000000000030e0"},
		{"first a little more", nil, []Set{most | Again, Network}, "0000000000003000", "0000000000003000"},
		{"first a little more, and then as much", nil, []Set{most | Again, most}, "00000000000030e0", "00000000000030e0"},
		{"twice the same", nil, []Set{Network, Network}, "0000000000003000", "0000000000003000"},
		{"what is gone does not come back", nil, []Set{Network, most}, "0000000000003000", "0000000000003000"},
		{"limited, the rest can be taken later", []Set{most}, nil, "00000000000031e0", everything},
		{"limited twice", []Set{most, Network}, nil, "0000000000003100", everything},
		{"what is gone does not come back by a limit", []Set{Network, most}, nil, "0000000000003100", everything},
		{"limited, and reduced later", []Set{most, Network}, []Set{Network}, "0000000000003000", "0000000000003000"},
		{"limited, and reduced to no less", []Set{most}, []Set{most}, "00000000000030e0", "00000000000030e0"},
		{"limited, and reduced to more than that", []Set{Network}, []Set{most}, "0000000000003000", "00000000000030e0"},
	} {
		said := afterwards(t, c.limits, c.sets)
		if said == nil {
			return
		}
		want := map[string]string{
			"CapInh": "0000000000000000", "CapPrm": c.caps, "CapEff": c.caps, "CapBnd": c.bound, "CapAmb": "0000000000000000", "NoNewPrivs": "1",
			"chroot": "operation not permitted", "packet socket": "<nil>",
		}
		if c.bound == everything {
			want["CapBnd"] = boundOf(t)
		}
		for name, want := range want {
			if said[name] != want {
				t.Errorf("%s: %s is %s, want %s", c.law, name, said[name], want)
			}
		}
	}
}

// boundOf is the bounding set of this process.
func boundOf(t *testing.T) string {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(status), "CapBnd:")
	return strings.Fields(after)[0]
}
