package netns

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// marker is the environment variable that tells a process it is inside a
// world. Its value is the network namespace the world was entered from, so
// that a variable that leaked to a process outside is not believed.
const marker = "LVSDR_NETNS_WORLD"

// Namespaces of a world. The process-id namespace makes the kernel end
// everything in the world together with its first process.
const worldFlags = unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID

// killDelay is how long a world may take to end after ctx is done.
const killDelay = 5 * time.Second

// Inside reports whether the process is in a world.
func Inside() bool {
	from := os.Getenv(marker)
	if from == "" {
		return false
	}
	here, err := os.Readlink("/proc/self/ns/net")
	return err == nil && here != from
}

// Claim makes the network that the process is in a world: that of a virtual machine, which
// is the caller's alone. The caller has all privileges in it. Settle is still to be called.
func Claim() error { return os.Setenv(marker, "a machine of its own") }

// Reexec runs the program once more, with the same arguments, environment and
// standard files, as the first process of a new world, and returns its exit
// code when it has ended: 128+n after signal n. It is for a process that is
// not Inside; the new one is, and should call Settle unless it uses Build or
// RunTests, which do.
//
// In the world the caller's user and group are 0 and no other ids exist. Where
// user namespaces are refused, a world without one is tried, which needs
// CAP_SYS_ADMIN; when that is refused too, the error wraps ErrRefused and says
// which privilege is missing and how to get it.
//
// SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on; those that a terminal
// sends to the whole foreground process group (SIGINT, SIGQUIT) are not passed
// on a second time. When ctx is done the world gets SIGTERM and, five seconds
// later, SIGKILL; the error is then that of ctx. When the caller dies, the
// world is killed at once (PR_SET_PDEATHSIG).
func Reexec(ctx context.Context) (exitCode int, err error) { return reexec(ctx, true) }

// ReexecPrivileged is Reexec, but tries a world without a user namespace first:
// where the caller has CAP_SYS_ADMIN, what runs in the world may ask of the
// kernel what it may ask outside, such as socket buffers beyond the system's
// limits. For measurements.
func ReexecPrivileged(ctx context.Context) (exitCode int, err error) { return reexec(ctx, false) }

func reexec(ctx context.Context, user bool) (exitCode int, err error) {
	if Inside() {
		return 0, errors.New("enter lab world: already inside one")
	}
	home, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return 0, fmt.Errorf("enter lab world: %w", err)
	}
	// The death signal is sent when the thread that started the child ends,
	// so this goroutine keeps its thread until then.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT)
	defer signal.Stop(signals)

	cmd := worldCommand(ctx, home, user)
	first := cmd.Start()
	if isRefusal(first) {
		cmd = worldCommand(ctx, home, !user)
		if second := cmd.Start(); isRefusal(second) {
			if !user {
				first, second = second, first
			}
			return 0, refusal(first, second, readKernelSetting)
		} else if second != nil {
			return 0, fmt.Errorf("enter lab world: %w", second)
		}
	} else if first != nil {
		return 0, fmt.Errorf("enter lab world: %w", first)
	}
	ended := make(chan struct{})
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		relay(cmd.Process, signals, ended)
	}()
	err = cmd.Wait()
	close(ended)
	<-relayed
	return exitStatus(ctx, cmd, err)
}

// worldCommand is the program itself, to be started in a new world.
func worldCommand(ctx context.Context, home string, user bool) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = os.Args
	cmd.Env = append(os.Environ(), marker+"="+home)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = killDelay
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: worldFlags, Pdeathsig: unix.SIGKILL}
	if user {
		attr := cmd.SysProcAttr
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		attr.GidMappingsEnableSetgroups = false // an unprivileged user may not map groups otherwise
	}
	return cmd
}

// relay passes signals on to p until ended is closed.
func relay(p *os.Process, signals <-chan os.Signal, ended <-chan struct{}) {
	for {
		select {
		case <-ended:
			return
		case s := <-signals:
			if (s == unix.SIGINT || s == unix.SIGQUIT) && inForeground() {
				continue // the terminal sent it to the child as well
			}
			_ = p.Signal(s) // it may have ended meanwhile
		}
	}
}

// inForeground reports whether the process belongs to the foreground process
// group of its controlling terminal.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// exitStatus turns the result of cmd.Wait into an exit code.
func exitStatus(ctx context.Context, cmd *exec.Cmd, err error) (int, error) {
	if err != nil && ctx.Err() != nil {
		return 0, fmt.Errorf("lab world: %w", ctx.Err())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("wait for lab world: %w", err)
	}
	if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal()), nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// Settle finishes a world from the inside: mounts made from now on stay
// private, /proc shows the processes of the world, and the loopback interface
// is up. It may be called more than once, and must not be called outside a
// world.
//
// The first process of a world has id 1, so it inherits orphans; those it does
// not wait for stay as zombies until the world ends.
//
// A container may forbid to mount /proc anew. The world works without it;
// only /proc/PID then does not name the process with that os.Getpid, so use
// /proc/self and /proc/thread-self.
func Settle() error {
	if !Inside() {
		return errors.New("settle lab world: not inside one")
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("settle lab world: make mounts private: %w", err)
	}
	if self, err := os.Readlink("/proc/self"); err == nil && self != strconv.Itoa(os.Getpid()) {
		err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
		if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
			return fmt.Errorf("settle lab world: mount /proc: %w", err)
		}
	}
	nl, err := newNetlink()
	if err != nil {
		return fmt.Errorf("settle lab world: %w", err)
	}
	defer nl.Close()
	if err := setUp(nl, "lo"); err != nil {
		return fmt.Errorf("settle lab world: %w", err)
	}
	return nil
}
