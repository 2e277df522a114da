//go:build !linux

package notify

import (
	"errors"
	"log/slog"
)

// A fifo is not there.
type fifo struct{}

// openFIFO says that there are none.
func openFIFO(string) (*fifo, error) { return nil, errors.ErrUnsupported }

func (*fifo) close(string) {}

func (*fifo) write(*slog.Logger, string, string) bool { return false }
