package syncnet

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"lvsdr/control/connsync"
)

// What the one that gives its table allows itself.
const (
	pageEntries  = 255
	pagesInARow  = 16                    // then it rests until their time is up
	pagesEvery   = 10 * time.Millisecond // 408,000 entries a second
	maxSessions  = 2                     // at a time
	talkPatience = 20 * time.Second      // for one frame
)

// A server gives the table to directors that ask for it.
type server struct {
	engine  Engine
	secret  []byte
	syncID  uint8
	allowed func(netip.Addr) bool
	tls     tlsOf
}

// serve answers until ctx ends, and closes l.
func (s *server) serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	defer stop()
	places := make(chan struct{}, maxSessions)
	var talks sync.WaitGroup
	defer talks.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		from, _ := netip.ParseAddrPort(conn.RemoteAddr().String())
		select {
		case places <- struct{}{}:
		default:
			_ = conn.Close()
			continue
		}
		if !s.allowed(from.Addr().Unmap().WithZone("")) {
			_ = conn.Close()
			<-places
			continue
		}
		talks.Go(func() {
			defer func() { <-places }()
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			_ = s.talk(ctx, conn) // the other side knows
		})
	}
}

// talk answers one question.
func (s *server) talk(ctx context.Context, conn net.Conn) error {
	_ = conn.SetDeadline(time.Now().Add(talkPatience))
	with, err := s.tls.wrap(ctx, conn, 's')
	if err != nil {
		return err
	}
	to, err := greet(with, 's', s.secret)
	if err != nil {
		return err
	}
	b, err := to.read()
	if err != nil || len(b) == 0 {
		return errors.Join(err, errors.New("no question"))
	}
	switch b[0] {
	case askTable:
		return s.table(ctx, to)
	case askDigest:
		d, _ := digestOf(hashes(s.engine.All()))
		if err := to.write(d.append(nil)); err != nil {
			return err
		}
		return to.write(nil)
	case askHashes:
		return s.hashes(to, b[1:])
	}
	return errors.New("a question that is not known")
}

// table gives all entries, in pages, and rests between them.
func (s *server) table(ctx context.Context, to *session) error {
	page := connsync.Message{Version: 1, SyncID: s.syncID}
	began, pages := time.Now(), 0
	give := func() error {
		_ = to.conn.SetDeadline(time.Now().Add(talkPatience))
		err := to.write(page.Append(nil))
		page.Entries = page.Entries[:0]
		if pages++; err == nil && pages%pagesInARow == 0 {
			err = rest(ctx, pagesEvery-time.Since(began))
			began = time.Now()
		}
		return err
	}
	for one := range s.engine.All() {
		page.Entries = append(page.Entries, connsync.EntryOf(&one))
		if len(page.Entries) == pageEntries {
			if err := give(); err != nil {
				return err
			}
		}
	}
	if len(page.Entries) > 0 {
		if err := give(); err != nil {
			return err
		}
	}
	return to.write(nil)
}

// rest waits for d, or for the end of ctx, which is an error.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// hashes gives the hashes in some buckets.
func (s *server) hashes(to *session, numbers []byte) error {
	var some []uint16
	for ; len(numbers) > 1; numbers = numbers[2:] {
		some = append(some, binary.BigEndian.Uint16(numbers))
	}
	var b []byte
	for h := range within(hashes(s.engine.All()), some) {
		if b = binary.BigEndian.AppendUint64(b, h); len(b) == 1<<16 {
			_ = to.conn.SetDeadline(time.Now().Add(talkPatience))
			if err := to.write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	if len(b) > 0 {
		if err := to.write(b); err != nil {
			return err
		}
	}
	return to.write(nil)
}
