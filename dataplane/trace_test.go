package dataplane_test

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// trace starts one until the test ends.
func (l *lab) trace(c dataplane.TraceConfig) *dataplane.Trace {
	l.t.Helper()
	tr, err := l.d.StartTrace(c)
	l.must(err)
	l.t.Cleanup(tr.Stop)
	return tr
}

// A trace sees every frame with what Process said about it, and the bytes that
// left.
func TestATraceSeesTheDecisions(t *testing.T) {
	l := defaultLab(t)
	tr := l.trace(dataplane.TraceConfig{SnapLen: 60})
	for _, f := range [][]byte{tcp(1000, 80, "S"), tcp(1000, 80, "A"), tcp(1000, 81, "S"), udp(5, 53), {1, 2, 3}} {
		l.now += 5
		want := l.send(f)
		got, lost := tr.Take()
		if len(got) != 1 || lost != 0 {
			t.Fatalf("%d frames, %d lost", len(got), lost)
		}
		g := got[0]
		out, server := int32(0), frame.Addr{}
		if want.server != 0 {
			out, server = link.Index, serverAddr(want.server)
		}
		if g.Time != l.now || g.In != clientSide || g.Out != out || g.Verdict != want.verdict || g.Reason != want.reason ||
			g.Server != server || g.Length != len(want.data) || !bytes.Equal(g.Data, want.data[:min(len(want.data), 60)]) {
			t.Errorf("traced %+v of %+v", g, want)
		}
		if want.reason != dataplane.ShortFrame && (g.Header.DstPort < 53 || g.Header.Dst != vip) {
			t.Errorf("its header is %+v", g.Header)
		}
	}
	tr.Stop()
	l.send(tcp(1, 80, "S"))
	if got, _ := tr.Take(); len(got) != 0 {
		t.Error("a trace that has ended goes on")
	}
}

func TestThereIsOneTraceAtATime(t *testing.T) {
	l := defaultLab(t)
	tr := l.trace(dataplane.TraceConfig{})
	if _, err := l.d.StartTrace(dataplane.TraceConfig{}); !errors.Is(err, dataplane.ErrTraced) {
		t.Errorf("error %v", err)
	}
	tr.Stop()
	l.trace(dataplane.TraceConfig{})
	tr.Stop() // does not end its successor
	if _, err := l.d.StartTrace(dataplane.TraceConfig{}); !errors.Is(err, dataplane.ErrTraced) {
		t.Errorf("error %v", err)
	}
}

func TestATraceTakesASampleOfWhatMatches(t *testing.T) {
	l := defaultLab(t)
	tr := l.trace(dataplane.TraceConfig{Sample: 3, Match: func(f *dataplane.Traced) bool { return f.Reason == dataplane.Hit }})
	l.handshake(1000, 80) // one of them is a hit
	for range 9 {
		l.expect(tcp(1000, 80, "A"), dataplane.Hit, 2)
	}
	if got, lost := tr.Take(); len(got) != 4 || lost != 0 {
		t.Errorf("%d of 10 hits were taken, %d lost", len(got), lost)
	}
}

// What finds no room is counted, and the next Take makes room.
func TestATraceCountsWhatItHasNoRoomFor(t *testing.T) {
	l := defaultLab(t)
	for _, c := range []dataplane.TraceConfig{{Room: 4}, {SnapLen: 40, Bytes: 170}} {
		tr := l.trace(c)
		for range 3 {
			for range 10 {
				l.send(tcp(1000, 80, "S"))
			}
			if got, lost := tr.Take(); len(got) != 4 || lost != 6 {
				t.Errorf("%d of 10 were taken, %d lost", len(got), lost)
			}
		}
		tr.Stop()
	}
}

func TestATraceDoesNotAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	l := defaultLab(t)
	match := func(f *dataplane.Traced) bool { return f.Header.DstPort == 80 }
	for _, c := range []dataplane.TraceConfig{{Match: match, SnapLen: 96}, {Room: 16}} {
		tr := l.trace(c)
		w := newLoad(l, 32, false, func(i int) []byte { return tcp(uint16(1000+i), 80, "S") })
		if n := testing.AllocsPerRun(300, func() { w.turn(); tr.Take() }); n != 0 {
			t.Errorf("%v allocations a batch, want 0", n)
		}
		if n := testing.AllocsPerRun(300, w.turn); n != 0 { // the room runs full
			t.Errorf("%v allocations a batch in a full room, want 0", n)
		}
		tr.Stop()
	}
}

// Nothing is lost silently, whoever comes and goes: what was taken and what was
// counted as lost are all frames.
func TestATraceOfSeveralWorkersLosesNothingSilently(t *testing.T) {
	const workers, batches, size = 4, 200, 32
	l := makeLab(t, unlimited, workers<<12, workers)
	furnish(l)
	tr := l.trace(dataplane.TraceConfig{SnapLen: 64, Room: 500})
	var all sync.WaitGroup
	for n := range workers {
		s := l.d.NewScratch(n)
		all.Go(func() {
			b := dataplane.NewBatch()
			for i := range batches {
				b.Packets = b.Packets[:0]
				for j := range size {
					b.Packets = append(b.Packets, dataplane.Packet{Data: tcp(uint16(1024+n*10000+(i*size+j)%9000), 80, "S")})
				}
				l.d.Process(s, b, int64(i))
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	taken, gone := 0, uint64(0)
	for end := false; !end; {
		select {
		case <-done:
			end = true // and once more, for the rest
		default:
		}
		frames, lost := tr.Take()
		taken, gone = taken+len(frames), gone+lost
		for _, f := range frames {
			if f.Header.DstPort != 80 || len(f.Data) == 0 {
				t.Fatalf("traced %+v", f)
			}
		}
	}
	if uint64(taken)+gone != workers*batches*size || taken == 0 {
		t.Errorf("%d taken and %d lost of %d", taken, gone, workers*batches*size)
	}
}

// BenchmarkTrace measures a batch of hits, with a trace and without.
func BenchmarkTrace(b *testing.B) {
	for _, c := range []struct {
		name string
		on   bool
		dataplane.TraceConfig
	}{
		{name: "off"},
		{name: "on, nothing matches", on: true, TraceConfig: dataplane.TraceConfig{Match: func(f *dataplane.Traced) bool { return f.Header.DstPort == 9 }}},
		{name: "on", on: true},
		{name: "on, 96 bytes", on: true, TraceConfig: dataplane.TraceConfig{SnapLen: 96}},
	} {
		b.Run(c.name, func(b *testing.B) {
			l := defaultLab(b)
			for i := range 64 {
				l.send(tcp(uint16(1000+i), 80, "S"))
			}
			w := newLoad(l, 64, false, func(i int) []byte { return tcp(uint16(1000+i), 80, "A") })
			var tr *dataplane.Trace
			if c.on {
				tr = l.trace(c.TraceConfig)
			}
			b.ReportAllocs()
			for b.Loop() {
				w.turn()
				if tr != nil {
					tr.Take()
				}
			}
			b.ReportMetric(float64(b.N)*64/b.Elapsed().Seconds(), "frames/s")
			if tr != nil {
				tr.Stop()
			}
		})
	}
}
