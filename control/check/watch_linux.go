package check

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A Watcher tells which files change, by inotify(7) on the folders around them: so it sees
// files that come and go, too. It is safe for concurrent use.
type Watcher struct {
	changed func(path string) // called by one goroutine

	mu      sync.Mutex
	file    *os.File // of inotify; nil: not open
	closed  bool
	folders map[int32]string // by watch descriptor
	of      map[string]int32
}

// NewWatcher makes a Watcher that calls changed, from one goroutine.
func NewWatcher(changed func(path string)) *Watcher {
	return &Watcher{changed: changed, folders: map[int32]string{}, of: map[string]int32{}}
}

// Ensure has path watched, if its folder is there. Folders stay watched until Close. Where
// it fails, changes are not told.
func (w *Watcher) Ensure(path string) {
	dir := filepath.Dir(path)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.of[dir]; ok || w.closed {
		return
	}
	if w.file == nil {
		fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
		if err != nil {
			return
		}
		w.file = os.NewFile(uintptr(fd), "inotify")
		go w.read(w.file)
	}
	conn, err := w.file.SyscallConn()
	if err != nil {
		return
	}
	const events = unix.IN_CLOSE_WRITE | unix.IN_MOVED_TO | unix.IN_MOVED_FROM | unix.IN_DELETE | unix.IN_MOVE_SELF | unix.IN_ONLYDIR
	_ = conn.Control(func(fd uintptr) {
		if wd, err := unix.InotifyAddWatch(int(fd), dir, events); err == nil {
			w.folders[int32(wd)], w.of[dir] = dir, int32(wd)
		}
	})
}

// read takes events until f is closed.
func (w *Watcher) read(f *os.File) {
	buf := make([]byte, 64<<10)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return
		}
		for b := buf[:n]; len(b) >= unix.SizeofInotifyEvent; {
			length := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
			name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:length]), "\x00")
			w.event(int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint32(b[4:]), name)
			b = b[length:]
		}
	}
}

// event takes an event of the folder with this watch descriptor.
func (w *Watcher) event(wd int32, mask uint32, name string) {
	w.mu.Lock()
	dir, ok := w.folders[wd]
	if gone := mask&(unix.IN_IGNORED|unix.IN_MOVE_SELF) != 0; ok && gone {
		delete(w.folders, wd) // another folder may come in its place
		delete(w.of, dir)
	}
	w.mu.Unlock()
	if ok && name != "" {
		w.changed(filepath.Join(dir, name))
	}
}

// Close ends it.
func (w *Watcher) Close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed = true; w.file != nil {
		_ = w.file.Close() // nothing was written
	}
}
