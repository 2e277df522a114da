package netns

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// alone is the environment variable with the name of the one test that a process runs for
// Alone.
const alone = "LVSDR_NETNS_ALONE"

// A LoneT is a *testing.T.
type LoneT interface {
	T
	Context() context.Context
	Deadline() (time.Time, bool)
	Name() string
	Parallel()
}

// Alone lets tests whose labs are made of the process's network (Here) run at a time: the test,
// or the subtest, runs in a process with a network of its own, in parallel with other tests. Alone reports true
// there. Where it reports false it has run that process and told the test how it ended, and the
// test returns:
//
//	if !netns.Alone(t) {
//		return
//	}
//
// Where a process of its own would hide something, the test stays in this one: measured
// coverage, profiles, and the choice of a subtest.
func Alone(t LoneT) bool {
	t.Helper()
	Require(t)
	if os.Getenv(alone) == t.Name() || together() {
		return true
	}
	t.Parallel()
	only := "^" + strings.ReplaceAll(regexp.QuoteMeta(t.Name()), "/", "$/^") + "$"
	args := []string{"-test.run=" + only, "-test.v"}
	if flag.Lookup("test.short").Value.String() == "true" {
		args = append(args, "-test.short")
	}
	if end, ok := t.Deadline(); ok { // it ends first and says where it stood
		args = append(args, fmt.Sprint("-test.timeout=", time.Until(end)*9/10))
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), alone+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	out, err := cmd.CombinedOutput()
	switch {
	case strings.Contains(string(out), "--- SKIP: "):
		t.Skipf("in a process of its own:\n%s", out)
	case err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()+" ("):
		t.Errorf("in a process of its own: %v\n%s", err, out)
	}
	return false
}

// together reports whether the command line of the tests asks for what needs all of them in
// one process.
func together() bool {
	for _, name := range []string{"test.coverprofile", "test.gocoverdir", "test.cpuprofile", "test.memprofile", "test.blockprofile", "test.mutexprofile", "test.trace"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return true
		}
	}
	return strings.Contains(flag.Lookup("test.run").Value.String(), "/")
}
