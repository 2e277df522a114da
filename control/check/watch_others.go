//go:build !linux

package check

// A Watcher watches nothing on this system: files are read every delay_loop.
type Watcher struct{}

// NewWatcher makes a Watcher that calls changed, from one goroutine.
func NewWatcher(func(path string)) *Watcher { return &Watcher{} }

// Ensure does nothing.
func (*Watcher) Ensure(string) {}

// Close does nothing.
func (*Watcher) Close() {}
