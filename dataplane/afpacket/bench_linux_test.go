package afpacket

import (
	"net"
	"net/netip"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mdlayher/packet"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/dataplane"
)

// flood sends 60-byte frames of 10 000 flows from c0 to the VIP, as fast as it
// goes, until the benchmark ends.
func flood(b *testing.B, l *lab) {
	b.Helper()
	p := openIn(b, l.client, l.c0)
	batches := make([]*dataplane.Batch, 40)
	for i := range batches {
		batches[i] = dataplane.NewBatch()
		for j := range 250 {
			batches[i].Replies = append(batches[i].Replies, dataplane.Reply{
				Data: frameTo(l.c0, l.d0.HardwareAddr, labVIP, i*250+j, 60), Out: int32(l.c0.Index)})
		}
	}
	var over atomic.Bool
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		var err error
		for i := 0; err == nil && !over.Load(); i = (i + 1) % len(batches) {
			err = p.Send(batches[i])
		}
		done <- err
	}()
	b.Cleanup(func() {
		over.Store(true)
		if err := <-done; err != nil {
			b.Error(err)
		}
	})
}

// arrived is how many frames the server's interface has received.
func arrived(b *testing.B, l *lab) (n uint64) {
	b.Helper()
	within(b, l.server, func() {
		link, err := netlink.LinkByName("s0")
		if err != nil {
			b.Fatal(err)
		}
		n = link.Attrs().Statistics.RxPackets
	})
	return n
}

// report runs f on a thread of its own and says how many frames arrived during
// it, per second and per second of the thread's own CPU time, which says
// more on a busy machine.
func report(b *testing.B, l *lab, f func()) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, cpu, start := arrived(b, l), threadTime(b), time.Now()
	f()
	took, used := time.Since(start), threadTime(b)-cpu
	n := float64(arrived(b, l) - before)
	b.ReportMetric(n/took.Seconds(), "frames/s")
	b.ReportMetric(n/used.Seconds(), "frames/cpu-s")
}

func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// nobody is a MAC address that is not the server's, so that its kernel counts
// the frames and drops them at once, at little cost to the sender's thread.
func nobody() net.HardwareAddr { return net.HardwareAddr{2, 0, 0, 0, 0, 1} }

// BenchmarkVethNIC is the NIC under a forwarder that only rewrites MACs, one
// batch an operation.
func BenchmarkVethNIC(b *testing.B) {
	l := newLab(b)
	p := open(b, Config{Interface: l.d0, VIPs: []netip.Addr{labVIP}})
	flood(b, l)
	sink, batch := nobody(), dataplane.NewBatch()
	b.ReportAllocs()
	start := p.Stats()
	report(b, l, func() {
		for b.Loop() {
			if err := p.Recv(batch); err != nil {
				b.Fatal(err)
			}
			rewrite(batch, l.d1, sink)
			if err := p.Send(batch); err != nil {
				b.Fatal(err)
			}
		}
	})
	end := p.Stats()
	got, lost := end.Received-start.Received, end.Missed-start.Missed
	b.ReportMetric(float64(got)/float64(b.N), "frames/op")
	b.ReportMetric(100*float64(lost)/float64(max(got+lost, 1)), "%lost")
}

// BenchmarkVethNaive is the rung below: one packet.Conn to read, one to write,
// a frame at a time, one frame an operation.
func BenchmarkVethNaive(b *testing.B) {
	l := newLab(b)
	filter, err := mainFilter([]netip.Addr{labVIP}, false)
	if err != nil {
		b.Fatal(err)
	}
	conn := func(ifi *net.Interface) *packet.Conn {
		c, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ALL, &packet.Config{Filter: filter})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = c.Close() })
		return c
	}
	in, out := conn(l.d0), conn(l.d1)
	flood(b, l)
	sink := nobody()
	to := &packet.Addr{HardwareAddr: sink}
	buf := make([]byte, 1<<16)
	b.ReportAllocs()
	report(b, l, func() {
		for b.Loop() {
			n, _, err := in.ReadFrom(buf)
			if err != nil {
				b.Fatal(err)
			}
			copy(buf, sink)
			copy(buf[6:], l.d1.HardwareAddr)
			if _, err := out.WriteTo(buf[:n], to); err != nil {
				b.Fatal(err)
			}
		}
	})
}
