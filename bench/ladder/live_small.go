package ladder

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/afpacket"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// The flood of the small-frame rung.
const (
	smallFlows   = 10_000
	firstPort    = 1024 // of the client: that of flow 0
	smallPayload = 18   // bytes, so that a frame has 60
	// smallBurst is how many frames of a flow follow each other. The kernel
	// cuts them from one, and so takes half the time for each (measured).
	smallBurst = 16
)

// smallMetrics are the metrics of small.
func smallMetrics() []Metric {
	return []Metric{{Unit: "frames/s"}, {Name: "/offered", Unit: "frames/s", Bare: true}, {Name: "/lost", Unit: "%", Less: true, Bare: true},
		{Name: "/loss<1%", Unit: "frames/s"}, {Name: "/cpu", Unit: "ns/frame", Less: true}}
}

// small floods the target with 60-byte UDP frames and measures how many a
// second arrive at the real server's interface, how many are offered, which
// part does not arrive, in per cent; then, offering less, the greatest rate of
// which nearly all arrive; and, if the forwarder is a process, the CPU time that
// it and the kernel on its behalf took for each frame of the flood that
// arrived. The server's kernel only counts them.
func small(ctx context.Context, s *site, t time.Duration) (v []float64, err error) {
	end, err := s.sink()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	f, err := newFlood(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if s.offloaded != nil {
		if _, err := s.offer(ctx, f, handOverRate, handOverTime); err != nil {
			return nil, err
		}
	}
	if _, err := s.offer(ctx, f, 0, t/5); err != nil { // warm up
		return nil, err
	}
	all, err := s.offer(ctx, f, 0, t)
	if err != nil {
		return nil, err
	}
	if all.arrived == 0 || all.offered == 0 {
		return nil, fmt.Errorf("%d of %d frames arrived", all.arrived, all.offered)
	}
	lossless, err := s.losslessRate(ctx, f, all, t/searchTurns)
	if err != nil {
		return nil, err
	}
	v = []float64{float64(all.arrived) / all.took.Seconds(), float64(all.offered) / all.took.Seconds(), 100 * all.lost(), lossless}
	if s.pid != 0 {
		v = append(v, float64(all.cpu)/float64(all.arrived))
	}
	return v, nil
}

// The search for the greatest rate of which nearly all frames arrive.
const (
	searchTurns = 6
	mostLost    = 0.01
)

// losslessRate is that rate, in frames that arrived in a second. It is found by
// bisection between the least rate that was too high, at first that of the flood,
// and the highest that was not. 0: even the least that was tried, a 32nd of what
// arrived of the flood, was too high.
func (s *site) losslessRate(ctx context.Context, f *afpacket.Flood, flooded sample, t time.Duration) (float64, error) {
	most := float64(flooded.offered) / flooded.took.Seconds()
	if flooded.lost() < mostLost {
		return most, nil
	}
	good := 0.0
	// It will hardly be more than arrived of too many.
	rate := min(float64(flooded.arrived)/flooded.took.Seconds(), most*0.99)
	for range searchTurns {
		got, err := s.offer(ctx, f, rate, t)
		if err != nil {
			return 0, err
		}
		if got.lost() < mostLost {
			good = max(good, float64(got.arrived)/got.took.Seconds())
			rate = (rate + most) / 2
		} else {
			most, rate = rate, (good+rate)/2
		}
	}
	return good, nil
}

// A sample holds the counts of a period in which frames were offered.
type sample struct {
	offered, arrived uint64
	took, cpu        time.Duration // cpu is that of the site's process, if it has one
}

// lost is which part of the frames did not arrive. A few may have come besides:
// ARP.
func (s sample) lost() float64 { return max(0, 1-float64(s.arrived)/float64(s.offered)) }

// offer sends for about t, at a rate in frames per second; 0: as fast as it
// goes.
func (s *site) offer(ctx context.Context, f *afpacket.Flood, rate float64, t time.Duration) (got sample, err error) {
	before, err := settled(s, noFrames)
	if err != nil {
		return got, err
	}
	var cpu time.Duration
	if s.pid != 0 {
		if cpu, err = processTime(s.pid); err != nil {
			return got, err
		}
	}
	begin := time.Now()
	if got.offered, err = run(ctx, f, rate, t); err != nil {
		return got, err
	}
	got.took = time.Since(begin)
	after, err := settled(s, before)
	if err != nil {
		return got, err
	}
	got.arrived = after - before
	if s.pid != 0 {
		got.cpu, err = processTime(s.pid)
		got.cpu -= cpu
	}
	return got, err
}

// How long settled watches.
const (
	settlePoll  = 20 * time.Millisecond
	settleQuiet = 2               // polls
	settleMost  = 2 * time.Second // for the first frame
	noFrames    = math.MaxUint64  // a before that is never met
)

// settled is how many frames have arrived, once it stays at that. It waits
// longer for the first one after before: on a busy machine the forwarder may
// not have had its turn.
func settled(s *site, before uint64) (uint64, error) {
	end := time.Now().Add(settleMost)
	for last, quiet := uint64(0), -1; ; time.Sleep(settlePoll) {
		l, err := s.counted.Netlink().LinkByName(netlab.Ifname)
		if err != nil {
			return 0, fmt.Errorf("count what arrived: %w", err)
		}
		n := l.Attrs().Statistics.RxPackets
		if n != last {
			last, quiet = n, -1
		}
		if quiet++; quiet >= settleQuiet && (n != before || time.Now().After(end)) {
			return n, nil
		}
	}
}

// newFlood prepares a flood of the target from the client, by way of the
// director.
func newFlood(s *site) (f *afpacket.Flood, err error) {
	client := s.Clients[0]
	frames := make([][]byte, smallFlows)
	for i := range frames {
		frames[i] = build.UDP{Src: netip.AddrPortFrom(client.Addr, uint16(firstPort+i)), Dst: s.target,
			IP: build.IP{SrcMAC: frame.MAC(client.MAC), DstMAC: frame.MAC(s.floodTo)}, Payload: make([]byte, smallBurst*smallPayload)}.Bytes()
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

// run is offer without the counting. It sends from a thread bound to the first
// CPU, where the kernel allows that. There the frames are also received by the
// director's kernel, up to its sockets, because veth leaves that to the sender;
// the director is on the last CPU. A queue for the receiving side that is on
// another CPU (rps_cpus) cannot be had in a user namespace, and veth without GRO
// has no poll that could be a thread.
func run(ctx context.Context, f *afpacket.Flood, rate float64, t time.Duration) (frames uint64, err error) {
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
	for begin := time.Now(); ctx.Err() == nil; {
		since := time.Since(begin)
		if since >= t {
			break
		}
		if rate > 0 && float64(frames) > rate*since.Seconds() {
			continue // it is ahead of its time
		}
		n, err := f.Send()
		if err != nil {
			return 0, err
		}
		frames += uint64(n)
	}
	return frames, ctx.Err()
}
