package notify

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// A fifo is a FIFO that lines are written to.
type fifo struct {
	fd   int
	made bool // by this process, which removes it at the end
	lost bool // it has no room, and that is logged
}

// openFIFO opens the FIFO at path, which it makes if there is nothing. It opens it for
// reading too: so that no program needs to read, and lines wait in the kernel's buffer
// of 64 KiB until one does.
func openFIFO(path string) (*fifo, error) {
	f := &fifo{}
	err := unix.Mkfifo(path, 0o600)
	if f.made = err == nil; err != nil && !errors.Is(err, unix.EEXIST) {
		return nil, fmt.Errorf("make FIFO %s: %w", path, err)
	}
	f.fd, err = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open FIFO %s: %w", path, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(f.fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		_ = unix.Close(f.fd) // nothing was written
		return nil, fmt.Errorf("open FIFO %s: it is a file of another kind", path)
	}
	return f, nil
}

// close closes f, which is at path, and removes it if it was made.
func (f *fifo) close(path string) {
	_ = unix.Close(f.fd) // nothing was written
	if f.made {
		_ = os.Remove(path) // an administrator may have done so
	}
}

// write writes a line to f, which is at path, and reports whether it had room. A line is far shorter than
// PIPE_BUF, so it is written as a whole or not at all.
func (f *fifo) write(log *slog.Logger, path, line string) bool {
	_, err := unix.Write(f.fd, []byte(line+"\n"))
	if err != nil && !f.lost {
		log.Warn("a notification FIFO is full; lines are lost until a program reads it", "fifo", path, "error", err)
	}
	f.lost = err != nil
	return err == nil
}
