package memport

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"lvsdr/dataplane"
)

func frameOf(n int) []byte {
	f := make([]byte, 60)
	f[0], f[1] = byte(n>>8), byte(n)
	return f
}

func number(f []byte) int { return int(f[0])<<8 | int(f[1]) }

func recv(t *testing.T, p *NIC, b *dataplane.Batch) {
	t.Helper()
	if err := p.Recv(b); err != nil {
		t.Fatal(err)
	}
}

func TestFramesComeOutInOrderAcrossBatchesAndWraps(t *testing.T) {
	p := New(Config{Index: 7, Capacity: 5, Batch: 3})
	b := dataplane.NewBatch()
	fed, got := 0, 0
	for range 20 {
		for fed-got < 5 {
			if p.Feed(frameOf(fed)) != 1 {
				t.Fatalf("frame %d found no room among %d", fed, fed-got)
			}
			fed++
		}
		recv(t, p, b)
		if b.In != 7 || len(b.Packets) != 3 {
			t.Fatalf("batch of %d from interface %d, want 3 from 7", len(b.Packets), b.In)
		}
		for i := range b.Packets {
			if n := number(b.Packets[i].Data); n != got {
				t.Fatalf("frame %d, want %d", n, got)
			}
			got++
		}
	}
	if s := p.Stats(); s.Received != uint64(got) || s.Missed != 0 {
		t.Fatalf("stats %+v after %d frames", s, got)
	}
}

func TestWhatFindsNoRoomIsMissed(t *testing.T) {
	p := New(Config{Capacity: 2})
	if n := p.Feed(frameOf(0), frameOf(1), frameOf(2)); n != 2 {
		t.Fatalf("%d frames found room in 2 places", n)
	}
	if s := p.Stats(); s.Missed != 1 {
		t.Fatalf("missed %d, want 1", s.Missed)
	}
}

func TestFedFramesAndWhatThePortKnowsAreCopied(t *testing.T) {
	p := New(Config{})
	f := frameOf(1)
	p.FeedFrame(Frame{Data: f, GSOSize: 1448, Partial: true, Mark: 9})
	f[20] = 99
	p.Feed(frameOf(2))
	b := dataplane.NewBatch()
	recv(t, p, b)
	if k := &b.Packets[0]; k.Data[20] != 0 || k.GSOSize != 1448 || !k.Partial || k.Mark != 9 {
		t.Fatalf("first packet %+v", k)
	}
	if k := &b.Packets[1]; k.GSOSize != 0 || k.Partial || k.Mark != 0 {
		t.Fatalf("an ordinary frame got the marks of its predecessor: %+v", k)
	}
}

func TestOnlyForwardedFramesAndRepliesAreCollected(t *testing.T) {
	p := New(Config{Collect: true})
	p.Feed(frameOf(1), frameOf(2))
	b := dataplane.NewBatch()
	recv(t, p, b)
	b.Packets[1].Verdict, b.Packets[1].Out = dataplane.Forward, 4
	b.Packets[1].Data[20] = 5
	reply := frameOf(3)
	b.Replies = append(b.Replies, dataplane.Reply{Data: reply, Out: 6})
	if err := p.Send(b); err != nil {
		t.Fatal(err)
	}
	clear(b.Packets[1].Data)
	clear(reply)
	sent := p.Sent()
	if len(sent) != 2 || number(sent[0].Data) != 2 || sent[0].Data[20] != 5 || sent[0].Out != 4 || sent[0].Reply ||
		number(sent[1].Data) != 3 || sent[1].Out != 6 || !sent[1].Reply {
		t.Fatalf("sent %+v", sent)
	}
	if again := p.Sent(); len(again) != 0 || p.Stats().Sent != 2 {
		t.Fatalf("second reading gives %d frames, stats %+v", len(again), p.Stats())
	}
}

// TestSegmentsAreCollectedInPlaceOfTheirSuperFrame: whole, in order; the frame itself is not.
func TestSegmentsAreCollectedInPlaceOfTheirSuperFrame(t *testing.T) {
	p := New(Config{Collect: true})
	p.Feed(frameOf(1), frameOf(2))
	b := dataplane.NewBatch()
	recv(t, p, b)
	for i := range 3 {
		f := frameOf(10 + i)
		b.Segments = append(b.Segments, dataplane.Reply{Data: f[:20], Body: f[20:], Out: 7})
	}
	b.Packets[0].Verdict, b.Packets[0].First, b.Packets[0].Segments = dataplane.Forward, 1, 2
	b.Packets[1].Verdict, b.Packets[1].Out = dataplane.Forward, 4
	if err := p.Send(b); err != nil {
		t.Fatal(err)
	}
	sent := p.Sent()
	if len(sent) != 3 || number(sent[0].Data) != 11 || number(sent[1].Data) != 12 || sent[0].Out != 7 || number(sent[2].Data) != 2 || sent[2].Out != 4 {
		t.Fatalf("sent %+v", sent)
	}
	p.Feed(frameOf(3))
	if recv(t, p, b); b.Packets[0].Segments != 0 {
		t.Error("a frame has the segments of its predecessor")
	}
}

func TestRepeatHandsOutFreshCopiesInTurn(t *testing.T) {
	for _, capacity := range []int{3, 4, 10} { // 3: the queue is full
		p := New(Config{Repeat: true, Batch: 4, Capacity: capacity})
		p.Feed(frameOf(0), frameOf(1), frameOf(2))
		b := dataplane.NewBatch()
		for n := 0; n < 40; {
			recv(t, p, b)
			for i := range b.Packets {
				if !bytes.Equal(b.Packets[i].Data, frameOf(n%3)) {
					t.Fatalf("capacity %d: hand-out %d is % x", capacity, n, b.Packets[i].Data[:24])
				}
				b.Packets[i].Data[20]++ // as a director edits it
				n++
			}
		}
	}
}

func TestStopWakesRecv(t *testing.T) {
	p := New(Config{})
	done := make(chan error)
	go func() { done <- p.Recv(dataplane.NewBatch()) }()
	if err := p.Drain(); err != nil { // Recv waits now
		t.Fatal(err)
	}
	p.Stop()
	p.Stop()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Fatalf("recv after stop: %v", err)
	}
	p.Feed(frameOf(1))
	if err := p.Recv(dataplane.NewBatch()); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("recv of a fed frame after stop: %v", err)
	}
}

func TestDrainWaitsUntilTheLastBatchWasSent(t *testing.T) {
	p := New(Config{Collect: true, Batch: 2})
	done := make(chan error)
	go func() {
		b := dataplane.NewBatch()
		for {
			if err := p.Recv(b); err != nil {
				done <- err
				return
			}
			for i := range b.Packets {
				b.Packets[i].Verdict = dataplane.Forward
			}
			_ = p.Send(b)
		}
	}()
	for round := range 50 {
		for i := range 5 {
			p.Feed(frameOf(i))
		}
		if err := p.Drain(); err != nil {
			t.Fatal(err)
		}
		if n := len(p.Sent()); n != 5 {
			t.Fatalf("round %d: %d of 5 frames sent after drain", round, n)
		}
	}
	p.Stop()
	<-done
	if err := p.Drain(); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("drain after stop: %v", err)
	}
}

func TestNothingIsAllocatedWithoutCollecting(t *testing.T) {
	fed := frameOf(1)
	for _, repeat := range []bool{false, true} {
		p := New(Config{Capacity: 8, Repeat: repeat})
		b := dataplane.NewBatch()
		step := func() {
			p.Feed(fed)
			if err := p.Recv(b); err != nil {
				t.Fatal(err)
			}
			b.Packets[0].Verdict = dataplane.Forward
			_ = p.Send(b)
		}
		for range 100 { // every buffer once
			step()
		}
		if n := testing.AllocsPerRun(1000, step); n != 0 {
			t.Errorf("repeat %v: %v allocations per batch", repeat, n)
		}
	}
}

func BenchmarkRecvSend(b *testing.B) {
	p := New(Config{Repeat: true})
	for i := range 256 {
		p.Feed(frameOf(i))
	}
	batch := dataplane.NewBatch()
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Recv(batch); err != nil {
			b.Fatal(err)
		}
		for i := range batch.Packets {
			batch.Packets[i].Verdict = dataplane.Forward
		}
		_ = p.Send(batch)
	}
	b.ReportMetric(float64(p.Stats().Sent)/b.Elapsed().Seconds(), "frames/s")
}

// Before each frame is the room that is promised, and a frame that was made
// longer there is sent this way.
func TestFramesHaveHeadroom(t *testing.T) {
	p := New(Config{Collect: true})
	b := dataplane.NewBatch()
	for round := range 3 {
		p.Feed(frameOf(round), frameOf(round+1))
		recv(t, p, b)
		for i := range b.Packets {
			k := &b.Packets[i]
			if len(k.Front) < dataplane.Headroom {
				t.Fatalf("%d bytes before the frame, %d are promised", len(k.Front), dataplane.Headroom)
			}
			copy(k.Prepend(dataplane.Headroom), bytes.Repeat([]byte{7}, dataplane.Headroom))
			k.Verdict = dataplane.Forward
		}
		if err := p.Send(b); err != nil {
			t.Fatal(err)
		}
		for i, f := range p.Sent() {
			if want := append(bytes.Repeat([]byte{7}, dataplane.Headroom), frameOf(round+i)...); !bytes.Equal(f.Data, want) {
				t.Errorf("sent % x", f.Data)
			}
		}
	}
}

// Wake lets Recv return once without frames, also if it comes before.
func TestWakeLetsRecvReturnOnce(t *testing.T) {
	p := New(Config{})
	b := dataplane.NewBatch()
	done := make(chan error)
	recv := func() { done <- p.Recv(b) }
	go recv()
	if err := p.Drain(); err != nil { // Recv waits now
		t.Fatal(err)
	}
	p.Wake()
	if err := <-done; err != nil || len(b.Packets) != 0 {
		t.Fatalf("woken: %v, %d frames", err, len(b.Packets))
	}
	p.Wake()
	p.Wake()
	if err := p.Recv(b); err != nil || len(b.Packets) != 0 {
		t.Fatalf("woken before: %v, %d frames", err, len(b.Packets))
	}
	p.Wake()
	p.Feed(frameOf(1))
	if err := p.Recv(b); err != nil || len(b.Packets) != 1 {
		t.Fatalf("with a frame: %v, %d frames", err, len(b.Packets))
	}
	go recv()
	if err := p.Drain(); err != nil { // it waits: the Wake was used up
		t.Fatal(err)
	}
	p.Stop()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Fatalf("after stop: %v", err)
	}
	p.Wake()
	if err := p.Recv(b); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("woken after stop: %v", err)
	}
}

// What is fed to a NIC that is stopped is handed out when it is started again.
func TestAStoppedNICGoesOn(t *testing.T) {
	p := New(Config{})
	b := dataplane.NewBatch()
	p.Stop()
	p.Feed(make([]byte, 60), make([]byte, 61))
	if err := p.Recv(b); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("a stopped one gives %v", err)
	}
	p.Start()
	if err := p.Recv(b); err != nil || len(b.Packets) != 2 || len(b.Packets[1].Data) != 61 {
		t.Errorf("%v, %d frames", err, len(b.Packets))
	}
}
