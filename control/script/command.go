package script

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// A Command is a program to run.
type Command struct {
	// Argv is the program and its arguments. A program without a slash is looked
	// for in PATH.
	Argv []string
	// User and Group, by name or number, own the process; empty: those of this
	// process, and the group of User.
	User, Group string
	// Env is added to the environment of this process, as NAME=VALUE.
	Env []string
	// Timeout is how long it may run; 0: until the context ends. The process group
	// gets SIGTERM then, and SIGKILL when Grace has passed as well, or at once
	// where Grace is 0.
	Timeout, Grace time.Duration
	// MaxOutput is how many bytes of its output are kept; 0: 4096.
	MaxOutput int
	// Secure refuses a program that would run as root and that somebody else can
	// change: see Trusted.
	Secure bool
	// Detached lets processes that the program leaves behind live on. Otherwise
	// they are killed when it ends. In either case nobody reads their output.
	Detached bool
}

// An Outcome is how a program ended.
type Outcome struct {
	// Code is its exit code; -1: a signal has ended it.
	Code int
	// Signal is the number of that signal; 0: there was none.
	Signal int
	// TimedOut says that it was killed, because Timeout or the context was over.
	TimedOut bool
	// Output is the text that it printed, at most MaxOutput bytes, standard output and
	// errors in the order of writing. Cut says that it printed more.
	Output []byte
	Cut    bool
}

const defaultOutput = 4096

// Stuck is how long a program that was killed is waited for.
const Stuck = 2 * time.Second

// Failure says why a program failed, with the first line that it printed; empty: it did
// not.
func (o *Outcome) Failure() string {
	text := ""
	switch {
	case o.TimedOut:
		text = "killed, because it took too long"
	case o.Signal != 0:
		text = fmt.Sprintf("ended by signal %d", o.Signal)
	case o.Code != 0:
		text = fmt.Sprintf("exit code %d", o.Code)
	default:
		return ""
	}
	if line, _, _ := strings.Cut(strings.TrimSpace(string(o.Output)), "\n"); line != "" {
		text += ": " + line
	}
	return text
}

// Errors of Run.
var (
	// ErrEmpty means that a Command names no program.
	ErrEmpty = errors.New("no program is named")
	// ErrInsecure means that Secure refuses a program.
	ErrInsecure = errors.New("it would run as root, and others can change it")
	// ErrStuck means that a program did not end though it was killed: it waits in the
	// kernel, as for a file server that does not answer.
	ErrStuck = errors.New("it was killed and does not end")
)

// environment is that of the process without what is meant for this process alone,
// and then own.
func environment(own []string) []string {
	env := slices.DeleteFunc(os.Environ(), func(s string) bool {
		name, _, _ := strings.Cut(s, "=")
		return slices.Contains([]string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}, name)
	})
	return append(env, own...)
}
