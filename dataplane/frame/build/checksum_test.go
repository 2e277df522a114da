package build_test

import (
	"bytes"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// The example of RFC 1071 section 3.
func TestChecksumOfTheRFC(t *testing.T) {
	if got := build.Checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("got %#04x", got)
	}
	if got := build.Checksum([]byte{0x12}); got != ^uint16(0x1200) {
		t.Errorf("got %#04x of an odd byte", got)
	}
}

// The right checksum of a header makes the checksum of the whole header zero,
// whatever else is damaged; where there is no whole header nothing changes.
func TestFixHeaderSum(t *testing.T) {
	for _, c := range []struct {
		name string
		f    []byte
		want bool
	}{
		{"IPv4", build.UDP{Src: client, Dst: vip, IP: build.IP{BadIPSum: true}}.Bytes(), true},
		{"IPv4 with options in a tag", build.UDP{Src: client, Dst: vip, IP: build.IP{VLAN: 7, BadIPSum: true, Options: []byte{1, 2, 3, 4}}}.Bytes(), true},
		{"IPv6", build.UDP{Src: client6, Dst: vip6}.Bytes(), false},
		{"ARP", build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes(), false},
		{"a header cut short", build.UDP{Src: client, Dst: vip}.Bytes()[:33], false},
		{"a length below 20", damaged(build.UDP{Src: client, Dst: vip}.Bytes(), 14, 0x44), false},
		{"a length beyond the frame", damaged(build.UDP{Src: client, Dst: vip}.Bytes(), 14, 0x4f), false},
		{"nothing", nil, false},
	} {
		before := bytes.Clone(c.f)
		got := build.FixHeaderSum(c.f)
		if got != c.want || !got && !bytes.Equal(c.f, before) {
			t.Errorf("%s: %v", c.name, got)
		}
		if h := frametest.Parse(c.f); got && h.Fault != frame.NoFault {
			t.Errorf("%s: %v", c.name, h.Fault)
		}
	}
}

func damaged(f []byte, at int, b byte) []byte {
	f[at] = b
	return f
}

// What spoils a checksum must not turn that of UDP into "none".
func TestASpoiltChecksumIsNotNone(t *testing.T) {
	u := build.UDP{Src: client, Dst: vip, Payload: []byte{0, 0}}
	for n := range 1 << 16 {
		u.Payload[0], u.Payload[1] = byte(n>>8), byte(n)
		if f := u.Bytes(); f[40] == 1 && f[41] == 1 { // spoiling flips just these bits
			u.BadSum = true
			if f = u.Bytes(); f[40]|f[41] == 0 {
				t.Errorf("% x", f)
			}
			return
		}
	}
	t.Error("no payload gives the checksum 0x0101")
}
