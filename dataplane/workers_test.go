package dataplane_test

import (
	"bytes"
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

// A mixture is traffic of all sorts in both families: connections,
// associations, flows, whole and in fragments of any order, errors about
// them, and frames that no service expects.
type mixture struct {
	r      *rand.Rand
	pieces [][]byte // fragments still to be sent, shuffled
}

func (m *mixture) frame() []byte {
	r := m.r
	src := netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + r.Intn(8))})
	if r.Intn(2) == 0 {
		src = netip.AddrFrom16([16]byte{0: 0x20, 1: 1, 2: 0x0d, 3: 0xb8, 5: 7, 15: byte(1 + r.Intn(8))})
	}
	port := uint16(1000 + r.Intn(40))
	if len(m.pieces) > 0 && r.Intn(2) == 0 {
		f := m.pieces[0]
		m.pieces = m.pieces[1:]
		return f
	}
	switch r.Intn(12) {
	case 0:
		return frametest.Random(r)
	case 1:
		return frametest.RandomError(r)
	case 2, 3:
		m.scatter(src, port)
		return m.frame()
	case 4:
		q := quoted{src: src, proto: frame.ProtoTCP, port: 80}
		return q.failure([]uint8{1, 2, 3, 4, 11}[r.Intn(5)], 0, 9, build.Quote(build.TCP{
			Src: netip.AddrPortFrom(vipFor(src), 80), Dst: netip.AddrPortFrom(src, port)}.Bytes(), 8))
	case 5:
		return sctp(src, port, []int{1, 1, 10, 0, 7, 6, 14, -1}[r.Intn(8)])
	case 6, 7:
		return gram{src: src, sport: port, proto: frame.ProtoUDP, port: uint16(52 + r.Intn(5)), n: r.Intn(1600)}.frame()
	}
	return build.TCP{Src: netip.AddrPortFrom(src, port), Dst: netip.AddrPortFrom(vipFor(src), []uint16{80, 80, 443, 81}[r.Intn(4)]),
		IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Flags: []string{"S", "S", "A", "A", "A", "FA", "R", ""}[r.Intn(8)]}.Bytes()
}

// scatter adds a datagram, in fragments, to those to be sent.
func (m *mixture) scatter(src netip.Addr, port uint16) {
	r := m.r
	f := gram{src: src, sport: port, proto: []frame.Proto{frame.ProtoUDP, frame.ProtoTCP}[r.Intn(2)], port: []uint16{53, 54, 55, 80}[r.Intn(4)],
		id: uint16(r.Intn(50)), n: 200 + r.Intn(1000)}.frame()
	m.pieces = append(m.pieces, cut(f, randomCuts(r, f, 2+r.Intn(4))...)...)
	r.Shuffle(len(m.pieces), func(i, j int) { m.pieces[i], m.pieces[j] = m.pieces[j], m.pieces[i] })
}

// An editor makes random edits in the services of a dual lab, and of all else
// that can be edited.
type editor struct {
	d *dataplane.Director
	r *rand.Rand
}

func (e editor) edit(now int64) {
	r := e.r
	v := []frame.Addr{vip, vip6}[r.Intn(2)]
	k := []dataplane.ServiceKey{on(v, frame.ProtoTCP, 80), on(v, frame.ProtoTCP, 443), on(v, frame.ProtoUDP, 53), on(v, frame.ProtoUDP, 54),
		on(v, frame.ProtoUDP, 55), on(v, frame.ProtoSCTP, 9000)}[r.Intn(6)]
	n := byte(1 + r.Intn(4))
	c := dataplane.ServerConfig{Addr: serverOf(k, n), Port: k.Port, Weight: r.Intn(3), Upper: r.Intn(2) * 20}
	s := dataplane.ServiceConfig{Key: k, Scheduler: deterministic[r.Intn(len(deterministic))], OnePacket: k.Port == 55}
	if k.Port == 443 || k.Port == 54 {
		s.Persistence = time.Minute
	}
	// Many are refused, which is no concern here.
	switch r.Intn(16) {
	case 0, 1, 2, 3:
		_ = e.d.AddServer(k, c)
	case 4, 5:
		_ = e.d.DelServer(k, c.Addr, c.Port, now)
	case 6, 7:
		_ = e.d.EditServer(k, c)
	case 8:
		if r.Intn(4) == 0 {
			_ = e.d.DelService(k, now)
		}
	case 9, 10:
		if e.d.AddService(s) != nil {
			_ = e.d.EditService(s)
		}
	case 11:
		mac := serverMAC(n)
		if r.Intn(4) == 0 {
			mac = frame.MAC{}
		}
		e.d.SetNeighbour(c.Addr, mac, dataplane.Link{Index: link.Index, MAC: link.MAC, MTU: []int{0, 600, 1500}[r.Intn(3)]})
	case 12:
		e.d.SetTunables(dataplane.Tunables{ExpireNodestConn: r.Intn(3) == 0, ExpireQuiescentTemplate: r.Intn(3) == 0,
			RescheduleSYN: r.Intn(2) == 0, ConnReuseMode: r.Intn(4), SloppyTCP: r.Intn(4) == 0, SloppySCTP: r.Intn(4) == 0, ScheduleICMP: r.Intn(3) == 0,
			DropEntry: r.Intn(4), DropPacket: r.Intn(4), SecureTCP: r.Intn(4), AMDropRate: r.Intn(20)})
	case 13:
		e.d.SetTimeouts(r.Intn(100), r.Intn(100), r.Intn(100))
	case 14:
		e.d.Defend(now, r.Uint64)
	default:
		e.d.Sweep(now, 1+r.Intn(e.d.Chunks()))
	}
}

// listen reads all there is to be read.
func listen(d *dataplane.Director) {
	d.Counters()
	d.Services()
	d.Conns(0)
	d.TableUse()
	d.NextExpiry(0)
	d.Tunables()
}

// meanwhile runs each of work again and again until stop is closed.
func meanwhile(stop chan struct{}, work ...func()) *sync.WaitGroup {
	var all sync.WaitGroup
	for _, w := range work {
		all.Add(1)
		go func() {
			defer all.Done()
			for {
				select {
				case <-stop:
					return
				default:
					w()
					runtime.Gosched()
				}
			}
		}()
	}
	return &all
}

// Four workers with traffic of all sorts, edits and listings at the same time:
// what is forwarded is forwarded rightly, every frame is counted once, in the
// end the servers' counts are what the table holds, and an hour later nothing
// is left of it.
func TestWorkersWithEverything(t *testing.T) {
	const workers, perBatch = 4, 32
	batches := int64(400)
	if raceEnabled {
		batches = 150
	}
	var tried dataplane.Counters                                        // by all, since it depends on the edits between
	for shards, entries := range map[int]int{1: 256, 2: 512, 4: 4096} { // with 2, two workers share a part of the table
		d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: entries * shards}, Workers: shards,
			Tunables: dataplane.DefaultTunables(), Limits: unlimited})
		if err != nil {
			t.Fatal(err)
		}
		l := &lab{t: t, d: d}
		d.SetVIPs([]frame.Addr{vip, vip6})
		for n := byte(1); n <= 4; n++ {
			l.neighbour(n, serverMAC(n), link)
		}
		dual(l)
		stop := make(chan struct{})
		e := editor{d, rand.New(rand.NewSource(99))}
		watching := meanwhile(stop, func() { e.edit(0) }, func() { listen(d) })
		var working sync.WaitGroup
		faults := make(chan error, workers)
		for w := range int64(workers) {
			working.Add(1)
			go func() {
				defer working.Done()
				faults <- labour(d, w, batches, perBatch)
			}()
		}
		working.Wait()
		close(stop)
		watching.Wait()
		for range workers {
			if err := <-faults; err != nil {
				t.Error(err)
			}
		}
		var sum uint64
		for _, n := range d.Counters() {
			sum += n
		}
		if want := uint64(workers * batches * perBatch); sum != want {
			t.Errorf("the counters add up to %d of %d frames", sum, want)
		}
		for r, n := range d.Counters() {
			tried[r] += n
		}
		if err := holds(d, batches*50e6); err != nil {
			t.Error(err)
		}
		for i := range int64(3) { // templates end after their connections
			d.Sweep((1e6+100*i)*1e9, d.Chunks())
		}
		if n, _, _ := d.TableUse(); n != 0 {
			t.Errorf("%d entries are left", n)
		}
		if err := holds(d, 1e6*1e9); err != nil {
			t.Error(err)
		}
	}
	for _, r := range []dataplane.Reason{dataplane.Hit, dataplane.Scheduled, dataplane.Related, dataplane.FragmentFollowed, dataplane.FragmentHeld} {
		if tried[r] < 50 {
			t.Errorf("only %d frames were %s: the traffic does not try it", tried[r], r)
		}
	}
}

// labour is the work of one worker.
func labour(d *dataplane.Director, worker, batches int64, perBatch int) error {
	m := &mixture{r: rand.New(rand.NewSource(worker))}
	s, b := d.NewScratch(int(worker)), dataplane.NewBatch()
	in := make([][]byte, perBatch)
	for n := range batches {
		b.Packets = b.Packets[:0]
		for i := range in {
			in[i] = m.frame()
			b.Packets = append(b.Packets, dataplane.Packet{Data: bytes.Clone(in[i])})
		}
		d.Process(s, b, n*50e6)
		for i := range in {
			p := &b.Packets[i]
			if p.Verdict != dataplane.Forward {
				if !bytes.Equal(in[i], p.Data) {
					return fmt.Errorf("%s: %s, but changed", frametest.Describe(in[i]), p.Reason)
				}
			} else if err := lawOfForwarding(in[i], p.Data); err != nil {
				return fmt.Errorf("%s: %s: %w", frametest.Describe(in[i]), p.Reason, err)
			}
		}
	}
	return nil
}
