package api

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// A Tally counts the frames of a trace.
type Tally struct {
	Shown    int
	NotShown uint64 // there was no room for them
}

// Follow reads a trace until count lines were shown (0: without end), or ctx
// ends, which is no error. begun is called when the director has begun, show for
// each line.
func (c *Client) Follow(ctx context.Context, q TraceQuestion, count int, begun func(), show func(*TraceLine) error) (n Tally, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t, err := c.Trace(ctx, q)
	if err != nil {
		return n, err
	}
	defer func() { _ = t.Close() }() // nothing was written
	begun()
	for count == 0 || n.Shown < count {
		l, err := t.Next()
		switch {
		case ctx.Err() != nil:
			return n, nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return n, errors.New("the director has ended the trace: it has stopped, or the trace was not read for too long")
		case err != nil:
			return n, fmt.Errorf("read the trace: %w", err)
		case l.NotShown > 0:
			n.NotShown += l.NotShown
		default:
			n.Shown++
		}
		if err := show(&l); err != nil {
			return n, err
		}
	}
	return n, nil
}
