package ladder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// The flood of the small-frame rung.
const (
	smallFlows   = 10_000
	smallPayload = 18 // bytes, so that a frame has 60
	// smallBurst is how many frames of a flow follow each other. The kernel
	// cuts them from one, and so takes half the time for each (measured).
	smallBurst = 16
)

// smallMetrics are what small measures.
func smallMetrics() []Metric {
	return []Metric{{Unit: "frames/s"}, {Name: "/offered", Unit: "frames/s", Bare: true}, {Name: "/lost", Unit: "%", Less: true, Bare: true},
		{Name: "/cpu", Unit: "ns/frame", Less: true}}
}

// small floods the target with 60-byte UDP frames and measures how many a
// second arrive at the real server's interface, how many are offered, which
// part does not arrive, in per cent, and, if the forwarder is a process, the
// CPU time that it and the kernel on its behalf take for one that arrives. The
// server's kernel only counts them.
func small(ctx context.Context, s *site, t time.Duration) (v []float64, err error) {
	if err := disown(s.Servers[0]); err != nil {
		return nil, err
	}
	f, err := newFlood(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := run(ctx, f, t/5); err != nil { // warm up
		return nil, err
	}
	before, err := settled(s)
	if err != nil {
		return nil, err
	}
	var cpu time.Duration
	if s.pid != 0 {
		if cpu, err = processTime(s.pid); err != nil {
			return nil, err
		}
	}
	begin := time.Now()
	offered, err := run(ctx, f, t)
	if err != nil {
		return nil, err
	}
	took := time.Since(begin).Seconds()
	after, err := settled(s)
	if err != nil {
		return nil, err
	}
	got := after - before
	if got == 0 || offered == 0 {
		return nil, fmt.Errorf("%d of %d frames arrived", got, offered)
	}
	lost := max(0, 1-float64(got)/float64(offered)) // ARP may have come as well
	v = []float64{float64(got) / took, float64(offered) / took, 100 * lost}
	if s.pid != 0 {
		end, err := processTime(s.pid)
		if err != nil {
			return nil, err
		}
		v = append(v, float64(end-cpu)/float64(got))
	}
	return v, nil
}

// disown gives eth0 of n another address, now that everybody knows the old one.
// Its kernel counts the frames to that and drops them at once, as meant for
// somebody else: what they cost is not the forwarder's, on whose CPU it
// happens.
func disown(n *netlab.Node) error {
	l, err := n.Netlink().LinkByName(netlab.Ifname)
	if err == nil {
		err = n.Netlink().LinkSetHardwareAddr(l, netlab.MAC(netlab.RoleOther, 1))
	}
	if err != nil {
		return fmt.Errorf("change the real server's address: %w", err)
	}
	return nil
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

// newFlood prepares a flood of the target from the client, by way of the
// director.
func newFlood(s *site) (f *afpacket.Flood, err error) {
	client := s.Clients[0]
	frames := make([][]byte, smallFlows)
	for i := range frames {
		frames[i] = frametest.UDP{Src: netip.AddrPortFrom(client.Addr, uint16(1024+i)), Dst: s.target,
			SrcMAC: frame.MAC(client.MAC), DstMAC: frame.MAC(s.floodTo), Payload: make([]byte, smallBurst*smallPayload)}.Bytes()
	}
	err = client.Do(func() error {
		if err := afpacket.SetTxChecksum(netlab.Ifname, false); err != nil {
			return err
		}
		ifi, err := net.InterfaceByName(netlab.Ifname)
		if err != nil {
			return err
		}
		f, err = afpacket.OpenFlood(ifi, frames, smallPayload)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("prepare the flood: %w", err)
	}
	return f, nil
}

// run sends for about t and says how many frames. It does so on a thread bound
// to the first CPU, where the kernel allows that: there the frames are also
// received by the director's kernel, because veth leaves that to the sender.
func run(ctx context.Context, f *afpacket.Flood, t time.Duration) (frames int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		return 0, fmt.Errorf("read CPU affinity: %w", err)
	}
	one := only(firstCPU(old))
	if unix.SchedSetaffinity(0, &one) == nil {
		defer func() { _ = unix.SchedSetaffinity(0, &old) }() // was in force a moment ago
	}
	for end := time.Now().Add(t); time.Now().Before(end) && ctx.Err() == nil; {
		n, err := f.Send()
		if err != nil {
			return 0, err
		}
		frames += n
	}
	return frames, ctx.Err()
}
