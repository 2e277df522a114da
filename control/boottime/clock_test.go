package boottime

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A host is a fake of the host's clock: the test's time and what it slept.
type host struct {
	mu     sync.Mutex
	booted time.Time
	slept  time.Duration
	err    error
}

func (h *host) read() (int64, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return int64(time.Since(h.booted) + h.slept), h.err
}

func (h *host) sleep(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.slept += d
}

func TestTheClockFollowsTheHostThroughItsSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{booted: time.Now().Add(-time.Hour)}
		c, err := newClock(h.read)
		if err != nil {
			t.Fatal(err)
		}
		if now := c.Now(); now != int64(time.Hour) {
			t.Errorf("an hour after boot it is %v", time.Duration(now))
		}
		time.Sleep(time.Minute)
		if now, slept := c.Now(), c.Refresh(); now != int64(time.Hour+time.Minute) || slept != 0 {
			t.Errorf("a minute later it is %v, and the host slept %v", time.Duration(now), slept)
		}
		h.sleep(8 * time.Hour)
		if slept := c.Refresh(); slept != 8*time.Hour {
			t.Errorf("the host slept %v, want 8 h", slept)
		}
		if now := c.Now(); now != int64(9*time.Hour+time.Minute) {
			t.Errorf("after the sleep it is %v", time.Duration(now))
		}
		if slept := c.Refresh(); slept != 0 {
			t.Errorf("the same sleep was counted twice: %v", slept)
		}
		h.sleep(time.Millisecond)
		if slept := c.Refresh(); slept != 0 {
			t.Errorf("a millisecond between two readings was taken for sleep")
		}
		if at, want := c.Time(c.Now()-int64(time.Second)), time.Now().Add(-time.Second); !at.Equal(want) {
			t.Errorf("a second ago was %v, want %v", at, want)
		}
	})
}

func TestAClockThatCannotBeRead(t *testing.T) {
	bad := errors.New("EINVAL")
	h := &host{booted: time.Now(), err: bad}
	if _, err := newClock(h.read); !errors.Is(err, bad) {
		t.Errorf("error %v", err)
	}
	h.err = nil
	c, err := newClock(h.read)
	if err != nil {
		t.Fatal(err)
	}
	h.err = bad
	h.sleep(time.Hour)
	if slept := c.Refresh(); slept != 0 {
		t.Errorf("slept %v by a clock that could not be read", slept)
	}
}

// A worker's clock must not run backwards, whoever refreshes it.
func TestTheClockNeverRunsBackwards(t *testing.T) {
	h := &host{booted: time.Now()}
	c, err := newClock(h.read)
	if err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for last, i := c.Now(), 0; i < 10000; i++ {
				now := c.Now()
				if now < last {
					t.Errorf("%d after %d", now, last)
					return
				}
				last = now
			}
		})
	}
	for range 100 {
		h.sleep(time.Second)
		c.Refresh()
	}
	readers.Wait()
}

func TestTheHostsClockIsTheTimeSinceBoot(t *testing.T) {
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	before, err := hostClock()
	if err != nil {
		t.Fatal(err)
	}
	now := c.Now()
	after, err := hostClock()
	if err != nil {
		t.Fatal(err)
	}
	if slack := int64(time.Second); now < before-slack || now > after+slack {
		t.Errorf("%d is not between %d and %d", now, before, after)
	}
}

func BenchmarkNow(b *testing.B) {
	c, err := New()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		c.Now()
	}
}
