package main

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"lvsdr/control"
	"lvsdr/control/logqueue"
	"lvsdr/control/privileges"
	"lvsdr/control/supervise"
)

// farewellPatience is how long the end waits for the reader of the log.
const farewellPatience = time.Second

// logger makes the log. What is logged is written beside the director, which
// never waits for its reader; flush writes what is left at the end.
func (f *runFlags) logger(w io.Writer) (log *slog.Logger, flush func(), err error) {
	var handler func(io.Writer) slog.Handler
	switch o := (&slog.HandlerOptions{Level: f.logLevel}); f.logFormat {
	case "text":
		handler = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, o) }
	case "json":
		handler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, o) }
	default:
		return nil, nil, exitError{usageCode, fmt.Errorf("--log-format %q: not text or json", f.logFormat)}
	}
	// A reader that has gone is no reason to end: writing fails then instead.
	signal.Ignore(syscall.SIGPIPE)
	q := logqueue.New(logqueue.Config{To: w, Lost: func(lines uint64) []byte {
		var b bytes.Buffer
		slog.New(handler(&b)).Error("lines of this log are lost: it was not read", "lines", lines)
		return b.Bytes()
	}})
	return slog.New(handler(q)), func() { q.Close(farewellPatience) }, nil
}

// privileges are those that a director needs for good.
func (f *runFlags) privileges() privileges.Set {
	if control.Offload(f.offload) == control.NoOffload {
		return privileges.Network
	}
	return privileges.Network | privileges.Programs
}

// giveBack gives privileges back, but those needed, and those to run commands as other users where users says
// that there are such. rest has the bounding set follow.
func giveBack(log *slog.Logger, needed privileges.Set) func(users bool) (rest func()) {
	return func(users bool) (rest func()) {
		kept := needed
		if users {
			kept |= privileges.Users
		}
		_ = privileges.Limit(kept) // if it fails, the one that follows does, too
		return func() {
			if err := privileges.Reduce(kept); err != nil {
				log.Info("the director keeps privileges that it does not need; one built with CGO_ENABLED=0 gives them back", "error", err)
			}
		}
	}
}

// hangups passes SIGHUPs on, several that come at once as one, until stop.
func hangups() (reload <-chan struct{}, stop func()) {
	out := make(chan struct{}, 1)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		for range hup {
			select {
			case out <- struct{}{}:
			default: // one is waiting already
			}
		}
	}()
	return out, func() {
		signal.Stop(hup) // first: signals are sent to the channel until then
		close(hup)
	}
}

// notifier tells systemd, where it has started us. What cannot be told is logged, once
// for each reason.
func notifier(log *slog.Logger) func(string) {
	n, err := supervise.New(os.Getenv("NOTIFY_SOCKET"))
	var last string
	complain := func(err error) {
		if err != nil && err.Error() != last {
			last = err.Error()
			log.Warn("the service manager is not told how the director is", "error", err)
		}
	}
	complain(err)
	var mu sync.Mutex
	return func(state string) {
		if state == daemon.SdNotifyReloading { // Type=notify-reload wants to know when (sd_notify(3))
			state += "\n" + daemon.SdNotifyMonotonicUsec()
		}
		err := n.Send(state)
		mu.Lock()
		defer mu.Unlock()
		complain(err)
	}
}

// watchdog is the time within which systemd must hear from us again and again; 0: it
// need not.
func watchdog(log *slog.Logger) time.Duration {
	every, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the service manager's watchdog is not fed", "error", err)
	}
	return every
}
