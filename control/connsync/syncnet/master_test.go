package syncnet

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/connsync/daemon"
)

// A net is where a master sends.
type wire struct {
	mu     sync.Mutex // of what the master writes while the test reads
	hellos []hello
	sent   [][]byte
	stamps []stamp
	fail   error
}

func (w *wire) send(b []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fail != nil {
		return w.fail
	}
	b = append([]byte(nil), b...)
	if isHello(b) {
		var h hello
		if err := h.read(b, nil); err != nil {
			return err
		}
		w.hellos = append(w.hellos, h)
		return nil
	}
	var s stamp
	if err := s.readMark(b, nil); err == nil {
		w.stamps = append(w.stamps, s)
	}
	w.sent = append(w.sent, b)
	return nil
}

func (w *wire) entries() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range w.sent {
		n += len(parsed(b))
	}
	return n
}

// messages is how many were sent.
func (w *wire) messages() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.sent)
}

// mastering runs a master for d, in virtual time, with f in its midst.
func mastering(t *testing.T, e *fake, w *wire, c daemon.Config, d time.Duration, f func()) Sent {
	t.Helper()
	var sent Sent
	m := newMaster(c.WithDefaults(daemon.Master, 1500), e, nil, time.Now, &sent, w.send)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.run(ctx); close(done) }()
	synctest.Wait()
	f()
	time.Sleep(d)
	synctest.Wait()
	cancel()
	<-done
	return m.count()
}

func TestAMasterSendsWhatItIsToldSoonAndInFullMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, w := newFake(), &wire{}
		sent := mastering(t, e, w, daemon.Config{Interface: "s0", SyncID: 7}, 5*time.Second, func() {
			e.tell(conns(1000)...)
			time.Sleep(2 * patience)
			synctest.Wait()
			if w.entries() != 1000 {
				t.Errorf("%d entries of 1000 after %v", w.entries(), 2*patience)
			}
			e.tell(conn(1))
		})
		if sent.Entries != 1001 || sent.Lost != 0 || sent.Messages != uint64(len(w.sent)) || w.entries() != 1001 {
			t.Errorf("%+v; the wire had %d entries in %d messages", sent, w.entries(), len(w.sent))
		}
		if len(w.sent) > 1000/20 {
			t.Errorf("%d messages for 1001 entries", len(w.sent))
		}
		for i, b := range w.sent {
			if len(b) > 1472 || b[1] != 7 || w.stamps[i].seq != uint64(i+1) {
				t.Errorf("message %d: %d bytes, syncid %d, number %d", i, len(b), b[1], w.stamps[i].seq)
			}
		}
		if n := len(w.hellos); n < 5 || n > 7 || w.hellos[n-1].seq != uint64(len(w.sent)) {
			t.Errorf("%d hellos in 5 s, the last %+v", n, w.hellos[n-1])
		}
		if e.follows != 0 {
			t.Error("it still follows")
		}
	})
}

func TestWhatAMasterCannotSendIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, w := newFake(), &wire{}
		e.lost = 5
		e.tunables.QueueMax = 10
		sent := mastering(t, e, w, daemon.Config{Interface: "s0"}, time.Second, func() { e.tell(conns(2000)...) })
		if sent.Lost < 5+100 || sent.Entries+sent.Lost != 2005 {
			t.Errorf("a short queue: %+v", sent)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e, w := newFake(), &wire{fail: errors.New("network is down")}
		if sent := mastering(t, e, w, daemon.Config{Interface: "s0"}, time.Second, func() { e.tell(conns(100)...) }); sent.Lost != 100 || sent.Messages != 0 {
			t.Errorf("no network: %+v", sent)
		}
	})
}

func TestTheVersionMayChangeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, w := newFake(), &wire{}
		sent := mastering(t, e, w, daemon.Config{Interface: "s0"}, time.Second, func() {
			e.tell(conn(0))
			time.Sleep(time.Second)
			e.mu.Lock()
			e.tunables.Version = 0
			e.mu.Unlock()
			time.Sleep(time.Second)
			e.tell(conn(1))
		})
		if sent.Entries != 2 || len(w.sent) != 2 || w.sent[0][5] != 1 || w.sent[1][0] != 1 || len(w.stamps) != 1 {
			t.Errorf("%+v; % x", sent, w.sent)
		}
	})
}

// A short pace lets a burst through and no more.
func TestAMastersPaceIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, w := newFake(), &wire{}
		e.tunables.QueueMax = 1 << 20
		began := time.Now()
		var most int
		mastering(t, e, w, daemon.Config{Interface: "s0", MaxLen: 200}, time.Second, func() {
			e.tell(conns(5000)...)
			for range 100 {
				before := w.messages()
				time.Sleep(paceEvery)
				synctest.Wait()
				most = max(most, w.messages()-before)
			}
		})
		if most > 2*burst || w.entries() != 5000 {
			t.Errorf("%d messages in a millisecond, %d entries in %v", most, w.entries(), time.Since(began))
		}
	})
}
