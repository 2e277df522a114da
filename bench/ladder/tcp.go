package ladder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// serve answers every connection to the real server by handle, until close is
// called, which waits for the handlers.
func serve(s *site, handle func(net.Conn)) (close func() error, err error) {
	l, err := s.Servers[0].Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", livePort))
	if err != nil {
		return nil, err
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer c.Close()
				handle(c)
			})
		}
	})
	return func() error {
		err := l.Close()
		running.Wait()
		return err
	}, nil
}

// expireAfter bounds how long a connection may hang at the end of a turn.
const expireAfter = 10 * time.Second

// dial connects the client to the target.
func dial(ctx context.Context, s *site, t time.Duration) (net.Conn, error) {
	c, err := s.Clients[0].Dial(ctx, "tcp4", s.target.String())
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(t + expireAfter))
}

// bulk sends by one TCP connection and measures what the server receives, in
// Gb/s of payload.
func bulk(ctx context.Context, s *site, t time.Duration) (v []float64, err error) {
	var received atomic.Uint64
	end, err := serve(s, func(c net.Conn) {
		buf := make([]byte, 256<<10)
		for {
			n, err := c.Read(buf)
			received.Add(uint64(n))
			if err != nil {
				return
			}
		}
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	c, err := dial(ctx, s, t)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	buf := make([]byte, 256<<10)
	send := func(t time.Duration) error {
		for end := time.Now().Add(t); time.Now().Before(end); {
			if _, err := c.Write(buf); err != nil {
				return fmt.Errorf("send: %w", err)
			}
		}
		return ctx.Err()
	}
	if err := send(t / 5); err != nil { // the window opens
		return nil, err
	}
	before, begin := received.Load(), time.Now()
	if err := send(t); err != nil {
		return nil, err
	}
	return []float64{float64(received.Load()-before) * 8 / time.Since(begin).Seconds() / 1e9}, nil
}

// requestSize is the length of a request and of its answer, in bytes.
const requestSize = 64

// echo answers every request with itself.
func echo(c net.Conn) {
	buf := make([]byte, requestSize)
	for {
		if _, err := io.ReadFull(c, buf); err != nil {
			return
		}
		if _, err := c.Write(buf); err != nil {
			return
		}
	}
}

// latency sends one request after the other by one connection and measures the
// median and the 99th percentile of the time to the answer, in µs.
func latency(ctx context.Context, s *site, t time.Duration) (v []float64, err error) {
	end, err := serve(s, echo)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	c, err := dial(ctx, s, t)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	buf := make([]byte, requestSize)
	var took []time.Duration
	began := time.Now()
	for last := began; last.Sub(began) < t+t/5; {
		if _, err := c.Write(buf); err != nil {
			return nil, fmt.Errorf("send request: %w", err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			return nil, fmt.Errorf("receive answer: %w", err)
		}
		now := time.Now()
		if last.Sub(began) > t/5 { // warm
			took = append(took, now.Sub(last))
		}
		last = now
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	if len(took) < 100 {
		return nil, fmt.Errorf("only %d requests in %s: too few for a percentile", len(took), t)
	}
	slices.Sort(took)
	micros := func(i int) float64 { return float64(took[i].Nanoseconds()) / 1e3 }
	return []float64{micros(len(took) / 2), micros(len(took) * 99 / 100)}, nil
}

// dialers is how many connections are under way at a time.
const dialers = 8

// connections makes connections with one request each, eight at a time, and
// measures how many in a second.
func connections(ctx context.Context, s *site, t time.Duration) (v []float64, err error) {
	client := s.Clients[0]
	// Room for more connections in TIME_WAIT than a turn makes.
	if err := client.Sysctl("net.ipv4.ip_local_port_range", "1024 65000"); err != nil {
		return nil, err
	}
	end, err := serve(s, echo)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var done atomic.Uint64
	failed := make(chan error, dialers)
	for range dialers {
		go func() {
			failed <- client.Do(func() error { // once for all: each Do costs system calls
				for ctx.Err() == nil {
					if err := once(ctx, s, t); err != nil && ctx.Err() == nil {
						return err
					}
					done.Add(1)
				}
				return nil
			})
		}()
	}
	time.Sleep(t / 5) // warm up
	before, begin := done.Load(), time.Now()
	time.Sleep(t)
	n, took := done.Load()-before, time.Since(begin)
	cancel()
	for range dialers {
		err = errors.Join(err, <-failed)
	}
	return []float64{float64(n) / took.Seconds()}, err
}

// once is one connection with one request. It is called inside the client.
func once(ctx context.Context, s *site, t time.Duration) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp4", s.target.String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(t + expireAfter)); err != nil {
		return err
	}
	buf := make([]byte, requestSize)
	if _, err := c.Write(buf); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	if _, err := io.ReadFull(c, buf); err != nil {
		return fmt.Errorf("receive answer: %w", err)
	}
	return nil
}
