package notify

import (
	"maps"
	"slices"
	"time"
)

// Made are the FIFOs that this process made, or took over, and would remove at the end: for the
// Config of a successor.
func (n *Notifier) Made() []string { return n.lines.allMade() }

// Leave is Close for a process whose successor goes on: the FIFOs stay. Programs that read them end, as the successor
// starts its own.
func (n *Notifier) Leave(patience time.Duration) {
	n.lines.add(lineJob{leave: true})
	n.Close(patience)
}

// allMade are the FIFOs that are removed at the end.
func (w *lineWriter) allMade() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Sorted(maps.Keys(w.made))
}

// note notes whether the FIFO at path was made now, and reports whether this process, or the one before it, made it. One
// that is not open any more is forgotten.
func (w *lineWriter) note(path string, made bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.fifos[path] == nil {
		delete(w.made, path)
		return false
	}
	if made {
		w.made[path] = true
	}
	return w.made[path]
}

// leaveFIFOs has the FIFOs stay when they are closed.
func (w *lineWriter) leaveFIFOs() {
	for _, f := range w.fifos {
		f.made = false
	}
}
