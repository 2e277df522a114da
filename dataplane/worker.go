package dataplane

import (
	"errors"
	"io/fs"
	"runtime"
	"sync/atomic"
)

// An ARPSink takes the ARP frames a worker meets. Put copies what it needs of
// frame, received on interface in, and neither blocks nor allocates; false
// says that it had no room.
type ARPSink interface {
	Put(frame []byte, in int32) bool
}

// A Follower looks at each batch of a worker when it has been sent. Sent neither blocks nor
// allocates, but for what it does seldom; now is the batch's time.
type Follower interface {
	Sent(b *Batch, now int64)
}

// A Worker moves frames from a NIC through a director and back. Several
// workers, each with a NIC of its own, may share a director.
type Worker struct {
	Director *Director
	NIC      NIC
	ARP      ARPSink      // nil: ARP frames are dropped
	Now      func() int64 // nanoseconds of CLOCK_BOOTTIME; read once a batch
	Index    int          // its number: see Director.NewScratch
	Local    bool         // its frames are this host's own: see Tx.SetMartians
	Sent     Follower     // told of each batch; nil: nobody is

	batch   *Batch
	scratch *Scratch
	asked   atomic.Bool // and not answered yet
}

// Ask asks whether the worker still works, see Answered. It may be called from any
// goroutine.
func (w *Worker) Ask() {
	w.asked.Store(true)
	w.NIC.Wake()
}

// Answered reports whether the worker has begun a batch since the last Ask, if there was
// one. An idle worker does so at once; one that is stuck never does.
func (w *Worker) Answered() bool { return !w.asked.Load() }

// Run works until the NIC is stopped, and then returns nil, or until it
// fails. It keeps its thread to itself.
func (w *Worker) Run() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	w.batch, w.scratch = NewBatch(), w.Director.NewScratch(w.Index)
	w.batch.Local = w.Local
	defer w.Director.retire(w.scratch)
	for {
		if err := w.step(); err != nil {
			if errors.Is(err, fs.ErrClosed) {
				return nil
			}
			return err
		}
	}
}

// step moves one batch.
func (w *Worker) step() error {
	if w.asked.Load() { // a look is cheaper than a write for each batch
		w.asked.Store(false)
	}
	if err := w.NIC.Recv(w.batch); err != nil {
		return err
	}
	now := w.Now()
	w.Director.Process(w.scratch, w.batch, now)
	if w.ARP != nil {
		for i := range w.batch.Packets {
			if p := &w.batch.Packets[i]; p.Verdict == ToARP {
				w.ARP.Put(p.Data, w.batch.In)
			}
		}
	}
	if err := w.NIC.Send(w.batch); err != nil {
		return err
	}
	if w.Sent != nil {
		w.Sent.Sent(w.batch, now)
	}
	return nil
}
