package syncnet

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"slices"
	"time"

	"lvsdr/control/connsync"
	"lvsdr/dataplane"
)

// dialPatience is how long a peer may take to answer a dial.
const dialPatience = 3 * time.Second

// An asker asks other directors.
type asker struct {
	engine Engine
	secret []byte
	dial   func(ctx context.Context, to string) (net.Conn, error)
	tls    tlsOf
}

// ask asks a question and calls f with each frame of the answer.
func (a *asker) ask(ctx context.Context, to string, question []byte, f func([]byte) error) error {
	dialing, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	conn, err := a.dial(dialing, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	_ = conn.SetDeadline(time.Now().Add(talkPatience))
	talk, err := a.tls.wrap(ctx, conn, 'c')
	if err != nil {
		return err
	}
	with, err := greet(talk, 'c', a.secret)
	if err != nil {
		return err
	}
	if err := with.write(question); err != nil {
		return err
	}
	for {
		_ = conn.SetDeadline(time.Now().Add(talkPatience))
		b, err := with.read()
		if err != nil {
			return fmt.Errorf("the answer breaks off: %w", err)
		}
		if len(b) == 0 {
			return nil
		}
		if err := f(b); err != nil {
			return err
		}
	}
}

// table takes the whole table of another director, and returns how many entries it had.
func (a *asker) table(ctx context.Context, to string) (n int, taken Taken, err error) {
	var page connsync.Message
	var some []dataplane.Synced
	err = a.ask(ctx, to, []byte{askTable}, func(b []byte) error {
		if err := page.Parse(b); err != nil {
			return err
		}
		some = some[:0]
		for i := range page.Entries {
			if s, ok := page.Entries[i].Synced(); ok {
				some = append(some, s)
			}
		}
		n += len(page.Entries)
		taken.Add(a.engine.Take(some))
		return nil
	})
	return n, taken, err
}

// compare returns the hashes of the entries that only one of both has, and how many this
// one has.
func (a *asker) compare(ctx context.Context, to string) (differ map[uint64]bool, n int, err error) {
	var theirs *digest
	err = a.ask(ctx, to, []byte{askDigest}, func(b []byte) (err error) {
		theirs, err = readDigest(b)
		return err
	})
	if err == nil && theirs == nil {
		err = errors.New("there is no digest")
	}
	if err != nil {
		return nil, 0, err
	}
	ours, n := digestOf(hashes(a.engine.All()))
	some := ours.differing(theirs)
	if len(some) == 0 {
		return nil, n, nil
	}
	question := []byte{askHashes}
	for _, i := range some {
		question = binary.BigEndian.AppendUint16(question, i)
	}
	var all []uint64
	err = a.ask(ctx, to, question, func(b []byte) error {
		for ; len(b) >= 8; b = b[8:] {
			all = append(all, binary.BigEndian.Uint64(b))
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	return apart(slices.Values(all), within(hashes(a.engine.All()), some)), n, nil
}

// both are the hashes that are in two sets.
func both(a, b map[uint64]bool) iter.Seq[uint64] {
	return func(yield func(uint64) bool) {
		for h := range a {
			if b[h] && !yield(h) {
				return
			}
		}
	}
}
