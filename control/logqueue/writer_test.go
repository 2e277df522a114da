package logqueue

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A reader is where lines go. It may stop reading.
type reader struct {
	mu    sync.Mutex
	read  bytes.Buffer
	block chan struct{} // nil: it reads
	err   error
}

func (r *reader) Write(line []byte) (int, error) {
	if r.block != nil {
		<-r.block
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err != nil {
		return 0, r.err
	}
	return r.read.Write(line)
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read.String()
}

func lost(n uint64) []byte { return fmt.Appendf(nil, "%d lines lost\n", n) }

func TestLinesArriveInOrder(t *testing.T) {
	r := &reader{}
	w := New(Config{To: r, Lost: lost})
	var want strings.Builder
	line := make([]byte, 0, 16) // used again, as slog does
	for i := range 1000 {
		line = fmt.Appendf(line[:0], "line %d\n", i)
		want.Write(line)
		if n, err := w.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.Close(time.Minute)
	if r.String() != want.String() {
		t.Errorf("%d bytes arrived, want %d", len(r.String()), want.Len())
	}
}

func TestALogThatIsNotReadCostsLinesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{block: make(chan struct{})}
		w := New(Config{To: r, Bytes: 50, Lost: lost})
		_, _ = w.Write([]byte("0 is with the reader\n"))
		synctest.Wait()
		for i := range 10 {
			_, _ = w.Write(fmt.Appendf(nil, "%d23456789\n", i+1))
		}
		close(r.block)
		synctest.Wait()
		if got := r.String(); got != "0 is with the reader\n123456789\n223456789\n323456789\n423456789\n523456789\n5 lines lost\n" {
			t.Errorf("read %q", got)
		}
		_, _ = w.Write([]byte("and on it goes\n"))
		w.Close(time.Minute)
		if got := r.String(); !strings.HasSuffix(got, "lost\nand on it goes\n") {
			t.Errorf("read %q", got)
		}
	})
}

func TestTheEndDoesNotWaitForTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &reader{block: make(chan struct{})}
		w := New(Config{To: r})
		_, _ = w.Write([]byte("a line\n"))
		start := time.Now()
		w.Close(2 * time.Second)
		if waited := time.Since(start); waited != 2*time.Second {
			t.Errorf("it waited %v", waited)
		}
		_, _ = w.Write([]byte("too late\n"))
		close(r.block)
		w.Close(time.Minute)
		if got := r.String(); got != "a line\n" {
			t.Errorf("read %q", got)
		}
	})
}

// The reader has gone: every write fails.
func TestAReaderThatHasGoneIsNoError(t *testing.T) {
	r := &reader{err: errors.New("broken pipe")}
	w := New(Config{To: r, Lost: lost})
	for range 100 {
		if n, err := w.Write([]byte("line\n")); n != 5 || err != nil {
			t.Fatal(n, err)
		}
	}
	w.Close(time.Minute)
}
