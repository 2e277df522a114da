package ladder

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Conditions describe the machine and build, without which numbers mean nothing.
type Conditions struct {
	CPU     string `json:"cpu"` // model
	CPUs    int    `json:"cpus"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	Commit  string `json:"commit"` // with "+" if the tree was changed
	Command string `json:"command"`
	Runs    int    `json:"runs"`
	Batch   int    `json:"batch"`
	// Load is the number of tasks that ran or wanted to, the mean over the
	// minute before the run and the last one of it (proc_loadavg(5)). The run
	// itself is one.
	LoadBefore string    `json:"load_before"`
	LoadAfter  string    `json:"load_after"`
	Began      time.Time `json:"began"`
	Took       float64   `json:"took"` // seconds
}

// conditions are those at the beginning of a run.
func conditions(o *Options) Conditions {
	return Conditions{CPU: cpuModel(), CPUs: runtime.NumCPU(), Kernel: kernel(), Go: runtime.Version(), Commit: commit(),
		Command: strings.Join(append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...), " "), Runs: o.Runs, Batch: o.Batch, LoadBefore: load(), Began: time.Now().UTC().Truncate(time.Second)}
}

// end notes what is known when all was measured.
func (c *Conditions) end() {
	c.LoadAfter = load()
	c.Took = time.Since(c.Began).Seconds()
}

// lines are the conditions as text, a name and a value each.
func (c *Conditions) lines() [][2]string {
	return [][2]string{
		{"CPU", fmt.Sprintf("%s, %d CPUs", c.CPU, c.CPUs)},
		{"kernel", c.Kernel},
		{"Go", c.Go},
		{"commit", c.Commit},
		{"command", c.Command},
		{"began", fmt.Sprintf("%s, took %s", c.Began.Format(time.RFC3339), time.Duration(c.Took*1e9).Round(time.Second))},
		{"load", fmt.Sprintf("%s before, %s after (one minute's mean)", c.LoadBefore, c.LoadAfter)},
		{"turns", fmt.Sprintf("%d of each candidate, in alternation; batches of %d", c.Runs, c.Batch)},
	}
}

const unknown = "unknown"

// cpuModel is the first one of /proc/cpuinfo.
func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return unknown
	}
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return unknown
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return unknown
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// commit returns the revision that the go command recorded in the program.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return unknown
	}
	c, changed := unknown, ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			c = s.Value[:min(len(s.Value), 12)]
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	return c + changed
}

// load is the first number of /proc/loadavg.
func load() string {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return unknown
	}
	first, _, _ := strings.Cut(string(b), " ")
	return first
}
