package build_test

import (
	"bytes"
	"testing"

	"lvsdr/dataplane/frame/build"
)

func TestQuoteHoldsHeaderAndBytesAsked(t *testing.T) {
	f := build.UDP{Src: client, Dst: vip, IP: build.IP{VLAN: 7, Options: []byte{1, 1, 1, 1}, Pad: true}, Payload: []byte("0123456789")}.Bytes()
	if got := build.Quote(f, 8); !bytes.Equal(got, f[18:18+24+8]) {
		t.Errorf("got % x", got)
	}
	if got := build.Quote(f, 1000); !bytes.Equal(got, f[18:18+24+8+10]) {
		t.Errorf("padding or less: % x", got)
	}
	f = build.UDP{Src: client6, Dst: vip6, IP: build.IP{VLAN: 7, Ext: []build.Ext{build.DestOpts()}}, Payload: []byte("0123456789")}.Bytes()
	for n, want := range map[int]int{8: 40 + 8 + 8, 1000: 40 + 8 + 8 + 10} {
		if got := build.Quote(append(f, 1, 2, 3), n); !bytes.Equal(got, f[18:18+want]) {
			t.Errorf("IPv6, %d bytes: % x", n, got)
		}
	}
}

// If the extension headers of a packet are not whole, the quoted header ends
// where they stop being so.
func TestQuoteOfAnUnfinishedChain(t *testing.T) {
	for _, c := range []struct {
		name string
		ext  build.Ext
		want int // bytes of header
	}{
		{"longer than the packet", build.Ext{Type: 0, Body: []byte{200, 0, 0, 0, 0, 0, 0}}, 40},
		{"an authentication header of 16 bytes, and 8 of options", build.Auth(4), 64},
		{"a later fragment, behind which there is no header", build.FragmentHeader(64, true, 1), 48},
		{"an unknown one", build.Ext{Type: 200, Body: make([]byte, 7)}, 40},
	} {
		f := build.Raw{Src: client6.Addr(), Dst: vip6.Addr(), IP: build.IP{Ext: []build.Ext{c.ext, build.DestOpts()}}, Proto: 59, Payload: make([]byte, 64)}.Bytes()
		got := build.Quote(f, 1)
		if !bytes.Equal(got, f[14:14+c.want+1]) {
			t.Errorf("%s: %d bytes, want %d", c.name, len(got), c.want+1)
		}
	}
}
