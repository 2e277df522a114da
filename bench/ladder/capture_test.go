package ladder

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// captured are three frames of a service, some of others, and some that are
// no use.
func captured() (all, wanted [][]byte) {
	s := DefaultSetup(0)
	wanted = [][]byte{slowFrame(s, 1, "S"), slowFrame(s, 2, "S"), slowFrame(s, 1, "A")}
	other := build.UDP{Src: netip.MustParseAddrPort("192.0.2.1:53"), Dst: netip.MustParseAddrPort("10.0.0.1:80"), IP: build.IP{DstMAC: s.MAC}}.Bytes()
	arp := build.ARP{SenderIP: netip.MustParseAddr("192.0.2.1"), TargetIP: netip.MustParseAddr("192.0.2.2")}.Bytes()
	bad := slices.Clone(wanted[0])
	bad[ipSum]++
	return append([][]byte{other, arp, bad, bad, bad, bad}, wanted...), wanted
}

func writePcap(t testing.TB, ng bool, frames [][]byte) *bytes.Buffer {
	t.Helper()
	var b bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	if ng {
		w, err := pcapgo.NewNgWriter(&b, layers.LinkTypeEthernet)
		if err != nil {
			t.Fatal(err)
		}
		write = w.WritePacket
		defer w.Flush()
	} else {
		w := pcapgo.NewWriter(&b)
		if err := w.WriteFileHeader(65535, layers.LinkTypeEthernet); err != nil {
			t.Fatal(err)
		}
		write = w.WritePacket
	}
	for _, f := range frames {
		if err := write(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(f), Length: len(f)}, f); err != nil {
			t.Fatal(err)
		}
	}
	return &b
}

func TestACaptureGivesTheFramesOfItsBusiestService(t *testing.T) {
	all, wanted := captured()
	for _, ng := range []bool{false, true} {
		c, err := ReadCapture(writePcap(t, ng, all))
		if err != nil {
			t.Fatalf("pcapng %v: %v", ng, err)
		}
		if c.Proto != frame.ProtoTCP || c.VIP != [4]byte{10, 0, 0, 1} || c.Port != 80 || !slices.EqualFunc(c.Frames, wanted, bytes.Equal) {
			t.Errorf("pcapng %v: %+v", ng, c)
		}
	}
}

func TestACaptureWithoutUseIsRefused(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty file":    nil,
		"no capture":    []byte("not a capture at all, not at all"),
		"no frames":     writePcap(t, false, nil).Bytes(),
		"half a packet": writePcap(t, false, [][]byte{make([]byte, 60)}).Bytes()[:50],
	} {
		if _, err := ReadCapture(bytes.NewReader(b)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Whatever a file holds, a capture is whole packets of one service.
func TestADamagedCaptureIsAnErrorOrItsWholeFrames(t *testing.T) {
	all, _ := captured()
	r := rand.New(rand.NewPCG(1, 2))
	for _, ng := range []bool{false, true} {
		good := writePcap(t, ng, all).Bytes()
		for range long(60, 400) {
			b := bytes.Clone(good)
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
			checkCapture(t, b[:len(b)-r.IntN(len(b))/2])
		}
	}
}

// pcapgo divides by zero over a time stamp resolution of 10^-86 s.
func TestAnImpossibleTimeStampResolutionIsAnError(t *testing.T) {
	all, _ := captured()
	b := writePcap(t, true, all).Bytes()
	i := bytes.Index(b, []byte{9, 0, 1, 0}) // the option if_tsresol
	if i < 0 {
		t.Fatal("the capture names no resolution")
	}
	b[i+4] = 86
	if _, err := ReadCapture(bytes.NewReader(b)); err == nil {
		t.Error("no error")
	}
}

// checkCapture holds what can be read of b against what a Capture is.
func checkCapture(t *testing.T, b []byte) {
	t.Helper()
	c, err := ReadCapture(bytes.NewReader(b))
	if err != nil {
		return
	}
	if len(c.Frames) == 0 {
		t.Fatal("a capture without frames is no error")
	}
	for _, fr := range c.Frames {
		h := frametest.Parse(fr)
		if h.Fault != frame.NoFault || h.Dst.As4() != c.VIP || h.DstPort != c.Port || h.Proto != c.Proto || h.IsFragment() || len(fr) > maxLength {
			t.Fatalf("%+v holds %s", c, frametest.Describe(fr))
		}
	}
}
