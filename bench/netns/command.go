package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Cmd is an exec.Cmd that starts inside a Host. Set its fields before Start.
// It leads a process group of its own, and its SysProcAttr makes the kernel
// kill it if this program dies; change SysProcAttr for an interactive program.
// The host's Close kills the group and waits.
type Cmd struct {
	*exec.Cmd
	host *Host

	forget func()
	once   sync.Once // guards the only call of exec.Cmd.Wait
	err    error     // its result
}

// Command prepares a program to be run inside the host. When ctx is done it is
// killed. A name without slashes is looked for in PATH.
func (h *Host) Command(ctx context.Context, name string, args ...string) *Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL, Setpgid: true}
	cmd.WaitDelay = time.Second // a grandchild may hold the output open
	c := &Cmd{Cmd: cmd, host: h}
	cmd.Cancel = c.Kill
	return c
}

// Start starts the program, on the host's own thread.
func (c *Cmd) Start() error {
	h := c.host
	h.mu.Lock()
	defer h.mu.Unlock()
	forget, err := h.keepLocked(func() error {
		err := c.Kill()
		if errors.Is(err, os.ErrProcessDone) {
			err = nil
		}
		_ = c.Wait() // its error is that it was killed
		return err
	})
	if err != nil {
		return err
	}
	started := make(chan error)
	h.jobs <- func() { started <- c.Cmd.Start() }
	if err := <-started; err != nil {
		h.closers = h.closers[:len(h.closers)-1]
		return fmt.Errorf("start on %s: %w", h.name, err)
	}
	c.forget = forget
	return nil
}

// Kill ends the process, and its group if it leads one.
func (c *Cmd) Kill() error {
	if c.SysProcAttr != nil && c.SysProcAttr.Setpgid && c.SysProcAttr.Pgid == 0 {
		if unix.Kill(-c.Process.Pid, unix.SIGKILL) == nil {
			return nil // it may be waited for already: then Process knows that it has ended
		}
	}
	return c.Process.Kill()
}

// Wait waits for the program to end, as exec.Cmd.Wait does. It may be called
// more than once and concurrently.
func (c *Cmd) Wait() error {
	if c.Process == nil {
		return errors.New("wait for command: not started")
	}
	c.once.Do(func() {
		c.err = c.Cmd.Wait()
		c.forget()
	})
	return c.err
}

// Run starts the program and waits for it.
func (c *Cmd) Run() error {
	if err := c.Start(); err != nil {
		return err
	}
	return c.Wait()
}

// Output runs the program and returns its standard output.
func (c *Cmd) Output() ([]byte, error) {
	if c.Stdout != nil {
		return nil, errors.New("run command: Stdout already set")
	}
	var out bytes.Buffer
	c.Stdout = &out
	err := c.Run()
	return out.Bytes(), err
}

// CombinedOutput runs the program and returns its standard output and standard
// error.
func (c *Cmd) CombinedOutput() ([]byte, error) {
	if c.Stderr != nil {
		return nil, errors.New("run command: Stderr already set")
	}
	if c.Stdout != nil {
		return nil, errors.New("run command: Stdout already set")
	}
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	return out.Bytes(), err
}
