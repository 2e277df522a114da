package script

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// drain is the time for the output of processes that were left behind.
const drain = 100 * time.Millisecond

// Run runs c and waits for its end, for at most its Timeout, its Grace and Stuck.
// The error says that it could not be started, or ErrStuck; how it ended is no error.
func Run(ctx context.Context, c Command) (Outcome, error) {
	cmd, err := prepare(c)
	if err != nil {
		return Outcome{}, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return Outcome{}, fmt.Errorf("make a pipe for the output: %w", err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return Outcome{}, fmt.Errorf("start: %w", err)
	}
	out := collect(r, c.MaxOutput)
	p := process{cmd: cmd, ended: make(chan struct{})}
	go p.watch()
	o, err := p.wait(ctx, &c)
	_ = r.SetReadDeadline(time.Now().Add(drain)) // a pipe has deadlines
	kept := <-out
	o.Output, o.Cut = kept.text, kept.cut
	return o, err
}

// prepare is c as it is to be started.
func prepare(c Command) (*exec.Cmd, error) {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return nil, ErrEmpty
	}
	who, err := c.credential()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(c.Argv[0], c.Argv[1:]...)
	if cmd.Err != nil {
		return nil, cmd.Err
	}
	if c.Secure && (who == nil && os.Geteuid() == 0 || who != nil && who.Uid == 0) {
		if err := Trusted(cmd.Path); err != nil {
			return nil, err
		}
	}
	cmd.Env = environment(c.Env)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: who}
	return cmd, nil
}

// A process is a program that runs.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it has; its number stays its own until it is reaped
}

// watch closes ended at the end of the program, without reaping it.
func (p *process) watch() {
	defer close(p.ended)
	for {
		if err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); !errors.Is(err, unix.EINTR) {
			return
		}
	}
}

// wait waits for the end of the program, or makes one.
func (p *process) wait(ctx context.Context, c *Command) (Outcome, error) {
	var o Outcome
	if c.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, c.Timeout)
		defer cancel()
		ctx = limited
	}
	select {
	case <-p.ended:
	case <-ctx.Done():
		o.TimedOut = true
		if c.Grace > 0 {
			p.signal(unix.SIGTERM)
			p.within(c.Grace)
		}
		p.signal(unix.SIGKILL)
		if !p.within(Stuck) {
			go func() { _ = p.cmd.Wait() }() // whenever that is
			o.Code = -1
			return o, ErrStuck
		}
	}
	if !c.Detached {
		p.signal(unix.SIGKILL)
	}
	_ = p.cmd.Wait() // the state says it
	o.Code = p.cmd.ProcessState.ExitCode()
	if st, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && st.Signaled() {
		o.Signal = int(st.Signal())
	}
	return o, nil
}

// within waits for the end of the program, for d at most.
func (p *process) within(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.ended:
		return true
	case <-t.C:
		return false
	}
}

// signal sends sig to the process group. There may be nobody left in it.
func (p *process) signal(sig syscall.Signal) { _ = unix.Kill(-p.cmd.Process.Pid, sig) }

// An output is the part of the output of a program that was kept.
type output struct {
	text []byte
	cut  bool
}

// collect reads r to its end, or to its deadline, and closes it. It keeps the first
// room bytes.
func collect(r *os.File, room int) <-chan output {
	if room <= 0 {
		room = defaultOutput
	}
	done := make(chan output, 1)
	go func() {
		defer r.Close()
		var o output
		buf := make([]byte, 4096)
		for {
			n, err := r.Read(buf)
			take := min(n, room-len(o.text))
			o.text = append(o.text, buf[:take]...)
			o.cut = o.cut || take < n
			if err != nil {
				done <- o
				return
			}
		}
	}()
	return done
}
