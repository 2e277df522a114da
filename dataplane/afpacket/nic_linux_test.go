package afpacket

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// collect receives until until is true of a frame, and gives copies of all.
func collect(t testing.TB, p *NIC, b *dataplane.Batch, until func(f []byte) bool) (frames [][]byte) {
	t.Helper()
	for {
		if err := p.Recv(b); err != nil {
			t.Fatalf("recv after %d frames: %v", len(frames), err)
		}
		found := false
		for i := range b.Packets {
			frames = append(frames, bytes.Clone(b.Packets[i].Data))
			found = found || until(b.Packets[i].Data)
		}
		if found {
			return frames
		}
	}
}

func isNumber(n int) func([]byte) bool { return func(f []byte) bool { return numberOf(f) == n } }

func TestOnlyFramesForTheVIPAndARPArrive(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	mac := l.d0.HardwareAddr
	all := net.HardwareAddr{255, 255, 255, 255, 255, 255}
	other := net.HardwareAddr{2, 0, 0, 0, 0, 9}
	arp := func(dst net.HardwareAddr) []byte {
		f := make([]byte, 60)
		copy(f, dst)
		copy(f[6:], l.c0.HardwareAddr)
		f[12], f[13] = 8, 6
		return f
	}
	ipv6 := frameTo(l.c0, mac, labVIP, 7, 60)
	ipv6[12], ipv6[13] = 0x86, 0xdd
	transmit(t, p, l.d0, frameTo(l.d0, l.c0.HardwareAddr, labVIP, 1, 60)) // our own
	transmit(t, c, l.c0,
		frameTo(l.c0, mac, labVIP, 2, 60),
		frameTo(l.c0, mac, labServer, 3, 60), // another address
		frameTo(l.c0, other, labVIP, 4, 60),  // another host
		ipv6,
		arp(all), arp(mac),
		arp(other), // another host
		frameTo(l.c0, all, labVIP, 5, 60),
		frameTo(l.c0, mac, labVIP, 6, 60))
	got := collect(t, p, dataplane.NewBatch(), isNumber(6))
	want := [][]byte{frameTo(l.c0, mac, labVIP, 2, 60), arp(all), arp(mac), frameTo(l.c0, all, labVIP, 5, 60), frameTo(l.c0, mac, labVIP, 6, 60)}
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d:\n%x", len(got), len(want), got)
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("frame %d is\n%x, want\n%x", i, got[i], want[i])
		}
	}
	if s := p.Stats(); s.Received != 5 || s.Sent != 1 || s.Missed+s.Truncated+s.SendFull+s.SendError != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestSetVIPsTakesEffectOnTheLiveSocket(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	b := dataplane.NewBatch()
	many := make([]netip.Addr, 1000)
	for i, a := 0, netip.MustParseAddr("10.20.0.0"); i < len(many); i, a = i+1, a.Next() {
		many[i] = a
	}
	if err := p.SetVIPs(many); err != nil {
		t.Fatal(err)
	}
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1, 60), frameTo(l.c0, l.d0.HardwareAddr, many[999], 2, 60))
	if got := collect(t, p, b, isNumber(2)); len(got) != 1 {
		t.Fatalf("%d frames, want only that for the new address", len(got))
	}
	if err := p.SetVIPs([]netip.Addr{netip.MustParseAddr("fe80::1%d0")}); err == nil {
		t.Fatal("an address with a zone was taken")
	}
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, many[0], 3, 60))
	collect(t, p, b, isNumber(3)) // the filter before is still there
	for i, a := 0, labVIP6; i < 300; i, a = i+1, a.Next() {
		many[i] = a
	}
	if err := p.SetVIPs(many); err != nil {
		t.Fatal(err)
	}
	mac := l.d0.HardwareAddr
	transmit(t, c, l.c0, frameTo(l.c0, mac, many[0], 4, 80), frameTo(l.c0, mac, labClient6, 5, 80),
		frameTo(l.c0, mac, many[299], 6, 80), frameTo(l.c0, mac, many[300], 7, 60))
	if got := collect(t, p, b, isNumber(7)); len(got) != 3 {
		t.Fatalf("%d frames, want one IPv4 and two IPv6", len(got))
	}
}

// forward moves everything from p to out, with the MAC addresses given, until p
// is stopped.
func forward(p *NIC, out *net.Interface, dst net.HardwareAddr, done chan<- error) {
	b := dataplane.NewBatch()
	for {
		if err := p.Recv(b); err != nil {
			done <- err
			return
		}
		rewrite(b, out, dst)
		if err := p.Send(b); err != nil {
			done <- err
			return
		}
	}
}

func isIP(f []byte) bool {
	return f[12] == 0x08 && f[13] == 0x00 || f[12] == 0x86 && f[13] == 0xdd
}

func rewrite(b *dataplane.Batch, out *net.Interface, dst net.HardwareAddr) {
	for i := range b.Packets {
		p := &b.Packets[i]
		if !isIP(p.Data) {
			continue
		}
		copy(p.Data, dst)
		copy(p.Data[6:], out.HardwareAddr)
		p.Verdict, p.Out = dataplane.Forward, int32(out.Index)
	}
}

func TestBulkTCPPassesAtDefaultOffloads(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for name, c := range map[string]struct{ vip, client netip.Addr }{
		"over IPv4": {labVIP, labClient},
		"over IPv6": {labVIP6, labClient6},
	} {
		t.Run(name, func(t *testing.T) { bulkTCP(t, c.vip, c.client) })
	}
}

// connect is a TCP connection from the client to the server, by address vip.
// The test closes both ends when it is over.
func (l *lab) connect(t *testing.T, vip netip.Addr) (client, server net.Conn) {
	t.Helper()
	to := netip.AddrPortFrom(vip, 80).String()
	var ln net.Listener
	var err error
	within(t, l.server, func() { ln, err = net.Listen("tcp", to) })
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	within(t, l.client, func() { client, err = net.Dial("tcp", to) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return client, server
}

func bulkTCP(t *testing.T, vip, client netip.Addr) {
	l := newLab(t)
	l.addIPv6(t)
	there := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{vip}})
	back := open(t, Config{Interface: l.d1, VIPs: []netip.Addr{client}})
	done := make(chan error, 2)
	go forward(there, l.d1, l.s0.HardwareAddr, done)
	go forward(back, l.d0, l.c0.HardwareAddr, done)

	conn, served := l.connect(t, vip)
	const size = 20 << 20
	sent := make([]byte, size)
	for i := range sent {
		sent[i] = byte(i * i >> 7)
	}
	// The server sends back what it gets, so that both ways carry it all.
	go func() {
		defer served.Close()
		_, _ = io.Copy(served, served)
	}()
	go func() {
		_, _ = conn.Write(sent)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	h := sha256.New()
	n, err := io.Copy(h, conn)
	if err != nil || n != size || [32]byte(h.Sum(nil)) != sha256.Sum256(sent) {
		t.Fatalf("%d of %d bytes came back, error %v", n, size, err)
	}
	there.Stop()
	back.Stop()
	for range 2 {
		if err := <-done; !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	}
	s := there.Stats()
	if s.Truncated+s.SendError != 0 {
		t.Errorf("stats %+v", s)
	}
	// Without super-frames it would be 20 MB / 1448 = 14 500 frames at least,
	// beside the acknowledgements of what comes back.
	if s.Received > 10000 {
		t.Errorf("%d frames for 20 MB: super-frames did not pass whole", s.Received)
	}
}

func TestTaggedFramesArriveAsTheyWereSent(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	plain := frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1, 60)
	tagged := append(append(bytes.Clone(plain[:12]), 0x81, 0, 0x60, 0x64), plain[12:]...)
	transmit(t, c, l.c0, tagged, plain)
	got := collect(t, p, dataplane.NewBatch(), isNumber(1))
	if len(got) != 2 || !bytes.Equal(got[0], tagged) || !bytes.Equal(got[1], plain) {
		t.Fatalf("received\n%x, want\n%x", got, [][]byte{tagged, plain})
	}
}

func TestStopWakesABlockedRecv(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0})
	done := make(chan error)
	go func() { done <- p.Recv(dataplane.NewBatch()) }()
	p.Stop()
	p.Stop()
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Fatalf("recv after stop: %v", err)
	}
	if err := p.Recv(dataplane.NewBatch()); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("second recv after stop: %v", err)
	}
	if err := errors.Join(p.Close(), p.Close()); err != nil {
		t.Fatal(err)
	}
	p.Stop()
	if err := p.SetVIPs(nil); !errors.Is(err, os.ErrClosed) || p.Stats() != (dataplane.NICStats{}) {
		t.Fatalf("after close: %v, stats %+v", err, p.Stats())
	}
}

// Wake lets Recv return once, without frames where there are none, and takes nothing
// from a later Stop.
func TestWakeLetsRecvReturnOnce(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	b := dataplane.NewBatch()
	p.Wake() // before Recv
	p.Wake()
	if err := p.Recv(b); err != nil || len(b.Packets) != 0 {
		t.Fatalf("woken: %v, %d frames", err, len(b.Packets))
	}
	done := make(chan error)
	go func() { done <- p.Recv(b) }()
	p.Wake()
	if err := <-done; err != nil || len(b.Packets) != 0 {
		t.Fatalf("woken while it waits: %v, %d frames", err, len(b.Packets))
	}
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1, 60))
	if got := collect(t, p, b, isNumber(1)); len(got) != 1 {
		t.Fatalf("%d frames", len(got))
	}
	// Neither a wait of the sender nor a pause is cut short more than once.
	p.Wake()
	p.waitSend(unix.EAGAIN)
	p.Wake()
	p.pause(0)
	if n, err := unix.Poll(p.polled[pollWake:pollWake+1], 0); n != 0 || err != nil {
		t.Errorf("a token is left: %d, %v", n, err)
	}
	p.Wake()
	go func() { done <- p.Recv(b) }()
	p.Stop()
	if err := <-done; err != nil && !errors.Is(err, os.ErrClosed) {
		t.Fatalf("woken and stopped: %v", err)
	}
	if err := p.Recv(b); !errors.Is(err, os.ErrClosed) {
		t.Fatalf("stopped: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p.Wake() // of a closed one does nothing
}

// A NIC that is asked again and again whether it lives allocates nothing.
func TestWakingAllocatesNothing(t *testing.T) {
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, Spin: -1})
	b := dataplane.NewBatch()
	if n := testing.AllocsPerRun(100, func() {
		p.Wake()
		if err := p.Recv(b); err != nil {
			t.Fatal(err)
		}
	}); n > 0.5 {
		t.Errorf("%v allocations per Wake", n)
	}
}

func TestFramesNobodyReadsAreCountedAsMissed(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}, Slots: 7, MaxFrame: 1518})
	c := openIn(t, l.client, l.c0)
	slots := uint64(newLayout(7, 1518).slots())
	var frames [][]byte
	for i := range 200 {
		frames = append(frames, frameTo(l.c0, l.d0.HardwareAddr, labVIP, i, 60))
	}
	transmit(t, c, l.c0, frames...)
	netns.Eventually(t, "the kernel counts what found no slot", func() bool { return p.Stats().Missed == 200-slots })
	got := collect(t, p, dataplane.NewBatch(), isNumber(int(slots)-1))
	if uint64(len(got)) != slots || p.Stats().Missed != 200-slots {
		t.Fatalf("%d frames in %d slots, stats %+v", len(got), slots, p.Stats())
	}
	p.release() // as the next Recv will
	transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1000, 60))
	collect(t, p, dataplane.NewBatch(), isNumber(1000)) // and it goes on
}

func TestFramesLongerThanASlotAreCountedAsTruncated(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}, MaxFrame: 100})
	c := openIn(t, l.client, l.c0)
	mac := l.d0.HardwareAddr
	transmit(t, c, l.c0, frameTo(l.c0, mac, labVIP, 1, 1000), frameTo(l.c0, mac, labVIP, 2, 100), frameTo(l.c0, mac, labVIP, 3, 1000), frameTo(l.c0, mac, labVIP, 4, 60))
	got := collect(t, p, dataplane.NewBatch(), isNumber(4))
	if s := p.Stats(); len(got) != 2 || s.Truncated != 2 || s.Received != 2 {
		t.Fatalf("%d frames, stats %+v", len(got), s)
	}
}

// Frames longer than a slot come by the socket's queue: whole, in their place,
// however many there are, and can be sent from there.
func TestLongFramesComeByTheQueue(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}, SlotFrame: 100})
	c := openIn(t, l.client, l.c0, labVIP)
	const n = 5 * queueRoom
	var frames [][]byte
	for i := range n {
		frames = append(frames, frameTo(l.c0, l.d0.HardwareAddr, labVIP, i, []int{1000, 60, 1400}[i%3]))
	}
	transmit(t, c, l.c0, frames...)
	b, got := dataplane.NewBatch(), 0
	var back [][]byte
	for got < n {
		if err := p.Recv(b); err != nil {
			t.Fatal(err)
		}
		for i := range b.Packets {
			if k := &b.Packets[i]; !bytes.Equal(k.Data, frames[got]) {
				t.Fatalf("frame %d is % x", got, k.Data)
			} else {
				frame.SetMACs(k.Data, frame.MAC(l.c0.HardwareAddr), frame.MAC(l.d0.HardwareAddr))
				k.Verdict, k.Out = dataplane.Forward, int32(l.d0.Index)
			}
			got++
		}
		if err := p.Send(b); err != nil {
			t.Fatal(err)
		}
		back = append(back, collect(t, c, dataplane.NewBatch(), isNumber(got-1))...)
		c.release() // its ring is short
	}
	if s := p.Stats(); len(back) != n || s.Sent != n || s.Truncated+s.Missed+s.SendError != 0 {
		t.Fatalf("%d of %d came back, stats %+v", len(back), n, s)
	}
	for i, k := range back {
		if !bytes.Equal(k[12:], frames[i][12:]) {
			t.Fatalf("frame %d came back as % x", i, k)
		}
	}
}

func TestWhatCannotBeSentDoesNotTakeTheRestAlong(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0, labVIP)
	mac := l.c0.HardwareAddr
	nowhere := &net.Interface{Index: 9999}
	b := dataplane.NewBatch()
	for i, out := range []*net.Interface{nowhere, l.d0, nowhere, nowhere, l.d0, l.d0, nowhere} {
		b.Replies = append(b.Replies, dataplane.Reply{Data: frameTo(l.d0, mac, labVIP, i, 60), Out: int32(out.Index)})
	}
	b.Replies = append(b.Replies, dataplane.Reply{Data: make([]byte, 13), Out: int32(l.d0.Index)})
	b.Replies[4].Data = frameTo(l.d0, mac, labVIP, 4, 9000) // longer than the MTU
	if err := p.Send(b); err != nil {
		t.Fatal(err)
	}
	got := collect(t, c, dataplane.NewBatch(), isNumber(5))
	if len(got) != 2 || numberOf(got[0]) != 1 || numberOf(got[1]) != 5 {
		t.Fatalf("%d frames arrived, want 1 and 5", len(got))
	}
	if s := p.Stats(); s.Sent != 2 || s.SendError != 6 || s.SendFull != 0 {
		t.Fatalf("stats %+v", s)
	}
}

// TestSegmentsLeaveInPlaceOfTheirSuperFrame: in order, each made of its two pieces, before what
// the director sends itself.
func TestSegmentsLeaveInPlaceOfTheirSuperFrame(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0, labVIP)
	b := dataplane.NewBatch()
	for i := range 5 {
		f := frameTo(l.d0, l.c0.HardwareAddr, labVIP, i, 100)
		b.Segments = append(b.Segments, dataplane.Reply{Data: f[:50], Body: f[50:], Out: int32(l.d0.Index)})
	}
	b.Packets = append(b.Packets, dataplane.Packet{Verdict: dataplane.Forward, First: 0, Segments: 2},
		dataplane.Packet{Verdict: dataplane.Drop}, dataplane.Packet{Verdict: dataplane.Forward, First: 2, Segments: 3})
	b.Replies = append(b.Replies, dataplane.Reply{Data: frameTo(l.d0, l.c0.HardwareAddr, labVIP, 5, 60), Out: int32(l.d0.Index)})
	if err := p.Send(b); err != nil {
		t.Fatal(err)
	}
	got := collect(t, c, dataplane.NewBatch(), isNumber(5))
	if len(got) != 6 {
		t.Fatalf("%d frames arrived, want 6", len(got))
	}
	for i, f := range got {
		if want := frameTo(l.d0, l.c0.HardwareAddr, labVIP, i, len(f)); numberOf(f) != i || i < 5 && len(f) != len(want) {
			t.Errorf("frame %d is number %d, of %d bytes", i, numberOf(f), len(f))
		}
	}
	if s := p.Stats(); s.Sent != 6 || s.SendError != 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestMoreThanOneCallOfFramesIsSent(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0})
	var frames [][]byte
	for i := range 2*maxMessages + 7 {
		frames = append(frames, frameTo(l.d0, l.c0.HardwareAddr, labVIP, i, 60))
	}
	transmit(t, p, l.d0, frames...)
	if s := p.Stats(); s.Sent != uint64(len(frames)) {
		t.Fatalf("stats %+v after %d frames", s, len(frames))
	}
}

func setLink(t testing.TB, name string, set func(netlink.Link) error) {
	t.Helper()
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = set(link)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnInterfaceThatGoesDownIsWaitedFor(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	c := openIn(t, l.client, l.c0)
	got := make(chan error)
	go func() {
		b := dataplane.NewBatch()
		err := p.Recv(b)
		if err == nil && numberOf(b.Packets[0].Data) != 1 {
			err = errors.New("another frame came")
		}
		got <- err
	}()
	setLink(t, "d0", netlink.LinkSetDown)
	// The other side of the pair can be sent by as soon as both are up; sends
	// before are refused, or their frames lost.
	setLink(t, "d0", netlink.LinkSetUp)
	for {
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
			return
		default:
			transmit(t, c, l.c0, frameTo(l.c0, l.d0.HardwareAddr, labVIP, 1, 60))
		}
	}
}

func TestSendingSurvivesTheReceivingInterfaceGoingDown(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	p := open(t, Config{Interface: l.d0})
	s := openIn(t, l.server, l.s0, labVIP)
	setLink(t, "d0", netlink.LinkSetDown) // leaves ENETDOWN on the socket
	transmit(t, p, l.d1, frameTo(l.d1, l.s0.HardwareAddr, labVIP, 1, 60), frameTo(l.d1, l.s0.HardwareAddr, labVIP, 2, 60))
	if got := collect(t, s, dataplane.NewBatch(), isNumber(2)); len(got) != 2 || p.Stats().SendError != 0 {
		t.Fatalf("%d frames arrived, stats %+v", len(got), p.Stats())
	}
}

func TestADeletedInterfaceIsAnError(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, c := range []struct {
		name   string
		before func(netlink.Link) error
	}{
		{"that was up", func(netlink.Link) error { return nil }},
		{"that was down", netlink.LinkSetDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t)
			p := open(t, Config{Interface: l.d0})
			done := make(chan error)
			go func() { done <- p.Recv(dataplane.NewBatch()) }()
			setLink(t, "d0", c.before)
			setLink(t, "d0", netlink.LinkDel)
			if err := <-done; !errors.Is(err, unix.ENODEV) || !strings.Contains(err.Error(), "d0") {
				t.Fatalf("recv: %v", err)
			}
		})
	}
}

func TestAGroupHandsOutEveryFrameOnceAndAFlowToOnePort(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	nics, err := OpenGroup(Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	c := openIn(t, l.client, l.c0)
	const flows = 64
	type arrival struct{ flow, port int }
	arrivals := make(chan arrival)
	for i, p := range nics {
		go func() {
			b := dataplane.NewBatch()
			for p.Recv(b) == nil {
				for j := range b.Packets {
					arrivals <- arrival{numberOf(b.Packets[j].Data), i}
				}
			}
			arrivals <- arrival{-1, i}
		}()
	}
	for range 3 {
		var frames [][]byte
		for n := range flows {
			frames = append(frames, frameTo(l.c0, l.d0.HardwareAddr, labVIP, n, 60))
		}
		transmit(t, c, l.c0, frames...)
	}
	seen, owner, share := map[int]int{}, map[int]int{}, [2]int{}
	take := func(a arrival) {
		if o, ok := owner[a.flow]; ok && o != a.port {
			t.Errorf("flow %d came to both NICs", a.flow)
		}
		owner[a.flow] = a.port
		seen[a.flow]++
		share[a.port]++
	}
	for range 3 * flows {
		take(<-arrivals)
	}
	for _, p := range nics {
		p.Stop()
	}
	for range nics {
		for a := <-arrivals; a.flow >= 0; a = <-arrivals {
			take(a)
		}
	}
	for n := range flows {
		if seen[n] != 3 {
			t.Errorf("flow %d: %d frames handed out, sent 3", n, seen[n])
		}
	}
	if share[0] == 0 || share[1] == 0 {
		t.Errorf("shares are %v", share)
	}
	for _, p := range nics {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAPortOfAGroupCanJoinByNumber(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	a := open(t, Config{Interface: l.d0, Fanout: 77, Slots: 1})
	b := open(t, Config{Interface: l.d0, Fanout: 77, Slots: 1})
	for _, p := range []*NIC{a, b} {
		if v, err := unix.GetsockoptInt(p.fd, unix.SOL_PACKET, unix.PACKET_FANOUT); err != nil || v&0xffff != 77 {
			t.Errorf("group %#x, %v", v, err)
		}
	}
}

func TestABatchAllocatesNothing(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	vips := []netip.Addr{labVIP, labVIP6}
	for _, frames := range []int{xdpLeast / 2, 4 * xdpLeast} {
		p := open(t, Config{Interface: l.d0, VIPs: vips, XDP: true})
		c := openIn(t, l.client, l.c0)
		feed, b := dataplane.NewBatch(), dataplane.NewBatch()
		for i := range frames {
			feed.Replies = append(feed.Replies, dataplane.Reply{Data: frameTo(l.c0, l.d0.HardwareAddr, vips[i%2], i, 80), Out: int32(l.c0.Index)})
		}
		reply := frameTo(l.d0, l.c0.HardwareAddr, labServer, 1, 60)
		step := func() {
			if err := c.Send(feed); err != nil {
				t.Fatal(err)
			}
			for got := 0; got < len(feed.Replies); got += len(b.Packets) {
				if err := p.Recv(b); err != nil {
					t.Fatal(err)
				}
				rewrite(b, l.d1, l.s0.HardwareAddr)
				b.Replies = append(b.Replies, dataplane.Reply{Data: reply, Out: int32(l.d0.Index)})
				if err := p.Send(b); err != nil {
					t.Fatal(err)
				}
			}
		}
		step()
		if n := testing.AllocsPerRun(300, step); n != 0 {
			t.Errorf("%v allocations per batch of %d", n, frames)
		}
		if s := p.Stats(); s.Sent < uint64(300*(frames+1)) || s.SendError != 0 || (s.SentXDP > 0) != (frames >= xdpLeast && ProbeXDP() == nil) {
			t.Errorf("batches of %d: stats %+v", frames, s)
		}
		if err := p.Close(); err != nil { // an AF_XDP socket has its queue to itself
			t.Error(err)
		}
	}
}

func TestSleepingAllocatesNothing(t *testing.T) {
	l := newLab(t)
	p := open(t, Config{Interface: l.d0, Spin: -1})
	p.Stop() // sleep returns at once
	if n := testing.AllocsPerRun(100, func() {
		if err := p.sleep(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per sleep", n)
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	ifi := &net.Interface{Index: 1, Name: "eth7"}
	for name, cfg := range map[string]Config{
		"no interface":   {},
		"1000000 slots":  {Interface: ifi, Slots: 1000000},
		"-1 slots":       {Interface: ifi, Slots: -1},
		"of 10 bytes":    {Interface: ifi, MaxFrame: 10},
		"buffer of -1":   {Interface: ifi, SendBuffer: -1},
		"of 99999999 by": {Interface: ifi, MaxFrame: 99999999},
	} {
		if _, err := Open(cfg); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	l := newLab(t)
	if _, err := Open(Config{Interface: l.d0, VIPs: []netip.Addr{netip.MustParseAddr("fe80::1%d0")}}); err == nil {
		t.Error("a NIC for an address with a zone was opened")
	}
	if _, err := Open(Config{Interface: &net.Interface{Index: 9999, Name: "eth8"}}); err == nil || !strings.Contains(err.Error(), "eth8") {
		t.Errorf("an interface that is not there: %v", err)
	}
}
