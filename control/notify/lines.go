package notify

import (
	"log/slog"
	"slices"
	"sync"
	"time"

	"lvsdr/control/script"
)

// A FIFO is one that gets a line for each message.
type FIFO struct {
	Path  string
	Topic Topic // of its lines
	// Reader is a program that is kept running while the FIFO is wanted, with Path as its last argument;
	// an empty Argv: there is none.
	Reader script.Command
}

// equal reports whether f and o are the same, with the same program.
func (f *FIFO) equal(o *FIFO) bool {
	a, b := f.Reader, o.Reader
	return f.Path == o.Path && f.Topic == o.Topic && slices.Equal(a.Argv, b.Argv) && a.User == b.User && a.Group == b.Group && a.Secure == b.Secure
}

// maxQueue is how many lines wait at most while a FIFO is opened.
const maxQueue = 4096

// A lineWriter opens FIFOs, writes lines to them and keeps their readers running. It does so beside its
// callers, in their order: a path can be on a file server that does not answer.
type lineWriter struct {
	log *slog.Logger
	run runner

	mu            sync.Mutex
	queue         []lineJob
	busy, closed  bool
	made          map[string]bool // FIFOs that are removed at the end
	idle          *sync.Cond
	written, lost uint64

	// The goroutine that works owns the rest.
	fifos   map[string]*fifo
	readers map[string]*reader
	paths   []string         // in the order of the settings
	topics  map[string]Topic // of them
}

// A lineJob is a line to write, or the FIFOs to have from now on.
type lineJob struct {
	line  string
	topic Topic
	set   bool
	fifos []FIFO
	leave bool // all FIFOs to a successor
}

// newLineWriter makes a lineWriter without FIFOs. Those of made, if they are wanted, are taken for its own.
func newLineWriter(log *slog.Logger, run runner, made []string) *lineWriter {
	w := &lineWriter{log: log, run: run, made: map[string]bool{}, fifos: map[string]*fifo{}, readers: map[string]*reader{}}
	w.idle = sync.NewCond(&w.mu)
	for _, path := range made {
		w.made[path] = true
	}
	return w
}

// set has these FIFOs get the lines that follow, and no others.
func (w *lineWriter) set(fifos []FIFO) { w.add(lineJob{set: true, fifos: fifos}) }

// tell has a line written about a topic.
func (w *lineWriter) tell(about Topic, line string) { w.add(lineJob{line: line, topic: about}) }

// add queues j. It does not wait.
func (w *lineWriter) add(j lineJob) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if line := !j.set && !j.leave; w.closed || line && len(w.queue) >= maxQueue {
		if line {
			w.lost++
		}
		return
	}
	if last := len(w.queue) - 1; j.set && last >= 0 && w.queue[last].set {
		w.queue[last] = j // nothing was to be written in between
	} else {
		w.queue = append(w.queue, j)
	}
	if !w.busy {
		w.busy = true
		go w.work()
	}
}

// work does what is queued.
func (w *lineWriter) work() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.queue) > 0 {
		j := w.queue[0]
		w.queue = w.queue[1:]
		w.mu.Unlock()
		written, lost := w.do(&j)
		w.mu.Lock()
		w.written += written
		w.lost += lost
	}
	w.busy = false
	w.idle.Broadcast()
}

// do does j, and says to how many FIFOs it has written, and for how many it could not.
func (w *lineWriter) do(j *lineJob) (written, lost uint64) {
	if j.leave {
		w.leaveFIFOs()
		return 0, 0
	}
	if j.set {
		w.setFIFOs(j.fifos)
		w.setReaders(j.fifos)
		return 0, 0
	}
	for _, path := range w.paths {
		switch f := w.fifos[path]; {
		case f == nil:
		case w.topics[path] != All && j.topic != All && w.topics[path] != j.topic:
		case f.write(w.log, path, j.line):
			written++
		default:
			lost++
		}
	}
	return written, lost
}

// setFIFOs has these FIFOs open, and no others.
func (w *lineWriter) setFIFOs(want []FIFO) {
	w.paths, w.topics = w.paths[:0], map[string]Topic{}
	for i := range want {
		w.paths = append(w.paths, want[i].Path)
		w.topics[want[i].Path] = want[i].Topic
	}
	for path, f := range w.fifos {
		if !slices.Contains(w.paths, path) {
			f.close(path)
			delete(w.fifos, path)
			w.note(path, false)
		}
	}
	for _, path := range w.paths {
		if w.fifos[path] != nil {
			continue
		}
		f, err := openFIFO(path)
		if err != nil {
			w.log.Error("a notification FIFO cannot be used", "error", err)
			continue
		}
		w.fifos[path] = f
		f.made = w.note(path, f.made)
	}
}

// setReaders keeps the programs running that read these FIFOs, and no others. One that stays as it is goes
// on; another one of the same FIFO waits for its end.
func (w *lineWriter) setReaders(want []FIFO) {
	old := w.readers
	w.readers = map[string]*reader{}
	for i := range want {
		f := &want[i]
		if len(f.Reader.Argv) == 0 || w.fifos[f.Path] == nil || w.readers[f.Path] != nil {
			continue
		}
		before := old[f.Path]
		if before != nil && before.fifo.equal(f) {
			w.readers[f.Path] = before
			delete(old, f.Path)
			continue
		}
		w.readers[f.Path] = startReader(*f, w.log, w.run, before)
	}
	for _, r := range old {
		r.stop()
	}
}

// counts are the lines that were written, and those that were lost.
func (w *lineWriter) counts() (written, lost uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.written, w.lost
}

// wait waits until nothing is queued.
func (w *lineWriter) wait() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.busy {
		w.idle.Wait()
	}
}

// close writes what is queued, ends the readers and closes the FIFOs, for patience at most: one that cannot be
// opened is left to the end of the process.
func (w *lineWriter) close(patience time.Duration) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.wait()
		readers := w.readers
		w.set(nil)
		w.mu.Lock()
		w.closed = true
		w.mu.Unlock()
		w.wait()
		for _, r := range readers {
			<-r.ended
		}
	}()
	late := time.NewTimer(max(patience, atLeast))
	defer late.Stop()
	select {
	case <-ended:
	case <-late.C:
	}
}

// atLeast is the time that readers have to end.
const atLeast = grace + script.Stuck
