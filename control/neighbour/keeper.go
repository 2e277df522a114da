package neighbour

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"time"

	"lvsdr/dataplane/frame"
)

// The times of a keeper.
const (
	spacing   = time.Millisecond      // between two calls about one place, and between any two in the long run
	burst     = 64 * time.Millisecond // what may be made up for of the latter: 64 calls
	doubtMax  = 64 * time.Millisecond // between two looks at a belief in doubt; 1, 2, 4 ... ms at first
	retryMin  = 100 * time.Millisecond
	retryMax  = 10 * time.Second
	tellEvery = time.Minute // between two events about one place
	listEvery = time.Minute // between two looks at all entries: nothing depends on messages alone
)

// never is later than any moment.
const never = time.Duration(1<<63 - 1)

// A Belief is the MAC address that the director uses for a real server at a place,
// zero: none. It is not sure while the real server was asked and has not answered.
type Belief func(Place) (mac frame.MAC, sure bool)

// A keeper decides. It is not safe for concurrent use. For each place:
//
//	at rest ──look──▶ due ──the entry differs──▶ set back ──▶ at rest
//	                  │ ▲ ──it does not────────────────────▶ at rest
//	   in doubt, or a ▼ │ later
//	   call has failed: waits
type keeper struct {
	kernel   Kernel
	believed Belief
	places   map[Place]*attention
	listed   attempt       // of all entries
	free     time.Duration // when calls so far are paid for
}

// An attempt is something to do, and how often it was done in vain.
type attempt struct {
	due   time.Duration
	tries int
}

// attention is the keeper's memory of a place that was not at rest of late.
type attention struct {
	attempt
	place  Place
	next   time.Duration // no call before
	doubts int           // looks at a belief in doubt, one after the other
	event  Event         // to be told; Times 0: none
	tell   time.Duration // not before
	failed string        // the failure that was told last
}

func newKeeper(k Kernel, b Belief) *keeper {
	return &keeper{kernel: k, believed: b, places: map[Place]*attention{}, listed: attempt{due: never}}
}

// differs reports whether the kernel's entry e is to be set back, as far as is known now.
func (k *keeper) differs(e Entry) bool {
	if e.Fixed || e.MAC == (frame.MAC{}) {
		return false
	}
	mac, _ := k.believed(e.Place)
	return mac != (frame.MAC{}) && mac != e.MAC
}

// look has the entry at p looked at, as soon as it may be.
func (k *keeper) look(p Place, now time.Duration) {
	if mac, _ := k.believed(p); mac == (frame.MAC{}) {
		return // no real server
	}
	a := k.places[p]
	if a == nil {
		a = &attention{attempt: attempt{due: never}, place: p}
		k.places[p] = a
	}
	a.due = min(a.due, max(now, a.next))
}

// lookAtAll has all entries looked at.
func (k *keeper) lookAtAll(now time.Duration) { k.listed = attempt{due: now} }

// turn does what is due, and returns what there is to tell and how long nothing will be
// due.
func (k *keeper) turn(now time.Duration) (told []Event, wait time.Duration) {
	k.list(now)
	var due []*attention
	for _, a := range k.places { // those under attack
		if a.due <= now && k.payable() <= now {
			due = append(due, a)
		}
	}
	slices.SortFunc(due, func(a, o *attention) int { return cmp.Or(cmp.Compare(a.due, o.due), a.place.Compare(o.place)) })
	for _, a := range due { // the one that has waited for longest is first
		if k.payable() > now {
			break
		}
		if e, ok := k.attend(a, now); ok {
			told = append(told, e)
		}
	}
	at := k.listed.due
	for p, a := range k.places {
		if a.event.Times > 0 && a.tell <= now {
			told = append(told, a.event)
			a.event, a.tell = Event{}, now+tellEvery
		}
		if a.due == never && a.event.Times == 0 && a.tell <= now {
			delete(k.places, p)
			continue
		}
		if at = min(at, max(a.due, k.payable())); a.tell > now {
			at = min(at, a.tell)
		}
	}
	slices.SortFunc(told, func(e, o Event) int { return e.Compare(o.Place) })
	return told, max(at-now, 0)
}

// payable is when the next call may be made.
func (k *keeper) payable() time.Duration { return k.free - burst }

// list looks at all entries, if that is due.
func (k *keeper) list(now time.Duration) {
	if k.listed.due > now {
		return
	}
	all, err := k.kernel.List()
	if err != nil {
		k.listed.fail(now)
		return
	}
	k.listed = attempt{due: now + listEvery}
	for _, e := range all {
		if k.differs(e) {
			k.look(e.Place, now)
		}
	}
}

// attend looks at the entry at a's place and sets it back if it has to be. The event is one of
// a failure.
func (k *keeper) attend(a *attention, now time.Duration) (Event, bool) {
	p := a.place
	mac, sure := k.believed(p)
	switch {
	case mac == (frame.MAC{}):
		a.rest()
		return Event{}, false
	case !sure:
		a.due = now + min(time.Millisecond<<min(a.doubts, 10), doubtMax)
		a.doubts++
		return Event{}, false
	}
	k.free = max(k.free, now) + spacing
	was, err := k.setBack(p, mac)
	if err != nil {
		a.fail(now)
		a.next = a.due
		again := a.failed == err.Error()
		a.failed = err.Error()
		return Event{Place: p, MAC: mac, Err: err}, !again
	}
	a.rest()
	a.next, a.failed = now+spacing, ""
	if was != (frame.MAC{}) {
		a.event = Event{Place: p, Was: was, MAC: mac, Times: a.event.Times + 1}
	}
	return Event{}, false
}

// setBack makes mac the MAC address at p, unless the entry is fixed, has none, or has
// this one. was is what it said, zero: it stays as it was.
func (k *keeper) setBack(p Place, mac frame.MAC) (was frame.MAC, err error) {
	e, err := k.kernel.Get(p)
	if errors.Is(err, os.ErrNotExist) {
		return frame.MAC{}, nil
	}
	if err != nil || !k.differs(e) {
		return frame.MAC{}, err
	}
	was, e.MAC = e.MAC, mac
	return was, k.kernel.Set(e)
}

// fail notes that it was done in vain.
func (a *attempt) fail(now time.Duration) {
	a.due = now + min(retryMin<<min(a.tries, 10), retryMax)
	a.tries++
}

// rest notes that there is nothing to do.
func (a *attention) rest() { a.attempt, a.doubts = attempt{due: never}, 0 }
