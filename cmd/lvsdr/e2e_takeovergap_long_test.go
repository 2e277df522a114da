//go:build long

package main_test

import (
	"context"
	encoding "encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// A train is datagrams that a client numbers and sends at a steady rate, and how long each was on its way
// to the server that takes it first.
type train struct {
	stop context.CancelFunc
	all  sync.WaitGroup

	mu    sync.Mutex
	sent  []time.Time
	took  []time.Duration // 0: not yet
	twice int
}

// startTrain sends a datagram each pause to the lab's UDP service.
func startTrain(t *testing.T, lab *network, pause time.Duration) *train {
	t.Helper()
	r := &train{}
	for _, rs := range lab.Servers {
		serveUDP(t, lab, rs, r.arrived)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = cancel
	c, err := lab.Clients[0].Dial(ctx, "udp", vipPort(lab))
	must(t, err)
	r.all.Go(func() {
		defer c.Close()
		for ctx.Err() == nil {
			_, _ = c.Write(r.depart()) // a server that has ended is told by ICMP
			time.Sleep(pause)
		}
	})
	t.Cleanup(r.end)
	return r
}

// depart is the next datagram.
func (r *train) depart() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent, r.took = append(r.sent, time.Now()), append(r.took, 0)
	return encoding.BigEndian.AppendUint32(nil, uint32(len(r.sent)-1))
}

// arrived notes that a datagram has come.
func (r *train) arrived(datagram []byte) []byte {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := encoding.BigEndian.Uint32(datagram); r.took[i] == 0 {
		r.took[i] = now.Sub(r.sent[i])
	} else {
		r.twice++
	}
	return datagram
}

// end ends it.
func (r *train) end() {
	r.stop()
	r.all.Wait()
}

// now is how many have been sent.
func (r *train) now() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sent)
}

// pass waits until n more were sent, and all of these and those before have had a second to come.
func (r *train) pass(t *testing.T, n int) {
	t.Helper()
	want := r.now() + n
	await(t, "datagrams", func() bool { return r.now() >= want })
	await(t, "them to come", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return !slices.Contains(r.took[:want], 0) || time.Since(r.sent[want-1]) > time.Second
	})
}

// longest is how long one of those from number first on was on its way, and how many did not come.
func (r *train) longest(first, end int) (longest time.Duration, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, took := range r.took[first:end] {
		longest = max(longest, took)
		if took == 0 {
			lost++
		}
	}
	return longest, lost
}

// One process after another takes over while datagrams come: none is lost. How long the slowest of them was on its
// way says how long frames waited.
func TestATakeOverLosesNoDatagram(t *testing.T) {
	lab := newLab(t, netlab.Spec{Servers: weighted(1, 1)})
	dir := shortDir(t)
	config := filepath.Join(dir, "keepalived.conf")
	must(t, os.WriteFile(config, []byte(udpService(lab, "")), 0o600))
	args := []string{"--table", filepath.Join(memoryDir(t), "table"), "-c", config}
	old := launchWith(t, lab, dir, args...)
	r := startTrain(t, lab, 200*time.Microsecond)
	var all []time.Duration
	for range rounds(2, 20) {
		first := r.now()
		r.pass(t, 200)
		old = takeOver(t, lab, dir, old, args...)
		r.pass(t, 200)
		longest, lost := r.longest(first, r.now()-200)
		if lost > 0 {
			t.Errorf("%d datagrams of %d are lost", lost, r.now()-first)
		}
		all = append(all, longest)
	}
	r.end()
	slices.Sort(all)
	t.Logf("%d take-overs, %d datagrams, %d of them twice; the slowest of each: median %v, all %v", len(all), r.now(), r.twice, all[len(all)/2], all)
	old.end(t, unix.SIGTERM)
}
