package shell

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// hostVariable is set in the shells of a lab.
const hostVariable = "LVSDR_LAB"

// Inside reports whether this program runs in a shell of a lab.
func Inside() bool { return os.Getenv(hostVariable) != "" }

// Context is a context for Hold: Ctrl-C is for what runs in the shell.
func Context(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.WithoutCancel(ctx), syscall.SIGTERM, syscall.SIGHUP)
}

// A holder is a lab that is held.
type holder struct {
	site *netlab.Site
	env  func(*netlab.Node) []string // of the shells on a host, beside this program's
}

// Hold runs req on a host of the lab, on this terminal, serves calls of Join
// meanwhile, and returns req's exit code. The shells on a
// host get env of it beside this program's environment. A host that there is not is a netlab.UsageError.
func Hold(ctx context.Context, site *netlab.Site, req Request, env func(*netlab.Node) []string) (int, error) {
	host, err := findHost(site.Lab, req.Host)
	if err != nil {
		return 0, netlab.UsageError{Err: err}
	}
	l, release, err := listen()
	if err != nil {
		return 0, err
	}
	h := &holder{site, env}
	var joined sync.WaitGroup
	joined.Go(func() { h.serveAll(ctx, l) })
	defer joined.Wait()
	defer func() { _ = release() }() // the next lab removes what is left
	defer l.Close()
	if len(req.Command) == 0 {
		fmt.Fprint(os.Stderr, site.Drawing())
		fmt.Fprintf(os.Stderr, "\nA shell on %s; the lab ends with it. More: lvsdr lab shell HOST, here or in another terminal.\n"+
			"Try: curl %s   The director's state: lvsdr status\n\n", host.Name(), site.URL)
	}
	return h.runHere(ctx, host, req)
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

// command returns the command that req asks for, on host.
func (h *holder) command(ctx context.Context, host *netlab.Node, req Request) *netns.Cmd {
	argv := req.Command
	if len(argv) == 0 {
		argv = []string{defaultShell()}
	}
	cmd := host.Command(ctx, argv[0], argv[1:]...)
	prompt := host.Name() + "$ "
	// bash takes PS1 from its own files, and runs PROMPT_COMMAND after them.
	cmd.Env = append(os.Environ(), hostVariable+"="+host.Name(), "PS1="+prompt, "PROMPT_COMMAND=PS1='"+prompt+"'")
	cmd.Env = append(cmd.Env, h.env(host)...)
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
func (h *holder) runHere(ctx context.Context, host *netlab.Node, req Request) (int, error) {
	if len(req.Command) == 0 && term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd())) {
		return h.runOnTerminal(ctx, req)
	}
	cmd := h.command(ctx, host, req)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The shell stays in the terminal's session and foreground group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	return exitCode(cmd.Run())
}

// runOnTerminal runs a shell on a terminal of its own, as Join does. The process group
// that has this terminal is of another PID namespace, so that a shell here could not
// give the terminal back: dash says "Cannot set tty process group" when it ends.
func (h *holder) runOnTerminal(ctx context.Context, req Request) (int, error) {
	here, there := net.Pipe()
	var serving sync.WaitGroup
	serving.Go(func() { h.serveConn(ctx, there) })
	defer serving.Wait()
	defer here.Close()
	return attach(here, req)
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
