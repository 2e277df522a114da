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
	p := launch(t, lab, shortDir(t), lab.Config(rotating()))
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", p.Process.Pid, task.Name()))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000003000\n", "CapEff:\t0000000000003000\n",
			"CapBnd:\t0000000000003000\n", "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("thread %s has not %q:\n%s", task.Name(), want, status)
			}
		}
	}
	get(t, lab, 10)
	p.end(t, unix.SIGTERM)
}
