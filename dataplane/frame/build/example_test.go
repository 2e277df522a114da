package build_test

import (
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

func Example() {
	f := build.TCP{
		Src: netip.MustParseAddrPort("192.0.2.10:40000"), Dst: netip.MustParseAddrPort("198.51.100.1:80"),
		IP: build.IP{TTL: 3}, Flags: "S",
	}.Bytes()
	var h frame.Header
	frame.Parse(f, &h)
	fmt.Println(h.Proto, h.Src, h.SrcPort, h.Dst, h.DstPort, "ttl", h.TTL, len(f), "bytes")
	// Output: tcp 192.0.2.10 40000 198.51.100.1 80 ttl 3 54 bytes
}
