package shield

import (
	"fmt"
	"net/netip"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// What a host forwards for others must not get slower with the VIPs that it
// hides. A datagram goes from a client through the director's host to another
// network, all of it in the time of the send.
//
//	go test ./control/shield -run '^$' -bench Forwarding -count 5
func BenchmarkForwarding(b *testing.B) {
	netns.Require(b)
	for _, p := range []part{"none", earlyPart, latePart} {
		for _, vips := range []int{1, 2000} {
			if p == "none" && vips > 1 {
				continue
			}
			b.Run(fmt.Sprintf("%s/%d", p, vips), func(b *testing.B) { benchForwarding(b, p, vips) })
		}
	}
}

func benchForwarding(b *testing.B, p part, vips int) {
	l := newLab(b)
	sw, err := netns.NewSwitch("beyond")
	must(b, err)
	b.Cleanup(func() { must(b, sw.Close()) })
	far := netns.NewTestHost(b, "far", netns.HostConfig{})
	must(b, sw.Connect(b.Context(), far, netns.Cable{Ifname: "eth0", Addrs: []netip.Prefix{netip.MustParsePrefix("172.16.0.2/24")}}))
	must(b, sw.Connect(b.Context(), l.director, netns.Cable{Ifname: "eth1", Addrs: []netip.Prefix{netip.MustParsePrefix("172.16.0.1/24")}}))
	must(b, l.director.Sysctl("net.ipv4.ip_forward", "1"))
	must(b, l.client.Netlink().RouteAdd(&netlink.Route{Dst: netlink.NewIPNet(netip.MustParseAddr("172.16.0.2").AsSlice()), Gw: own4.AsSlice()}))
	sink, err := far.ListenPacket("udp", "172.16.0.2:9")
	must(b, err)
	defer sink.Close()
	if p != "none" {
		s := l.open(p)
		l.set(s, many(vips, "eth0")...)
		defer l.close(s)
	}
	c, err := l.client.Dial(b.Context(), "udp", "172.16.0.2:9")
	must(b, err)
	defer c.Close()
	before, err := far.Counter("Ip", "InReceives")
	must(b, err)
	runtime.LockOSThread() // whose CPU time counts, on a machine that others use too
	defer runtime.UnlockOSThread()
	start := cpuTime(b)
	for b.Loop() {
		if _, err := c.Write([]byte("x")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(cpuTime(b)-start)/float64(b.N), "cpu-ns/op")
	after, err := far.Counter("Ip", "InReceives")
	must(b, err)
	b.ReportMetric(float64(after-before)/float64(b.N), "arrived/op")
}

// cpuTime is the CPU time of the calling thread in nanoseconds.
func cpuTime(b *testing.B) int64 {
	var ts unix.Timespec
	must(b, unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts))
	return ts.Nano()
}
