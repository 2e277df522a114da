package track

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lvsdr/control/vrrp"
)

// A Process is a program of which enough processes have to run.
type Process struct {
	Name string
	// Path is the program. Without Args and Full its last element is compared with the names
	// of processes, which have 15 bytes at most; else the whole of it with the first
	// argument.
	Path string
	Full bool
	// HasArgs compares the arguments with Args. Partial says that there may be more, Initial
	// that the last one may be longer too.
	HasArgs          bool
	Args             []string
	Partial, Initial bool
	// Quorum is how many must run, at least 1; Most how many may, 0: any.
	Quorum, Most int
	// UpDelay and DownDelay are how long there must be enough, or not, until it is up, or
	// down.
	UpDelay, DownDelay time.Duration
}

// A Running is a process of this host.
type Running struct {
	Comm string   // its name, 15 bytes at most
	Args []string // with the program; none of a thread of the kernel
}

// commLength is the length of names of processes (TASK_COMM_LEN - 1).
const commLength = 15

// matches reports whether p is one of s.
func (s *Process) matches(p *Running) bool {
	if !s.Full && !s.HasArgs {
		name := path.Base(s.Path)
		return p.Comm == name[:min(len(name), commLength)]
	}
	if len(p.Args) == 0 || p.Args[0] != s.Path {
		return false
	}
	args := p.Args[1:]
	switch {
	case !s.HasArgs:
		return true
	case s.Initial && len(s.Args) > 0:
		last := len(s.Args) - 1
		return len(args) > last && slices.Equal(args[:last], s.Args[:last]) && strings.HasPrefix(args[last], s.Args[last])
	case s.Partial || s.Initial:
		return len(args) >= len(s.Args) && slices.Equal(args[:len(s.Args)], s.Args)
	}
	return slices.Equal(args, s.Args)
}

// enough reports whether there are as many of s among all as it needs.
func (s *Process) enough(all []Running) bool {
	n := 0
	for i := range all {
		if s.matches(&all[i]) {
			n++
		}
	}
	return n >= max(s.Quorum, 1) && (s.Most == 0 || n <= s.Most)
}

// A delayed is a state that follows another one when that has lasted.
type delayed struct {
	known, up bool
	against   time.Time // since when the opposite is so; zero: it is not
}

// look takes what is so at now, and reports the state.
func (d *delayed) look(s *Process, enough bool, now time.Time) bool {
	switch {
	case !d.known:
		d.known, d.up = true, enough
	case enough == d.up:
		d.against = time.Time{}
	default:
		if d.against.IsZero() {
			d.against = now
		}
		wait := s.UpDelay
		if d.up {
			wait = s.DownDelay
		}
		if now.Sub(d.against) >= wait {
			d.up, d.against = enough, time.Time{}
		}
	}
	return d.up
}

// process looks for s until ctx ends.
func (r *Runner) process(ctx context.Context, j *job, t vrrp.Tracker, s *Process) {
	var d delayed
	for {
		if all, err := r.c.Scan(); err == nil { // else nothing is known
			r.report(j, vrrp.Tracked{Tracker: t, Up: d.look(s, s.enough(all), time.Now())})
		}
		if !sleep(ctx, r.c.Every) {
			return
		}
	}
}

// scan reads the processes of this host in /proc. One that ends meanwhile is left out.
func scan() ([]Running, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close() // it was only read
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var all []Running
	for _, pid := range names {
		if _, err := strconv.Atoi(pid); err != nil {
			continue
		}
		comm, err := os.ReadFile(filepath.Join("/proc", pid, "comm"))
		if err != nil {
			continue
		}
		p := Running{Comm: strings.TrimSuffix(string(comm), "\n")}
		if line, err := os.ReadFile(filepath.Join("/proc", pid, "cmdline")); err == nil && len(line) > 0 {
			for _, a := range bytes.Split(bytes.TrimSuffix(line, []byte{0}), []byte{0}) {
				p.Args = append(p.Args, string(a))
			}
		}
		all = append(all, p)
	}
	return all, nil
}
