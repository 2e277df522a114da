package tap

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
	"github.com/vishvananda/netlink"
	"golang.org/x/net/bpf"

	"lvsdr/bench/netns"
)

// patience bounds waits that normally end at once.
const patience = 20 * time.Second

// pair is two hosts on a switch, with a UDP socket open on the second.
type pair struct {
	a, b *netns.Host
	sw   *netns.Switch
	at   net.PacketConn // 10.0.0.2:9 on b
	to   net.Conn       // from a to it
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{a: netns.NewTestHost(t, "a", netns.HostConfig{}), b: netns.NewTestHost(t, "b", netns.HostConfig{})}
	sw, err := netns.NewSwitch("sw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOK(t, sw) })
	p.sw = sw
	for h, addr := range map[*netns.Host]string{p.a: "10.0.0.1/24", p.b: "10.0.0.2/24"} {
		if err := sw.Connect(t.Context(), h, netns.Cable{Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}}); err != nil {
			t.Fatal(err)
		}
	}
	if p.at, err = p.b.ListenPacket("udp", "10.0.0.2:9"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOK(t, p.at) })
	if p.to, err = p.a.Dial(t.Context(), "udp", "10.0.0.2:9"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOK(t, p.to) })
	p.send(t, []byte("who is where")) // ARP is done after this
	return p
}

func closeOK(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// send sends a datagram from a to b and waits until b has it.
func (p *pair) send(t *testing.T, data []byte) {
	t.Helper()
	if _, err := p.to.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := p.at.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, len(data)+1)
	if n, _, err := p.at.ReadFrom(buf); err != nil || !bytes.Equal(buf[:n], data) {
		t.Fatalf("received %q, %v; want %q", buf[:n], err, data)
	}
}

func capture(t *testing.T, h *netns.Host, c Config) *Capture {
	t.Helper()
	var p *Capture
	if err := h.Do(func() (err error) {
		p, err = Start(h.Name(), "eth0", c)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestCaptureHasWhatTheCallerHasObserved(t *testing.T) {
	p := newPair(t)
	sent, got := capture(t, p.a, Config{}), capture(t, p.b, Config{})
	for i := 1; i <= 50; i++ {
		p.send(t, []byte{byte(i)})
		// No waiting here: that is the law.
		for _, c := range []*Capture{sent, got} {
			frames := c.Frames()
			if len(frames) != i {
				t.Fatalf("after %d datagrams %d frames on %s", i, len(frames), c.host)
			}
			f := frames[i-1]
			if f.Outgoing != (c == sent) || f.Host != c.host || f.Ifname != "eth0" || f.Data[42] != byte(i) {
				t.Errorf("frame %d on %s: %+v", i, c.host, f)
			}
		}
	}
	a, b := sent.Frames(), got.Frames()
	for i := range a {
		if b[i].Time.Before(a[i].Time) || !bytes.Equal(a[i].Data, b[i].Data) {
			t.Errorf("frame %d left at %v and came in at %v", i, a[i].Time, b[i].Time)
		}
	}
}

func TestCaptureIsOverAfterStop(t *testing.T) {
	p := newPair(t)
	c := capture(t, p.b, Config{})
	p.send(t, []byte("before"))
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	p.send(t, []byte("after"))
	if err := c.Stop(); err != nil {
		t.Errorf("second stop: %v", err)
	}
	if n := len(c.Frames()); n != 1 {
		t.Errorf("%d frames, want the one before Stop", n)
	}
}

func TestCaptureFilters(t *testing.T) {
	p := newPair(t)
	// Only frames whose first payload byte is 'x', found by the kernel.
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 42, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 'x', SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	kernel := capture(t, p.b, Config{BPF: prog})
	user := capture(t, p.b, Config{Filter: func(data []byte) bool { return data[42] == 'x' }})
	all := capture(t, p.b, Config{})
	for _, s := range []string{"x1", "y1", "x2"} {
		p.send(t, []byte(s))
	}
	for c, want := range map[*Capture]int{kernel: 2, user: 2, all: 3} {
		if n := len(c.Frames()); n != want {
			t.Errorf("%d frames, want %d", n, want)
		}
	}
}

func TestCaptureIsBounded(t *testing.T) {
	p := newPair(t)
	data := make([]byte, 1000)
	const frame = 1000 + 42
	c := capture(t, p.b, Config{MaxBytes: 3*(frame+frameOverhead) + 1})
	for range 10 {
		p.send(t, data)
	}
	if n, lost := len(c.Frames()), c.Lost(); n != 3 || lost != 7 {
		t.Errorf("%d frames and %d lost, want 3 and 7", n, lost)
	}
}

func TestCaptureSurvivesADownLink(t *testing.T) {
	p := newPair(t)
	c := capture(t, p.b, Config{Filter: func(data []byte) bool { return data[12] == 8 && data[13] == 0 }})
	p.send(t, []byte("before"))
	link, err := p.b.Netlink().LinkByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	if err := p.b.Netlink().LinkSetDown(link); err != nil {
		t.Fatal(err)
	}
	netns.Eventually(t, "the switch notices", func() bool {
		port, err := p.sw.Netlink().LinkByName("b")
		return err == nil && port.Attrs().OperState != netlink.OperUp
	})
	if n := len(c.Frames()); n != 1 {
		t.Errorf("%d frames while the link is down, want 1", n)
	}
	if err := p.b.Netlink().LinkSetUp(link); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.b.WaitUp(t.Context(), "eth0"), p.sw.WaitUp(t.Context(), "b")); err != nil {
		t.Fatal(err)
	}
	p.send(t, []byte("after"))
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if n := len(c.Frames()); n != 2 {
		t.Errorf("%d frames, want 2", n)
	}
}

func TestCaptureMayBeUsedFromManyGoroutines(t *testing.T) {
	p := newPair(t)
	c := capture(t, p.b, Config{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				c.Frames()
				c.Lost()
			}
			if err := c.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	for range 100 {
		p.send(t, []byte("z"))
	}
	wg.Wait()
	if n := len(c.Frames()); n > 100 {
		t.Errorf("%d frames of 100", n)
	}
}

func TestCaptureOfNoInterface(t *testing.T) {
	h := netns.NewTestHost(t, "h", netns.HostConfig{})
	for host, want := range map[string]string{"": "capture on eth7: ", "h": "capture on eth7 of h: "} {
		err := h.Do(func() error {
			_, err := Start(host, "eth7", Config{})
			return err
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s...", err, want)
		}
	}
}

func TestPcapngHoldsAllPlacesInTheOrderOfTime(t *testing.T) {
	p := newPair(t)
	sent, got := capture(t, p.a, Config{}), capture(t, p.b, Config{})
	for i := range 5 {
		p.send(t, []byte{byte(i)})
	}
	var file bytes.Buffer
	if err := WritePcapng(&file, nil, got.Frames(), sent.Frames()); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		data, ci, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			if i != 10 {
				t.Errorf("%d packets, want 10", i)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		place := []string{"a/eth0", "b/eth0"}[i%2] // each datagram leaves a, then reaches b
		from := [][]Frame{sent.Frames(), got.Frames()}[i%2][i/2]
		in, err := r.Interface(ci.InterfaceIndex)
		if err != nil || in.Name != place || !ci.Timestamp.Equal(from.Time) || !bytes.Equal(data, from.Data) {
			t.Errorf("packet %d: %s %v, want %s %v (%v)", i, in.Name, ci.Timestamp, place, from.Time, err)
		}
	}
}
