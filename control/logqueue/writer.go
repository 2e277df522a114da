package logqueue

import (
	"io"
	"sync"
	"time"
)

// DefaultBytes is the default of Config.Bytes.
const DefaultBytes = 1 << 20

// A Config says what a Writer is made of.
type Config struct {
	// To is where lines go. What it cannot take is lost.
	To io.Writer
	// Bytes is how much may wait; 0: DefaultBytes.
	Bytes int
	// Lost is the line about lines that were lost, in the log's format; nil:
	// there is none.
	Lost func(lines uint64) []byte
}

// A Writer passes lines on in the order in which they were written, in a
// goroutine of its own. Its methods may be called from any goroutine.
type Writer struct {
	cfg  Config
	wake chan struct{} // holds a token while there may be something to write
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex // guards what follows; not held while To is written to
	queue  [][]byte
	bytes  int // in queue
	lost   uint64
	closed bool
}

// New makes a Writer. Close it.
func New(c Config) *Writer {
	if c.Bytes <= 0 {
		c.Bytes = DefaultBytes
	}
	w := &Writer{cfg: c, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Write takes a copy of a line, or counts it as lost if too much waits. It does
// not wait and returns no error.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	if w.closed || w.bytes+len(line) > w.cfg.Bytes {
		w.lost++
	} else {
		w.queue = append(w.queue, append([]byte(nil), line...))
		w.bytes += len(line)
	}
	w.mu.Unlock()
	w.kick()
	return len(line), nil
}

func (w *Writer) kick() {
	select {
	case w.wake <- struct{}{}:
	default: // it is awake
	}
}

// take takes out what is to be written now; false: all is written and the Writer
// is closed.
func (w *Writer) take() (lines [][]byte, lost uint64, more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, lost = w.queue, w.lost
	w.queue, w.bytes, w.lost = nil, 0, 0
	return lines, lost, len(lines) > 0 || lost > 0 || !w.closed
}

// run writes until the Writer is closed.
func (w *Writer) run() {
	defer close(w.done)
	for {
		lines, lost, more := w.take()
		if !more {
			return
		}
		for _, line := range lines {
			_, _ = w.cfg.To.Write(line) // there is nowhere to report it
		}
		if lost > 0 && w.cfg.Lost != nil {
			_, _ = w.cfg.To.Write(w.cfg.Lost(lost))
		}
		if len(lines) == 0 && lost == 0 {
			<-w.wake
		}
	}
}

// Close takes no more lines and waits until those it has are written, but no
// longer than patience.
func (w *Writer) Close(patience time.Duration) {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.kick()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-timer.C:
	}
}
