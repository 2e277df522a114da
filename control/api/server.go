package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Limits of the server. A client that says nothing costs a descriptor and two
// goroutines, which the director's checks need more.
const (
	maxConns      = 128              // connections at once, see connLimit
	headerTimeout = 5 * time.Second  // from a connection's or a request's start to the end of its header
	idleTimeout   = 30 * time.Second // between two requests
	writeTimeout  = 30 * time.Second // of an answer; streams and edits have their own
	maxHeader     = 16 << 10         // bytes
)

// Serve answers on l out of b until ctx ends, which is no error. Clients that
// neither ask nor read are left, and where there are too many the one that has
// been silent for the longest goes first.
func Serve(ctx context.Context, l net.Listener, b Backend) error {
	limit := connLimit(descriptors())
	return serve(ctx, l, "control socket", limit, handler(b, max(limit/streamShare, 1)))
}

// serve answers on l, which errors call by its name, with h to at most limit
// connections.
func serve(ctx context.Context, l net.Listener, name string, limit int, h http.Handler) error {
	bound := connBound{limit: limit}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, WriteTimeout: writeTimeout,
		MaxHeaderBytes: maxHeader, ConnState: bound.changed,
		ErrorLog: log.New(io.Discard, "", 0)} // a client's fault is its own affair
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// A connBound keeps the number of connections within a limit.
type connBound struct {
	limit int

	mu     sync.Mutex
	silent []net.Conn // without a request, the longest first
	all    int
}

// changed takes note of a connection's new state.
func (b *connBound) changed(c net.Conn, state http.ConnState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.silent, c); i >= 0 {
		b.silent = slices.Delete(b.silent, i, i+1)
	}
	switch state {
	case http.StateNew:
		b.all++
		b.silent = append(b.silent, c)
		if b.all > b.limit {
			// It may be c itself, where all others are at work. It counts until
			// it is StateClosed, so that each new one ends another.
			b.silent[0].Close()
			b.silent = slices.Delete(b.silent, 0, 1)
		}
	case http.StateIdle:
		b.silent = append(b.silent, c)
	case http.StateClosed, http.StateHijacked:
		b.all--
	}
}
