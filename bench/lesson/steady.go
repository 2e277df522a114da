package lesson

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"lvsdr/bench/netlab"
)

// pace is the time between two requests of a steady client.
const pace = 20 * time.Millisecond

// A steady client asks again and again: on one connection that stays open, and with a
// new connection for each further request.
type steady struct {
	port   uint16 // the client's, of the open connection
	server string // that the open connection is with
	end    context.CancelFunc
	asking sync.WaitGroup

	mu    sync.Mutex // guards what follows
	open  int        // answers on the open connection
	fresh int        // answers to new connections
	wrong error      // the first that went wrong

	answered time.Time     // when the open connection was answered last
	longest  time.Duration // between two answers on it, since takeLongest
}

// An openConn is a connection on which one asks more than once.
type openConn struct {
	net.Conn
	in *bufio.Reader
}

// openTo opens a connection of a client to the service.
func (s *lessonShow) openTo(ctx context.Context, from *netlab.Node) (openConn, error) {
	c, err := s.Dial(ctx, from)
	if err != nil {
		return openConn{}, fmt.Errorf("open a connection: %w", err)
	}
	return openConn{c, bufio.NewReader(c)}, nil
}

// port is the client's.
func (c openConn) port() uint16 {
	at, _ := netip.ParseAddrPort(c.LocalAddr().String()) // a TCP connection has one
	return at.Port()
}

// ask makes a request that has to be answered within a time, and returns who answered.
func (c openConn) ask(within time.Duration) (server string, err error) {
	if err := c.SetDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: vip\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.Header.Get(netlab.ServerHeader), errors.Join(err, resp.Body.Close())
}

// patience is how long a steady client waits for an answer.
const patience = 30 * time.Second

// startSteady starts a steady client on a host. It ends by its stop.
func (s *lessonShow) startSteady(ctx context.Context, from *netlab.Node) (*steady, error) {
	conn, err := s.openTo(ctx, from)
	if err != nil {
		return nil, err
	}
	c := &steady{port: conn.port()}
	if c.server, err = conn.ask(patience); err != nil {
		return nil, errors.Join(fmt.Errorf("ask on a new connection: %w", err), conn.Close())
	}
	asking, end := context.WithCancel(ctx)
	c.end = end
	c.asking.Go(func() {
		defer conn.Close()
		c.repeat(asking, func() {
			server, err := conn.ask(patience)
			if err == nil && server != c.server {
				err = fmt.Errorf("%s answered in place of %s", server, c.server)
			}
			c.note(&c.open, err)
			c.answer(time.Now())
		})
	})
	c.asking.Go(func() {
		c.repeat(asking, func() {
			c.asking.Go(func() { c.note(&c.fresh, netlab.Get(ctx, s.Client(from), s.URL, 1, 1).First) })
		})
	})
	return c, nil
}

// repeat calls ask at the steady client's pace until ctx ends or something went wrong.
func (c *steady) repeat(ctx context.Context, ask func()) {
	t := time.NewTicker(pace)
	defer t.Stop()
	for c.failure() == nil {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			ask()
		}
	}
}

// note counts an answer, or keeps the first error.
func (c *steady) note(n *int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		*n++
	} else if c.wrong == nil {
		c.wrong = err
	}
}

// answer notes when there was an answer on the open connection.
func (c *steady) answer(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.answered.IsZero() {
		c.longest = max(c.longest, now.Sub(c.answered))
	}
	c.answered = now
}

// takeLongest is the longest time between two answers on the open connection since it was
// called before.
func (c *steady) takeLongest() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.longest
	c.longest = 0
	return d
}

// failure is the first that went wrong, nil if all is well.
func (c *steady) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wrong
}

// goOn waits until the client has got some more answers of both kinds, or something went
// wrong, which is no error here.
func (c *steady) goOn(ctx context.Context) error {
	const more = 25 // half a second: what is told of connections has arrived by then
	c.mu.Lock()
	open, fresh := c.open+more, c.fresh+more
	c.mu.Unlock()
	for {
		c.mu.Lock()
		done := c.open >= open && c.fresh >= fresh || c.wrong != nil
		c.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pace):
		}
	}
}

// stop makes no more requests, waits for what is under way, and returns what went wrong.
func (c *steady) stop() error {
	c.end()
	c.asking.Wait()
	return c.failure()
}
