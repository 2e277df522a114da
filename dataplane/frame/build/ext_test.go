package build_test

import (
	"bytes"
	"encoding/binary"
	"testing"

	"lvsdr/dataplane/frame/build"
)

func TestExtensionHeadersAreChained(t *testing.T) {
	f := build.UDP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{
		build.HopByHop(5, 2, 0, 0), build.DestOpts(make([]byte, 7)...), build.Routing(2, 1, vip6.Addr()),
		build.Auth(12), build.FragmentHeader(8, true, 0x01020304), {Type: 200, Body: []byte{1}},
	}}}.Bytes()
	want := []byte{0} // next header, of the IPv6 header
	for _, b := range [][]byte{
		{60, 0, 5, 2, 0, 0, 0, 0},
		{43, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		{51, 2, 2, 1, 0, 0, 0, 0}, vip6.Addr().AsSlice(),
		{44, 4}, make([]byte, 22),
		{200, 0, 0, 9, 1, 2, 3, 4},
		{17, 1},
	} {
		want = append(want, b...)
	}
	got := append([]byte{f[20]}, f[54:54+len(want)-1]...)
	if !bytes.Equal(got, want) {
		t.Errorf("\n got % x\nwant % x", got, want)
	}
	if n := int(binary.BigEndian.Uint16(f[18:])); n != len(f)-54 || n != len(want)-1+8 {
		t.Errorf("payload length %d of %d", n, len(f)-54)
	}
}
