package ladder

import (
	"context"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/frametest"
)

// A frame of IPv6 stays whole when its client changes.
func TestFramesOfIPv6AreWhole(t *testing.T) {
	s := DefaultSetup(0)
	seen := map[[16]byte]bool{}
	for _, flow := range []int{0, 1, 15, 16, 255, 256, 65535, 65536, 9_999_999, NumFlows - 1} {
		f, src := frame6(s), client6(flow)
		copy(f[ip6Src:], src[:])
		h := frametest.Parse(f)
		if h.Fault != frame.NoFault || h.Src != frame.Addr(src) || h.DstPort != s.Port || seen[src] {
			t.Errorf("flow %d: %s", flow, frametest.Describe(f))
		}
		seen[src] = true
	}
}

// Keys of different flows are different.
func TestKeysNameTheirFlows(t *testing.T) {
	short, long := map[mapKey]bool{}, map[longMapKey]bool{}
	for flow := range 100_000 {
		short[shortKey(flow)], long[longKey(flow)] = true, true
	}
	if len(short) != 100_000 || len(long) != 100_000 {
		t.Errorf("%d and %d keys of 100000 flows", len(short), len(long))
	}
}

// Memory of a known size is measured as that size. The kernel fills it: memory
// that Go code writes has shadows under the race detector.
func TestMemoryIsMeasured(t *testing.T) {
	const limit, each = 1 << 16, 256
	var b []byte
	got, err := bytesPerFlow(t.Context(), limit, func(context.Context, int) (n int, held any, err error) {
		b, err = unix.Mmap(-1, 0, limit*each, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_POPULATE)
		return limit, nil, err
	})
	if err != nil || got < 0.9*each || got > 1.2*each {
		t.Errorf("%d bytes an entry are measured as %.1f, %v", each, got, err)
	}
	if err := unix.Munmap(b); err != nil {
		t.Error(err)
	}
	if _, err := bytesPerFlow(t.Context(), limit, func(context.Context, int) (int, any, error) { return limit / 2, nil, nil }); err == nil {
		t.Error("a table that is half empty was measured")
	}
}

// All fillers hold what they were asked for.
func TestFillersFill(t *testing.T) {
	for i, fill := range []filler{fillMap(shortKey), fillMap(longKey), fillLRU(shortKey, hashKey), fillLRU(longKey, hashLongKey), fillDirector, fillDirector6} {
		n, held, err := fill(t.Context(), 20_000)
		if err != nil || n < 19_980 || n > 20_000 {
			t.Errorf("%d: %d connections of 20000, %v", i, n, err)
		}
		runtime.KeepAlive(held)
	}
}
