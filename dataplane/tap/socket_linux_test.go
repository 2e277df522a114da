package tap

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"

	"golang.org/x/net/bpf"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// open opens a socket on an interface of h, which is closed when the test ends.
func open(t *testing.T, h *netns.Host, ifname string, filter []bpf.RawInstruction) (s *Socket, mac frame.MAC) {
	t.Helper()
	netns.Require(t)
	err := h.Do(func() error {
		ifi, err := net.InterfaceByName(ifname)
		if err != nil {
			return err
		}
		copy(mac[:], ifi.HardwareAddr)
		s, err = Open(ifi.Index, filter)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // some tests have closed it
	return s, mac
}

// cable is two hosts with a cable between their eth0.
func cable(t *testing.T) (a, b *netns.Host) {
	t.Helper()
	a, b = netns.NewTestHost(t, "a", netns.HostConfig{}), netns.NewTestHost(t, "b", netns.HostConfig{})
	at := func(addr string) netns.Cable { return netns.Cable{Addrs: []netip.Prefix{netip.MustParsePrefix(addr)}} }
	if err := netns.Lay(t.Context(), a, at("10.0.0.1/24"), b, at("10.0.0.2/24")); err != nil {
		t.Fatal(err)
	}
	return a, b
}

// mine is a frame that nobody else sends.
func mine(src, dst frame.MAC, text string) []byte {
	return build.UDP{Src: netip.MustParseAddrPort("192.0.2.1:1"), Dst: netip.MustParseAddrPort("192.0.2.2:2"),
		IP: build.IP{SrcMAC: src, DstMAC: dst}, Payload: []byte(text)}.Bytes()
}

// next receives frames until one is to UDP port 2.
func next(t *testing.T, s *Socket) (f Frame, h frame.Header) {
	t.Helper()
	for {
		f, err := s.Receive()
		if err != nil {
			t.Fatal(err)
		}
		if frame.Parse(f.Data, &h); h.Proto == frame.ProtoUDP && h.DstPort == 2 {
			return f, h
		}
	}
}

func TestWhatOneSendsTheOtherReceives(t *testing.T) {
	a, b := cable(t)
	from, macA := open(t, a, "eth0", nil)
	sees, _ := open(t, a, "eth0", nil) // the kernel does not show a socket what it sends itself
	to, macB := open(t, b, "eth0", nil)
	for _, text := range []string{"one", "two"} {
		want := mine(macA, macB, text)
		if err := from.Send(want); err != nil {
			t.Fatal(err)
		}
		f, _ := next(t, to)
		if !bytes.Equal(f.Data, want) || f.Outgoing || f.Unfinished || f.Time.IsZero() {
			t.Errorf("received %+v, want % x", f, want)
		}
		if f, _ = next(t, sees); !bytes.Equal(f.Data, want) || !f.Outgoing {
			t.Errorf("saw go out %+v, want % x", f, want)
		}
	}
	if err := from.Send(make([]byte, 13)); err == nil {
		t.Error("13 bytes are no frame, but were sent")
	}
}

// The kernel takes the tag out of what comes in before a socket sees it, and
// tells it beside the frame: here it is in the frame again, whatever its kind,
// priority and number.
func TestVLANTagsAreWhereTheyWere(t *testing.T) {
	a, b := cable(t)
	from, macA := open(t, a, "eth0", nil)
	sees, _ := open(t, a, "eth0", nil)
	to, macB := open(t, b, "eth0", nil)
	for _, tag := range [][4]byte{{0x81, 0, 0, 5}, {0x81, 0, 0xef, 0xfe}, {0x88, 0xa8, 0x20, 9}, {0x81, 0, 0xe0, 0}} {
		want := mine(macA, macB, "tagged")
		want = slices.Concat(want[:12], tag[:], want[12:])
		if err := from.Send(want); err != nil {
			t.Fatal(err)
		}
		for _, s := range []*Socket{sees, to} {
			if f, h := next(t, s); !bytes.Equal(f.Data, want) || h.L3 != 18 {
				t.Errorf("outgoing %v: % x, want % x", f.Outgoing, f.Data, want)
			}
		}
	}
}

// A virtual cable never finishes the checksums of what a host sends itself; of
// those the kernel says so.
func TestUnfinishedChecksumsAreToldApart(t *testing.T) {
	p := newPair(t)
	to := capture(t, p.b, Config{})
	p.send(t, []byte("by the stack"))
	from, macA := open(t, p.a, "eth0", nil)
	_, macB := open(t, p.b, "eth0", nil)
	if err := from.Send(build.UDP{Src: netip.MustParseAddrPort("10.0.0.1:1"), Dst: netip.MustParseAddrPort("10.0.0.2:9"),
		IP: build.IP{SrcMAC: macA, DstMAC: macB}, Payload: []byte("by hand")}.Bytes()); err != nil {
		t.Fatal(err)
	}
	netns.Eventually(t, "both have come in", func() bool { return len(to.Frames()) == 2 })
	for i, f := range to.Frames() {
		var h frame.Header
		frame.Parse(f.Data, &h)
		if f.Unfinished != (i == 0) || f.Unfinished == frame.L4ChecksumOK(f.Data, &h) {
			t.Errorf("frame %d: unfinished %v, checksum right %v", i, f.Unfinished, frame.L4ChecksumOK(f.Data, &h))
		}
	}
}

// An interface receives what is sent to a group from when a socket has joined
// it until that is closed.
func TestJoinAndClose(t *testing.T) {
	_, b := cable(t)
	s, _ := open(t, b, "eth0", nil)
	joined := func() bool {
		groups, err := b.ReadProc("dev_mcast")
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(groups, []byte("3333ff123456"))
	}
	if joined() {
		t.Fatal("somebody else has joined")
	}
	if err := s.Join(frame.MAC{0x33, 0x33, 0xff, 0x12, 0x34, 0x56}); err != nil || !joined() {
		t.Errorf("joined %v, %v", joined(), err)
	}
	if err := s.Close(); err != nil || joined() {
		t.Errorf("after Close: joined %v, %v", joined(), err)
	}
	if err := s.Join(frame.MAC{1}); err == nil {
		t.Error("a closed socket joins")
	}
	if err := s.Send(make([]byte, 60)); err == nil {
		t.Error("a closed socket sends")
	}
}

// The filter looks at frames without their tag, and lets nothing past before it
// is in force.
func TestSocketFilters(t *testing.T) {
	a, b := cable(t)
	prog, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 42, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: 'x', SkipTrue: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		t.Fatal(err)
	}
	from, macA := open(t, a, "eth0", nil)
	to, macB := open(t, b, "eth0", prog)
	for _, text := range []string{"y1", "x1", "y2", "x2"} {
		if err := from.Send(mine(macA, macB, text)); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"x1", "x2"} {
		if f, err := to.Receive(); err != nil || string(f.Data[42:]) != want {
			t.Errorf("%q, %v; want %s", f.Data, err, want)
		}
	}
}

func TestCloseEndsReceive(t *testing.T) {
	_, b := cable(t)
	s, _ := open(t, b, "eth0", nil)
	var ended sync.WaitGroup
	var got error
	ended.Go(func() {
		for got == nil {
			_, got = s.Receive()
		}
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	ended.Wait()
	if !errors.Is(got, os.ErrClosed) {
		t.Errorf("%v, want os.ErrClosed", got)
	}
	if _, err := s.Receive(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("again: %v, want os.ErrClosed", err)
	}
	if n := s.drops(); n != 0 {
		t.Errorf("%d drops of a closed socket", n)
	}
}

func TestOpenOnNothing(t *testing.T) {
	h := netns.NewTestHost(t, "h", netns.HostConfig{})
	for name, open := range map[string]func() (*Socket, error){
		"an interface that is not there": func() (*Socket, error) { return Open(12345, nil) },
		"a filter that is none":          func() (*Socket, error) { return Open(1, []bpf.RawInstruction{{Op: 0xffff}}) },
	} {
		if err := h.Do(func() error {
			s, err := open()
			if err == nil {
				_ = s.Close()
			}
			return err
		}); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
}

// What the kernel has no room for is counted: here for one frame that waits,
// with a buffer of the least size.
func TestDropsAreCountedOnce(t *testing.T) {
	a, b := cable(t)
	from, macA := open(t, a, "eth0", nil)
	to, macB := open(t, b, "eth0", nil)
	const sent = 20_000 // more than the socket buffer holds, at some 2.5 kB each
	big := mine(macA, macB, string(make([]byte, 1400)))
	for range sent {
		if err := from.Send(big); err != nil {
			t.Fatal(err)
		}
	}
	if n := to.drops(); n == 0 || n >= sent {
		t.Errorf("%d of %d frames were dropped", n, sent)
	}
	if n := to.drops(); n != 0 {
		t.Errorf("%d more when asked again", n)
	}
}
