package ladder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/net/bpf"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// The flood of the small-frame rung.
const (
	smallFlows = 10_000
	smallBatch = 250
)

// small floods the target with 60-byte UDP frames and measures how many arrive
// at the real server's interface in a second, and which part does not, in per
// cent. The server's socket drops them unseen.
func small(ctx context.Context, s *site, t time.Duration) (v []float64, err error) {
	sink, err := s.Servers[0].ListenPacket("udp4", fmt.Sprintf("0.0.0.0:%d", livePort))
	if err != nil {
		return nil, err
	}
	defer func() { _ = sink.Close() }() // nothing was sent
	nothing, err := bpf.Assemble([]bpf.Instruction{bpf.RetConstant{Val: 0}})
	if err != nil {
		return nil, err
	}
	if err := ipv4.NewPacketConn(sink).SetBPF(nothing); err != nil {
		return nil, fmt.Errorf("filter the server's socket: %w", err)
	}
	f, err := newFlood(ctx, s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.port.Close()) }()
	if err := f.run(ctx, t/5); err != nil { // warm up
		return nil, err
	}
	before, err := settled(s)
	if err != nil {
		return nil, err
	}
	sent, begin := f.sent(), time.Now()
	if err := f.run(ctx, t); err != nil {
		return nil, err
	}
	took, offered := time.Since(begin), f.sent()-sent
	after, err := settled(s)
	if err != nil {
		return nil, err
	}
	got := after - before
	if got == 0 || offered == 0 {
		return nil, fmt.Errorf("%d of %d frames arrived", got, offered)
	}
	lost := max(0, 1-float64(got)/float64(offered)) // ARP may have come as well
	return []float64{float64(got) / took.Seconds(), 100 * lost}, nil
}

// settled is how many frames have arrived, once it stays at that.
func settled(s *site) (uint64, error) {
	for last, first := uint64(0), true; ; time.Sleep(20 * time.Millisecond) {
		l, err := s.counted.Netlink().LinkByName(netlab.Ifname)
		if err != nil {
			return 0, fmt.Errorf("count what arrived: %w", err)
		}
		n := l.Attrs().Statistics.RxPackets
		if n == last && !first {
			return n, nil
		}
		last, first = n, false
	}
}

// A flood sends frames of many flows from the client, as fast as it can.
type flood struct {
	port    *afpacket.Port
	batches []*dataplane.Batch
}

// newFlood prepares a flood of the target, by way of the director.
func newFlood(ctx context.Context, s *site) (*flood, error) {
	client := s.Clients[0]
	f := &flood{}
	err := client.Do(func() error {
		ifi, err := net.InterfaceByName(netlab.Ifname)
		if err != nil {
			return err
		}
		for first := 0; first < smallFlows; first += smallBatch {
			b := dataplane.NewBatch()
			for i := range smallBatch {
				b.Replies = append(b.Replies, dataplane.Reply{Out: int32(ifi.Index), Data: frametest.UDP{
					Src: netip.AddrPortFrom(client.Addr, uint16(1024+first+i)), Dst: s.target,
					SrcMAC: frame.MAC(client.MAC), DstMAC: frame.MAC(s.Director.MAC), Pad: true}.Bytes()})
			}
			f.batches = append(f.batches, b)
		}
		f.port, err = afpacket.Open(afpacket.Config{Interface: ifi, Slots: 31})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the flood: %w", err)
	}
	return f, ctx.Err()
}

// sent is how many frames the kernel has taken.
func (f *flood) sent() uint64 { return f.port.Stats().Sent }

// run sends for about t, on a thread bound to the first CPU, where the kernel
// allows that.
func (f *flood) run(ctx context.Context, t time.Duration) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	one := only(firstCPU(old))
	if unix.SchedSetaffinity(0, &one) == nil {
		defer func() { _ = unix.SchedSetaffinity(0, &old) }() // was in force a moment ago
	}
	end := time.Now().Add(t)
	for i := 0; time.Now().Before(end) && ctx.Err() == nil; i = (i + 1) % len(f.batches) {
		if err := f.port.Send(f.batches[i]); err != nil {
			return fmt.Errorf("send the flood: %w", err)
		}
	}
	return ctx.Err()
}
