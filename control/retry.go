package control

import (
	"fmt"
	"log/slog"
	"time"
)

// maxRetry is the longest time between two attempts at an actor that fails.
const maxRetry = time.Minute

// A part is an actor as the loop sees it: whether it has been told its wish, and
// if it failed, when it is told again.
//
//	settled ──the wish changes──▶ due ──the call succeeds──▶ settled
//	                               │ ▲
//	                     it fails  ▼ │ after 1, 2, 4 ... 60 s, or the wish changes
//	                              failed
type part struct {
	name string // as the log has it
	log  *slog.Logger
	// remedy tells an operator how to avoid the wait; "": there is no way.
	remedy string
	due    bool // not told its wish yet
	err    error
	tries  int           // that failed, one after the other
	at     time.Duration // of the next one, if err is not nil
}

// want says that the wish has changed: the part is told at once.
func (p *part) want() { p.due, p.at = true, 0 }

// ready reports whether the part is to be told its wish now.
func (p *part) ready(now time.Duration) bool { return p.due && now >= p.at }

// done takes the outcome of telling it. A failure is logged once for each
// distinct error.
func (p *part) done(err error, now time.Duration) {
	if err == nil {
		if p.err != nil {
			p.log.Info(p.name + ": works again")
		}
		p.due, p.err, p.tries, p.at = false, nil, 0, 0
		return
	}
	wait := min(time.Second<<min(p.tries, 6), maxRetry)
	if p.err == nil || p.err.Error() != err.Error() {
		attrs := []any{"error", err, "next", "tried again in " + wait.String()}
		if p.remedy != "" {
			attrs = append(attrs, "remedy", p.remedy)
		}
		p.log.Error(p.name+": failed", attrs...)
	}
	p.due, p.err, p.at = true, err, now+wait
	p.tries++
}

// problem is why the part fails, for people; "": it does not.
func (p *part) problem() string {
	if p.err == nil {
		return ""
	}
	return fmt.Sprintf("%s: %v (tried again by itself)", p.name, p.err)
}

// next is when the part is to be told again because it failed.
func (p *part) next() (time.Duration, bool) { return p.at, p.due && p.err != nil }
