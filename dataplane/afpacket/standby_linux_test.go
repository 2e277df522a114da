package afpacket

import (
	"errors"
	"net/netip"
	"os"
	"testing"
	"time"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// numbers are those of the frames that p hands out until the frame last.
func numbers(t *testing.T, p *NIC, last int) map[int]int {
	t.Helper()
	seen := map[int]int{}
	for _, f := range collect(t, p, dataplane.NewBatch(), isNumber(last)) {
		seen[numberOf(f)]++
	}
	return seen
}

// A process hands its work to another one on the same interface while frames come. Each frame comes
// out of one of the two; those that came at the time of the cut may come out of both.
func TestNoFrameIsLostBetweenTwoNICs(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	cfg := Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}}
	old := open(t, cfg)
	c := openIn(t, l.client, l.c0)
	send := func(from, to int) {
		for n := from; n < to; n++ {
			transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, n, 60+n%1500))
		}
	}
	send(0, 50)
	next := open(t, cfg)
	send(50, 100)
	next.Thin()
	send(100, 150)
	seen := numbers(t, old, 149) // the old one works until here
	send(150, 200)
	next.Thin() // what the old one has not taken yet stays
	old.Stop()
	cut, ok := old.Oldest()
	if !ok {
		t.Fatal("no frame waits in the old one")
	}
	next.Discard(cut - int64(time.Millisecond)/2)
	send(200, 210)
	for n, times := range numbers(t, next, 209) {
		seen[n] += times
	}
	twice := 0
	for n := range 210 {
		switch seen[n] {
		case 0:
			t.Errorf("frame %d is lost", n)
		case 1:
		case 2:
			twice++
		default:
			t.Errorf("frame %d came out %d times", n, seen[n])
		}
	}
	t.Logf("%d frames came out of both", twice)
	if s := next.Stats(); s.Missed+s.MissedSYN+s.Truncated != 0 {
		t.Errorf("the new one counts %+v", s)
	}
}

// One that stands by keeps what came last, so that its rings always have room for more.
func TestThinKeepsAboutHalfARing(t *testing.T) {
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	slots := len(p.ring.offs)
	sent := 0
	for range 3 * slots / 100 {
		for range 100 {
			transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, sent, 60))
			sent++
		}
		p.Thin()
	}
	seen := numbers(t, p, sent-1)
	if n := len(seen); n < slots/2-100 || n > slots/2 || p.Stats().Missed != 0 {
		t.Errorf("%d of %d frames wait in a ring of %d, and %d found no room", n, sent, slots, p.Stats().Missed)
	}
	for n := range len(seen) {
		if seen[sent-1-n] != 1 {
			t.Errorf("frame %d of %d is not there", sent-1-n, sent)
		}
	}
}

// The one that hands over keeps its ring until the other one has taken over: if that does not come about it
// goes on, and has lost nothing.
func TestAStoppedNICGoesOnWithWhatHasCome(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	b := dataplane.NewBatch()
	for round := range 3 {
		p.Stop()
		if err := p.Recv(b); !errors.Is(err, os.ErrClosed) {
			t.Fatalf("a stopped one gives %v", err)
		}
		first := 10 * round
		for n := range 10 {
			transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, first+n, 60))
		}
		p.Start()
		if seen := numbers(t, p, first+9); len(seen) != 10 {
			t.Errorf("round %d: it hands out %d of 10 frames that came while it was stopped", round, len(seen))
		}
	}
}

// What is discarded is gone from both rings and from the queue of frames that are longer than a slot, and what came
// later is as it was.
func TestDiscardEmptiesBothRingsAndTheQueue(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}, SlotFrame: 200})
	c := openIn(t, l.client, l.c0)
	syn := func(port uint16) []byte {
		return build.TCP{Src: netip.AddrPortFrom(labClient, port), Dst: netip.AddrPortFrom(labVIP, 80), Flags: "S",
			IP: build.IP{SrcMAC: frame.MAC(l.c0.HardwareAddr), DstMAC: frame.MAC(l.d0.HardwareAddr)}}.Bytes()
	}
	if _, ok := p.Oldest(); ok {
		t.Error("a frame waits in an empty ring")
	}
	n := 0
	for range 30 { // more long ones than a batch has room for
		transmit(t, c, l.c0, syn(1), frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1, 60), frameTo(l.c0, l.d0.HardwareAddr, labVIP, 2, 1000))
		n += 3
	}
	at, ok := p.Oldest()
	if now := time.Now().UnixNano(); !ok || at > now || at < now-int64(time.Minute) {
		t.Errorf("the first of them came at %v, %v", time.Unix(0, at), ok)
	}
	if got := p.Discard(at); got != 0 {
		t.Errorf("%d came before the first", got)
	}
	if got := p.Discard(always); got != n {
		t.Errorf("%d are discarded, want %d", got, n)
	}
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 8, 1200), frameTo(l.c0, l.d0.HardwareAddr, labVIP, 9, 60))
	if got := collect(t, p, dataplane.NewBatch(), isNumber(9)); len(got) != 2 || len(got[0]) != 1200 || numberOf(got[0]) != 8 {
		t.Errorf("after that %d frames come out", len(got))
	}
}
