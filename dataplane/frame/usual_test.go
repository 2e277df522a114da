package frame_test

import (
	"bytes"
	"fmt"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// usualFrames are of the sort that Parse reads without its detours, the shortest among
// them.
func usualFrames() map[string][]byte {
	ip := build.IP{SrcMAC: clientMAC, DstMAC: vipMAC}
	padded, payload := ip, bytes.Repeat([]byte("x"), 20)
	padded.Pad = true
	return map[string][]byte{
		"a TCP segment without data":           build.TCP{Src: client, Dst: vip, IP: ip, Flags: "A"}.Bytes(),
		"a TCP segment without data, padded":   build.TCP{Src: client, Dst: vip, IP: padded, Flags: "S"}.Bytes(),
		"a TCP segment with data":              build.TCP{Src: client, Dst: vip, IP: ip, Flags: "PA", Payload: payload}.Bytes(),
		"a UDP datagram without data":          build.UDP{Src: client, Dst: vip, IP: ip}.Bytes(),
		"a UDP datagram without data, padded":  build.UDP{Src: client, Dst: vip, IP: padded}.Bytes(),
		"a UDP datagram with data":             build.UDP{Src: client, Dst: vip, IP: ip, Payload: payload}.Bytes(),
		"a UDP datagram of the least Ethernet": build.UDP{Src: client, Dst: vip, IP: padded, Payload: payload[:4]}.Bytes(),
	}
}

// agrees fails unless Parse reads f as the reference does.
func agrees(t *testing.T, what string, f []byte) {
	t.Helper()
	if got, want := parse(f), frametest.Parse(f); got != want {
		t.Fatalf("%s: %x\ngot  %+v\nwant %+v", what, f, got, want)
	}
}

// usualHeaders is more than the headers of the usual frames have, in bytes.
const usualHeaders = 60

func TestEveryBitOfAUsualFrameCounts(t *testing.T) {
	for name, f := range usualFrames() {
		agrees(t, name, f)
		for bit := range min(len(f), usualHeaders) * 8 {
			flipped := bytes.Clone(f)
			flipped[bit/8] ^= 1 << (bit % 8)
			what := fmt.Sprintf("%s, bit %d of byte %d flipped", name, bit%8, bit/8)
			agrees(t, what, flipped)
			build.FixHeaderSum(flipped)
			agrees(t, what+", checksum right", flipped)
		}
	}
}

func TestEveryValueOfTheLengthsOfAUsualFrameCounts(t *testing.T) {
	for name, f := range usualFrames() {
		for _, at := range []int{14, 17, 20, 21, 23, 39, 46} { // IHL, total, fragment, protocol, UDP length, data offset
			for v := range 256 * min(1, len(f)/(at+1)) { // none where the frame ends before
				agrees(t, fmt.Sprintf("%s, byte %d is %#x", name, at, v), with(f, set(at, byte(v))))
			}
		}
	}
}

func TestAUsualFrameOfAnyLengthIsReadAsTheReferenceDoes(t *testing.T) {
	for name, f := range usualFrames() {
		for n := range len(f) + 1 {
			agrees(t, fmt.Sprintf("%s, %d bytes of it", name, n), f[:n])
		}
		for n := range 10 {
			agrees(t, fmt.Sprintf("%s, %d bytes more", name, n), append(bytes.Clone(f), make([]byte, n)...))
		}
	}
}

func TestToGroup(t *testing.T) {
	for name, c := range map[string]struct {
		to   frame.MAC
		want bool
	}{
		"one station":               {frame.MAC{2, 0, 0, 0, 0, 1}, false},
		"one station, only the bit": {frame.MAC{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
		"broadcast":                 {frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, true},
		"IPv4 multicast":            {frame.MAC{1, 0, 0x5e, 0, 0, 18}, true},
		"IPv6 multicast":            {frame.MAC{0x33, 0x33, 0, 0, 0, 1}, true},
	} {
		f := build.UDP{Src: client, Dst: vip, IP: build.IP{SrcMAC: clientMAC, DstMAC: c.to}}.Bytes()
		if got := frame.ToGroup(f); got != c.want {
			t.Errorf("%s: ToGroup says %v", name, got)
		}
	}
}
