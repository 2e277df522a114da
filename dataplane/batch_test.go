package dataplane_test

import (
	"fmt"
	"math/rand"
	"net/netip"
	"runtime"
	"sync"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// traffic is one of all sorts of frames, with few clients and ports, so that
// connections meet.
func traffic(r *rand.Rand) []byte {
	src := netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.Intn(8))})
	port := uint16(20 + 20*r.Intn(60))
	to := []uint16{80, 80, 80, 443, 443, 81, 21, 5000}[r.Intn(8)]
	switch r.Intn(10) {
	case 0:
		return frametest.Random(r)
	case 1:
		return udp(port, []uint16{53, 53, 54}[r.Intn(3)])
	case 2:
		return icmp(build.ICMP{Type: uint8(8 * r.Intn(2))}).Data
	}
	return tcpFrom(src, port, to, []string{"S", "S", "A", "A", "A", "FA", "R", "", "SA", "SR"}[r.Intn(10)])
}

// A batch decides as its frames one by one.
func TestBatchesAreTheirFrames(t *testing.T) {
	one, many := defaultLab(t), defaultLab(t)
	r := rand.New(rand.NewSource(1))
	for round := range 300 {
		n := 1 + r.Intn(60)
		frames := make([][]byte, n)
		many.batch.Packets = many.batch.Packets[:0]
		for i := range frames {
			frames[i] = traffic(r)
			many.batch.Packets = append(many.batch.Packets, dataplane.Packet{Data: append([]byte{}, frames[i]...)})
		}
		many.d.Process(many.scratch, many.batch, many.now)
		*many.frames += uint64(n)
		replies := 0
		for i, f := range frames {
			got, want := &many.batch.Packets[i], one.send(f)
			if got.Reason != want.reason || string(got.Data) != string(want.data) {
				t.Fatalf("round %d, frame %d, %s: %s in a batch, %s alone", round, i, frametest.Describe(f), got.Reason, want.reason)
			}
			if want.verdict == dataplane.Answer {
				if string(many.batch.Replies[replies].Data) != string(want.reply) {
					t.Fatalf("round %d, frame %d: another answer in a batch", round, i)
				}
				replies++
			}
		}
		if replies != len(many.batch.Replies) {
			t.Fatalf("round %d: %d answers in the batch, %d one by one", round, len(many.batch.Replies), replies)
		}
		pause := time.Duration(r.Intn(3000)) * time.Millisecond
		one.pass(pause)
		many.pass(pause)
	}
}

// holds compares every server's counts with what the table holds for it.
func holds(d *dataplane.Director, now int64) error {
	type key struct {
		service dataplane.ServiceKey
		server  string
	}
	held := map[key][3]int{}
	for _, c := range d.Conns(now) {
		k := key{dataplane.ServiceKey{Proto: c.Key.Proto, Addr: c.Key.Virtual, Port: c.Key.VirtualPort}, c.Server.String()}
		n := held[k]
		switch {
		case c.Key.Template:
			n[2]++
		case c.State == "ESTABLISHED" || c.State == "SYN_RECV" || c.State == "SYNACK":
			n[0]++
		default:
			n[1]++
		}
		held[k] = n
	}
	for _, s := range d.Services() {
		for _, r := range s.Servers {
			k := key{s.Config.Key, r.Config.Addr.String()}
			if got := [3]int{r.Active, r.Inactive, r.Persistent}; got != held[k] {
				return fmt.Errorf("%v: counts %v, the table holds %v", k, got, held[k])
			}
		}
	}
	return nil
}

// A shaker makes random edits.
type shaker struct {
	d *dataplane.Director
	r *rand.Rand
}

func (s shaker) edit(now int64) {
	k := []dataplane.ServiceKey{tcpService(80), tcpService(443), udpService(53)}[s.r.Intn(3)]
	n := byte(1 + s.r.Intn(4))
	c := dataplane.ServerConfig{Addr: serverAddr(n), Port: k.Port, Weight: s.r.Intn(3), Upper: s.r.Intn(2) * 20}
	// Most are refused at one time or another, which is no concern here.
	switch s.r.Intn(12) {
	case 0, 1, 2:
		_ = s.d.AddServer(k, c)
	case 3, 4:
		_ = s.d.DelServer(k, c.Addr, c.Port, now)
	case 5, 6:
		_ = s.d.EditServer(k, c)
	case 7:
		if s.r.Intn(4) == 0 {
			_ = s.d.DelService(k, now)
		}
	case 8:
		p := time.Duration(0)
		if k.Port == 443 {
			p = time.Minute
		}
		sched := []string{"rr", "wrr"}[s.r.Intn(2)]
		if s.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: sched, Persistence: p}) != nil {
			_ = s.d.EditService(dataplane.ServiceConfig{Key: k, Scheduler: sched, Persistence: p})
		}
	case 9:
		mac := serverMAC(n)
		if s.r.Intn(4) == 0 {
			mac = [6]byte{}
		}
		s.d.SetNeighbour(c.Addr, mac, link)
	case 10:
		v := dataplane.DefaultTunables()
		v.ExpireNodestConn, v.ExpireQuiescentTemplate = s.r.Intn(3) == 0, s.r.Intn(3) == 0
		v.ConnReuseMode, v.SloppyTCP = s.r.Intn(4), s.r.Intn(4) == 0
		s.d.SetTunables(v)
	default:
		s.d.Sweep(now, 1+s.r.Intn(s.d.Chunks()))
	}
}

// Whatever the traffic and the edits, each server's counts are what the table
// holds, in tables that are full too.
func TestCountsAreWhatTheTableHolds(t *testing.T) {
	for _, entries := range []int{256, 1 << 12} {
		l := furnish(newLab(t, unlimited, entries))
		r := rand.New(rand.NewSource(int64(entries)))
		for step := range 20000 {
			l.send(traffic(r))
			switch r.Intn(20) {
			case 0:
				shaker{l.d, r}.edit(l.now)
			case 1:
				l.now += int64(r.Intn(2000)) * 1e6
			}
			if step%50 == 0 {
				if err := holds(l.d, l.now); err != nil {
					t.Fatalf("table of %d, step %d: %v", entries, step, err)
				}
			}
		}
		if _, _, evicted := l.d.TableUse(); entries == 256 && evicted == 0 {
			t.Error("the small table was never full")
		}
		// With all connections gone the counts are, too.
		l.now += 4000e9
		l.d.Sweep(l.now, l.d.Chunks())
		l.pass(time.Hour)
		if n := len(l.d.Conns(l.now)); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		if err := holds(l.d, l.now); err != nil {
			t.Error(err)
		}
	}
}

// Four workers, edits and listings at the same time: every frame is counted
// once, and in the end the counts are what the table holds.
func TestWorkersTogether(t *testing.T) {
	const workers, batches, perBatch = 4, 300, 32
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: 1024}, Workers: workers, Tunables: dataplane.DefaultTunables(), Limits: unlimited})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, d: d}
	d.SetVIPs([]frame.Addr{vip})
	for n := byte(1); n <= 4; n++ {
		d.SetNeighbour(serverAddr(n), serverMAC(n), link)
	}
	furnish(l)
	var working, watching sync.WaitGroup
	stop := make(chan struct{})
	for w := range int64(workers) {
		working.Add(1)
		go func() {
			defer working.Done()
			r, s, b := rand.New(rand.NewSource(w)), d.NewScratch(int(w)), dataplane.NewBatch()
			for n := range int64(batches) {
				b.Packets = b.Packets[:0]
				for range perBatch {
					b.Packets = append(b.Packets, dataplane.Packet{Data: traffic(r)})
				}
				d.Process(s, b, n*100e6)
			}
		}()
	}
	watching.Add(2)
	go func() {
		defer watching.Done()
		s := shaker{d, rand.New(rand.NewSource(99))}
		for {
			select {
			case <-stop:
				return
			default:
				s.edit(0)
				runtime.Gosched()
			}
		}
	}()
	go func() {
		defer watching.Done()
		for {
			select {
			case <-stop:
				return
			default:
				d.Counters()
				d.Services()
				d.Conns(0)
				d.TableUse()
				d.NextExpiry(0)
				runtime.Gosched()
			}
		}
	}()
	working.Wait()
	close(stop)
	watching.Wait()
	var sum uint64
	for _, n := range d.Counters() {
		sum += n
	}
	if sum != workers*batches*perBatch {
		t.Errorf("the counters add up to %d of %d frames", sum, workers*batches*perBatch)
	}
	if err := holds(d, batches*100e6); err != nil {
		t.Error(err)
	}
}
