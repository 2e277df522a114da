package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

func newLabShell() *cobra.Command {
	var spec *labSpec
	cmd := &cobra.Command{
		Use:   "shell [HOST] [-- COMMAND...]",
		Short: "Keep the lab up and open a shell on one of its hosts",
		Long: `shell opens a shell on a host of the lab: client (the default), director, rs1,
rs2, router and so on. The first one builds the lab, of a shape set by flags or by
a file (docs/lab.md), and the lab ends with it; further ones, from within it or
from another terminal, join. With a command after -- that is run instead of a
shell, and its exit code is shell's.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := shellArgs(args, cmd.ArgsLenAtDash())
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			ctx, stop := shellContext(cmd.Context())
			defer stop()
			if !netns.Inside() || os.Getenv(labVariable) != "" {
				code, err := joinLab(req, spec.given())
				if os.Getenv(labVariable) != "" || !errors.Is(err, errNoLab) {
					return exitWith(code, err)
				}
			}
			return inWorld(ctx, func() (err error) {
				s, err := openSite(ctx, spec)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, s.close(ctx)) }()
				return s.hold(ctx, req)
			})
		},
	}
	spec = labFlags(cmd)
	return cmd
}

// shellContext is a context for a lab that is held: Ctrl-C is for what runs in
// the shell.
func shellContext(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM, syscall.SIGHUP)
}

// labVariable is set in the shells of a lab.
const labVariable = "LVSDR_LAB"

// errNoLab says that there is no lab to join.
var errNoLab = errors.New("no lab is running")

func exitWith(code int, err error) error {
	if err != nil {
		return err
	}
	if code != 0 {
		return exitError{code: code}
	}
	return nil
}

// shellArgs reads [HOST] [-- COMMAND...].
func shellArgs(args []string, dash int) (shellRequest, error) {
	req := shellRequest{Host: "client"}
	if dash >= 0 {
		req.Command = args[dash:]
		args = args[:dash]
	}
	switch len(args) {
	case 0:
	case 1:
		req.Host = args[0]
	default:
		return req, fmt.Errorf("more than one host: %s; a command goes after --", strings.Join(args, " "))
	}
	return req, nil
}

// uidVariable tells the user id outside of the world to who is inside, where it
// is 0: both sides must name the same socket.
const uidVariable = "LVSDR_LAB_UID"

// labDir is this user's folder for the socket of a lab that is held.
func labDir() string {
	uid := os.Getenv(uidVariable)
	if uid == "" {
		uid = strconv.Itoa(os.Getuid())
	}
	return filepath.Join(os.TempDir(), "lvsdr-lab-of-"+uid)
}

func labSocket() string { return filepath.Join(labDir(), "shell.sock") }

// hold serves those who join the lab, and ends with the first shell, which req
// asks for.
func (s *labSite) hold(ctx context.Context, req shellRequest) error {
	host, err := findHost(s.Lab, req.Host)
	if err != nil {
		return exitError{usageCode, err}
	}
	l, release, err := listenLab()
	if err != nil {
		return err
	}
	socket := ""
	if s.director != nil {
		socket = s.director.Socket
	}
	var joined sync.WaitGroup
	joined.Go(func() { serveShells(ctx, l, s.Lab, socket) })
	defer joined.Wait()
	defer func() { _ = release() }() // the next lab removes what is left
	defer l.Close()
	if len(req.Command) == 0 {
		fmt.Fprint(os.Stderr, s.Drawing())
		fmt.Fprintf(os.Stderr, "\nA shell on %s; the lab ends with it. More: lvsdr lab shell HOST, here or in another terminal.\n"+
			"Try: curl %s   The director's state: lvsdr status\n\n", host.Name(), s.url)
	}
	return exitWith(runHere(ctx, host, req, socket))
}

// findHost finds a host of the lab by name; client is client1.
func findHost(lab *netlab.Lab, name string) (*netlab.Node, error) {
	var names []string
	for _, n := range lab.Nodes() {
		if n.Name() == name || name == "client" && n == lab.Clients[0] {
			return n, nil
		}
		names = append(names, n.Name())
	}
	return nil, fmt.Errorf("the lab has no host %q; it has %s", name, strings.Join(names, ", "))
}

// ownLabDir fails where the lab's folder is not this user's alone: its place is
// known to all, and whoever has it could pose as a lab.
func ownLabDir() error {
	info, err := os.Lstat(labDir())
	if err != nil {
		return fmt.Errorf("look at the lab's folder: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Getuid() || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a folder that is this user's alone: remove it", labDir())
	}
	return nil
}

// listenLab opens the socket for those who join. release removes it, with its
// folder.
func listenLab() (l net.Listener, release func() error, err error) {
	if err := os.MkdirAll(labDir(), 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	if err := ownLabDir(); err != nil {
		return nil, nil, err
	}
	release, err = netns.HoldDir(labDir())
	if err != nil {
		return nil, nil, fmt.Errorf("hold the lab's folder, which another lab may have: %w", err)
	}
	err = os.Remove(labSocket())
	if err == nil || errors.Is(err, os.ErrNotExist) {
		l, err = net.Listen("unix", labSocket())
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the lab's socket: %w", err), release())
	}
	return l, release, nil
}

// shellCommand is what req asks for, on host.
func shellCommand(ctx context.Context, host *netlab.Node, req shellRequest, socket string) *netns.Cmd {
	argv := req.Command
	if len(argv) == 0 {
		argv = []string{defaultShell()}
	}
	cmd := host.Command(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), labVariable+"="+host.Name(), "PS1="+host.Name()+"$ ")
	if socket != "" {
		cmd.Env = append(cmd.Env, socketVariable+"="+socket)
	}
	if req.Term != "" {
		cmd.Env = append(cmd.Env, "TERM="+req.Term)
	}
	return cmd
}

func defaultShell() string {
	if s := os.Getenv("SHELL"); s != "" {
		return s
	}
	return "/bin/sh"
}

// runHere runs req on this terminal and returns its exit code.
func runHere(ctx context.Context, host *netlab.Node, req shellRequest, socket string) (int, error) {
	cmd := shellCommand(ctx, host, req, socket)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The shell stays in the terminal's session and foreground group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return exitCode(cmd.Run())
}

// exitCode is the exit code that an exec.Cmd's error stands for.
func exitCode(err error) (int, error) {
	if errors.Is(err, exec.ErrWaitDelay) {
		return 0, nil // it ended well, and something that it left behind holds the output
	}
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		if c := exit.ExitCode(); c >= 0 {
			return c, nil
		}
		return 128, nil // by a signal
	}
	return 0, err
}
