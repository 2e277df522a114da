package syncnet

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

// When a backup asks.
const (
	askEvery  = time.Second      // until there is one to ask, or one answers
	askAtMost = 30 * time.Second // between two attempts that fail
	// listenFor is how long a backup listens for a director that gives its table until it takes
	// it that there is none. Such a director says hello once a second.
	listenFor    = 5 * time.Second
	compareEvery = 30 * time.Second
)

// A Join says how a backup got the table of another director.
type Join struct {
	State   string    `json:"state"` // "waiting", "running", "done" or "failed"
	Peer    string    `json:"peer"`
	Time    time.Time `json:"time,omitzero"` // when it ended
	Entries int       `json:"entries"`
	Seconds float64   `json:"seconds"`
	Error   string    `json:"error,omitempty"`
	Taken
}

// A Digest says whether two directors agree.
type Digest struct {
	State   string    `json:"state"` // "unknown", "agreed" or "differs"
	Peer    string    `json:"peer"`
	Time    time.Time `json:"time,omitzero"`
	Entries int       `json:"entries"` // that were compared, here
	// Differ are the entries that only one of both had, and has had for a while.
	Differ int    `json:"differ"`
	Error  string `json:"error,omitempty"`
}

// The states of a Join and a Digest.
const (
	Waiting = "waiting"
	Running = "running"
	Done    = "done"
	Failed  = "failed"
	Unknown = "unknown"
	Agreed  = "agreed"
	Differs = "differs"
)

// A joiner asks for the table when a backup starts, and compares from then on.
type joiner struct {
	asker
	wall  func() time.Time
	peers []netip.AddrPort // to be asked; none: those that are heard
	// fetched is called once when the table is here, or there is nobody to ask; nil: never.
	fetched func()

	mu     sync.Mutex // guards what follows
	heard  []string   // the last one first
	join   Join
	digest Digest
}

// hear takes note of a master.
func (j *joiner) hear(p peer) {
	at := net.JoinHostPort(p.addr.String(), strconv.Itoa(int(p.port)))
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, known := range j.heard {
		if known == at {
			j.heard = append(j.heard[:i], j.heard[i+1:]...)
			break
		}
	}
	j.heard = append([]string{at}, j.heard[:min(len(j.heard), maxPeers)]...)
}

// targets are the directors to ask, in this order.
func (j *joiner) targets() (all []string) {
	for _, p := range j.peers {
		all = append(all, p.String())
	}
	if len(all) > 0 {
		return all
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return append(all, j.heard...)
}

// run asks until ctx ends.
func (j *joiner) run(ctx context.Context) {
	tell := sync.OnceFunc(func() {
		if j.fetched != nil {
			j.fetched()
		}
	})
	began, wait := j.wall(), askEvery
	for !j.joined() {
		if rest(ctx, wait) != nil {
			return
		}
		if wait = askEvery; j.askAll(ctx) {
			wait = askAtMost / 3
		}
		if len(j.targets()) == 0 && j.wall().Sub(began) >= listenFor {
			tell()
		}
	}
	tell()
	var before map[uint64]bool
	for rest(ctx, compareEvery) == nil {
		before = j.compareAny(ctx, before)
	}
}

func (j *joiner) joined() bool { return j.joining().State == Done }

// joining is how it stands.
func (j *joiner) joining() Join {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.join
}

func (j *joiner) set(n Join) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.join = n
}

// askAll asks one director after the other until one gives its table. It reports whether
// all have failed that there are.
func (j *joiner) askAll(ctx context.Context) (failed bool) {
	for _, to := range j.targets() {
		began := j.wall()
		j.set(Join{State: Running, Peer: to})
		n, taken, err := j.table(ctx, to)
		out := Join{State: Done, Peer: to, Time: j.wall(), Entries: n, Seconds: j.wall().Sub(began).Seconds(), Taken: taken}
		if err != nil {
			out.State, out.Error, failed = Failed, err.Error(), true
		}
		j.set(out)
		if err == nil {
			return false
		}
	}
	return failed
}

// compareAny compares with the first director that answers. before are the entries that
// differed the last time: those that differ again are counted, others may be under way.
func (j *joiner) compareAny(ctx context.Context, before map[uint64]bool) map[uint64]bool {
	out := Digest{State: Unknown, Time: j.wall()}
	var differ map[uint64]bool
	for _, to := range j.targets() {
		var err error
		out.Peer = to
		if differ, out.Entries, err = j.compare(ctx, to); err != nil {
			out.Error = err.Error()
			continue
		}
		out.Error, out.State = "", Agreed
		for range both(differ, before) {
			out.State = Differs
			out.Differ++
		}
		break
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.digest = out
	return differ
}

// compared is the outcome of the last comparison.
func (j *joiner) compared() Digest {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.digest
}
