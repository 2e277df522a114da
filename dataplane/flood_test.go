package dataplane_test

import (
	"math/rand"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame/build"
)

// A siege is a flood of SYNs among the packets of those whose connections were
// open before.
type siege struct {
	l       *lab
	r       *rand.Rand
	syn     []byte // to be given a source
	bufs    [][]byte
	open    [][]byte // a segment of each open connection
	server  []byte   // where each goes
	next    int      // the one to send its next segment
	syns    uint64
	hits    uint64
	clashes uint64 // SYNs of a source and port that came before
}

const siegeBatch = 256

func newSiege(t testing.TB, limit, open int) *siege {
	s := &siege{l: furnish(newLab(t, unlimited, limit)), r: rand.New(rand.NewSource(1)), syn: tcp(1, 80, "S")}
	for i := range open {
		port := uint16(1000 + i)
		s.server = append(s.server, s.l.handshake(port, 80))
		s.open = append(s.open, tcp(port, 80, "PA"))
	}
	for range siegeBatch {
		s.bufs = append(s.bufs, make([]byte, 64))
	}
	return s
}

// batch processes one batch of the flood, with one segment in it of an open
// connection.
func (s *siege) batch() {
	s.l.batch.Packets = s.l.batch.Packets[:0]
	for i, b := range s.bufs {
		if i == 77 {
			b = b[:copy(b, s.open[s.next])]
		} else {
			b = b[:copy(b, s.syn)]
			v := s.r.Uint64()
			b[26], b[27], b[28], b[29] = 1+byte(v)%100, byte(v>>8), byte(v>>16), byte(v>>24)
			b[34], b[35] = 128|byte(v>>32), byte(v>>40)
			b[24], b[25] = 0, 0
			sum := build.Checksum(b[14:34])
			b[24], b[25] = byte(sum>>8), byte(sum)
		}
		s.l.batch.Packets = append(s.l.batch.Packets, dataplane.Packet{Data: b})
	}
	s.l.d.Process(s.l.scratch, s.l.batch, s.l.now)
	*s.l.frames += siegeBatch
	for i := range s.l.batch.Packets {
		p := &s.l.batch.Packets[i]
		switch {
		case i == 77 && (p.Reason != dataplane.Hit || p.Data[5] != s.server[s.next]):
			s.l.t.Fatalf("after %d SYNs open connection %d is %s to server %d, was to %d", s.syns, s.next, p.Reason, p.Data[5], s.server[s.next])
		case i == 77:
			s.hits++
		case p.Reason == dataplane.Hit:
			s.clashes++
		case p.Reason == dataplane.Scheduled:
			s.syns++
		default:
			s.l.t.Fatalf("after %d SYNs one is %s", s.syns, p.Reason)
		}
	}
	s.next = (s.next + 1) % len(s.open)
}

// Ten times more SYNs than the table has room for, from everywhere, so fast that
// each has to make room for another before its time is up: no open connection
// loses its server, nothing is allocated beyond what there was, and the counts
// add up.
func TestFloodOfSYNs(t *testing.T) {
	floods, limit, open := long(uint64(1_000_000), 10_000_000), long(100_000, 1_000_000), 10_000
	if raceEnabled || testing.Short() {
		floods, limit, open = 100_000, 20_000, 1000
	}
	s := newSiege(t, limit, open)
	chunks, rate := s.l.d.Chunks(), limit/10 // SYNs a second; they would live for 60 s
	s.batch()
	before := heap()
	for s.syns < floods {
		s.batch()
		s.l.now += int64(siegeBatch * 1e9 / rate)
		s.l.d.Sweep(s.l.now, 1+chunks*siegeBatch/rate) // once around in a second
	}
	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("%d SYNs took %d bytes", s.syns, grown)
	}
	entries, _, evicted := s.l.d.TableUse()
	counts := s.l.d.Counters()
	var conns, held uint64
	for _, n := range []byte{1, 2} {
		r := s.l.server(tcpService(80), n)
		conns += r.Traffic.Conns
		held += uint64(r.Active + r.Inactive)
	}
	made := s.syns + uint64(open)
	switch {
	case entries > limit || entries < limit*9/10 || evicted == 0 || evicted > made-uint64(entries):
		t.Errorf("%d entries of %d, %d evicted of %d: the table was not full", entries, limit, evicted, made)
	case conns != made || held != uint64(entries):
		t.Errorf("the servers count %d connections, of which they hold %d; %d were made, the table holds %d", conns, held, made, entries)
	case counts[dataplane.Scheduled] != made || counts[dataplane.Hit] != s.hits+s.clashes+uint64(open):
		t.Errorf("%v, want %d scheduled and %d hits", counts.Map(), made, s.hits+s.clashes+uint64(open))
	}
	for range s.open { // every one of them is still there
		f := append([]byte{}, s.open[s.next]...)
		s.l.expect(f, dataplane.Hit, s.server[s.next])
		s.next = (s.next + 1) % len(s.open)
	}
}
