package main_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// memoryDir is a folder in memory.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "lvsdr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// talkers are connections on each of which a client makes one request after the other.
type talkers struct {
	conns []net.Conn
	group sync.WaitGroup
	stop  context.CancelFunc
	mu    sync.Mutex
	gaps  []time.Duration // the longest time to an answer, of each connection
	count int             // requests
	errs  []string
}

// keepTalking opens n connections, and has an answer on each when it returns.
func keepTalking(t *testing.T, lab *network, n int) *talkers {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	k := &talkers{stop: stop, gaps: make([]time.Duration, n)}
	for i := range n {
		c, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
		if err != nil {
			t.Fatal(err)
		}
		from := bufio.NewReader(c)
		if _, err := request(c, from); err != nil { // servers do not wait long for the first one
			t.Fatal(err)
		}
		k.conns = append(k.conns, c)
		k.group.Go(func() { k.run(ctx, i, c, from) })
	}
	t.Cleanup(func() { k.end() })
	return k
}

// run makes requests on c, a hundred in a second.
func (k *talkers) run(ctx context.Context, i int, c net.Conn, from *bufio.Reader) {
	for ctx.Err() == nil {
		asked := time.Now()
		_, err := request(c, from)
		took := time.Since(asked)
		k.mu.Lock()
		k.count++
		k.gaps[i] = max(k.gaps[i], took)
		if err != nil {
			k.errs = append(k.errs, fmt.Sprintf("connection %d: %v", i, err))
		}
		k.mu.Unlock()
		if err != nil {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// end ends all, and says what was wrong.
func (k *talkers) end() []string {
	k.stop()
	k.group.Wait()
	for _, c := range k.conns {
		c.Close()
	}
	return k.errs
}

// otherVersion makes a table one of another version of the program.
func otherVersion(t *testing.T, table string) {
	t.Helper()
	f, err := os.OpenFile(table, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const at = 8 // behind the magic number
	if _, err := f.WriteAt([]byte{0xff, 0, 0, 0xff}, at); err != nil {
		t.Fatal(err)
	}
}
