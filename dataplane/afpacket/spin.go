package afpacket

// A spinner decides whether to watch an empty ring before a sleep. It goes by
// two rules.
//
// Frames must come while it watches: after k misses in a row the next 2^k - 1
// chances are let go, k at most maxMisses. A NIC that waits for rare frames watches
// for one in 64 of them.
//
// And, unless it is fixed, watching must earn something. In an exchange of requests
// and answers each frame is answered sooner, so that the next one comes sooner: there
// are more frames in a second than without. Frames that come anyway are no more for
// being watched, and cost a whole CPU. Which of both it is shows a trial: for
// trialChances it does the other thing than before, and compares.
//
//	      the trial brought no gain, or was no loss
//	    ┌──────────────────────────────────────────┐
//	    ▼                                          │
//	sleeping ──wait──▶ trial of watching ──gain──▶ watching ──wait──▶ trial of sleeping
//	    ▲                    │                       ▲                       │
//	    └──────no gain───────┘                       └─────────loss──────────┘
//
// The wait doubles with each trial that confirms what was known. The spinner reads no
// clock; the zero value begins with sleeping, and a trial soon.
type spinner struct {
	fixed        bool // watching is not tried, it is right
	misses, skip uint8
	grace        uint8 // misses that do not count

	watching bool    // it is known to earn something
	trial    bool    // this epoch does the other thing
	chances  int     // of the epoch, so far
	frames   uint64  // received before the epoch
	since    int64   // when the epoch began, ns
	rate     float64 // frames per ns in the last epoch that was no trial
	wait     int     // epochs until the next trial
	patience int     // the last wait
}

const (
	maxMisses = 6
	// epochChances are as many as make a rate of frames that come at random exact
	// to 6 %; trialChances are fewer, so that the slow answers of a trial of sleeping
	// are less than one in a hundred.
	epochChances = 256
	trialChances = 64
	// grace is how many misses count for nothing after a change between watching and
	// sleeping: the first frames may come late, because client and server have slept as
	// long as the worker.
	grace       = 8
	maxPatience = 32 // epochs
	// gain is how many times as many frames watching must bring.
	gain = 1.2
)

// due reports whether an epoch is over, and next must be called. It counts a chance.
func (s *spinner) due() bool {
	s.chances++
	return !s.fixed && (s.chances > epochChances || s.trial && s.chances > trialChances)
}

// next begins an epoch at now, in nanoseconds, when so many frames were received.
func (s *spinner) next(now int64, frames uint64) {
	rate := float64(frames-s.frames) / float64(max(now-s.since, 1))
	s.chances, s.frames, s.since = 1, frames, now
	switch {
	case s.trial:
		s.trial, s.misses, s.skip, s.grace = false, 0, 0, grace
		s.judge(rate)
	case s.wait > 0:
		s.wait--
		s.rate = rate
	default:
		s.rate, s.trial, s.misses, s.skip, s.grace = rate, true, 0, 0, grace
	}
}

// judge says what a trial with that rate has shown.
func (s *spinner) judge(rate float64) {
	with, without := rate, s.rate
	if s.watching {
		with, without = without, with
	}
	if pays := with > gain*without; pays != s.watching {
		s.watching, s.patience = pays, 1
	} else {
		s.patience = min(max(2*s.patience, 2), maxPatience)
	}
	s.wait = s.patience
}

// want decides whether to watch now. If so, done must be called.
func (s *spinner) want() bool {
	if !s.fixed && s.watching == s.trial {
		return false
	}
	if s.skip > 0 {
		s.skip--
		return false
	}
	return true
}

// done says whether a frame came while watching.
func (s *spinner) done(hit bool) {
	if hit {
		s.misses = 0
		return
	}
	if s.grace > 0 {
		s.grace--
		return
	}
	s.misses = min(s.misses+1, maxMisses)
	s.skip = 1<<s.misses - 1
}
