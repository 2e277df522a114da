package main_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A director that was started by root keeps the two capabilities it needs, in all of
// its threads, and serves with them: also what a reload brings.
func TestADirectorGivesBackWhatItDoesNotNeed(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	keeps(t, lab, lab.Config(rotating()), "0000000000003000")
}

// Where the file names another user for a command, it keeps what that takes, too.
func TestADirectorKeepsWhatOtherUsersTake(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	keeps(t, lab, programs(lab, "misc_path /bin/true\nuser nobody"), "00000000000030e0")
}

// keeps starts a director and wants it to have these capabilities, and no others.
func keeps(t *testing.T, lab *network, config, caps string) {
	t.Helper()
	p := launch(t, lab, shortDir(t), config)
	await(t, "the rest of the privileges to be given back, which frames do not wait for", func() bool {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
		return err == nil && strings.Contains(string(status), "CapPrm:\t"+caps+"\n")
	})
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", p.Process.Pid, task.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"CapInh:\t0000000000000000\n", "CapPrm:\t" + caps + "\n", "CapEff:\t" + caps + "\n",
			"CapBnd:\t" + caps + "\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("thread %s has not %q:\n%s", task.Name(), want, status)
			}
		}
	}
	get(t, lab, 10)
	p.end(t, unix.SIGTERM)
}
