package frame_test

import (
	"fmt"
	"net/netip"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A director reads a frame, and sends it on to a real server: MAC addresses and
// TTL are all that changes.
func Example() {
	f := build.TCP{
		Src:   netip.MustParseAddrPort("192.0.2.10:40000"),
		Dst:   netip.MustParseAddrPort("198.51.100.1:80"),
		IP:    build.IP{SrcMAC: frame.MAC{2, 0, 0, 0, 0, 0x0c}, DstMAC: frame.MAC{2, 0, 0, 0, 0, 0x01}, TTL: 64},
		Flags: "S",
	}.Bytes()

	var h frame.Header
	frame.Parse(f, &h)
	fmt.Println(h.Kind, h.Fault, h.Src, h.SrcPort, h.Dst, h.DstPort, h.Flags == frame.SYN)

	server := frame.MAC{2, 0, 0, 0, 0, 0x55}
	frame.SetMACs(f, server, frame.DstMAC(f))
	frame.DecrementTTL(f, &h)
	fmt.Println(frametest.Describe(f))
	// Output:
	// ipv4 no fault 192.0.2.10 40000 198.51.100.1 80 true
	// 02:00:00:00:00:01 > 02:00:00:00:00:55, 192.0.2.10:40000 > 198.51.100.1:80 ttl 63, TCP S seq 0 ack 0, 0 bytes
}

// A SYN to a port nobody serves is answered with a reset.
func ExampleAppendReset() {
	f := build.TCP{
		Src:   netip.MustParseAddrPort("192.0.2.10:40000"),
		Dst:   netip.MustParseAddrPort("198.51.100.1:81"),
		Flags: "S",
		Seq:   1000,
	}.Bytes()

	var h frame.Header
	frame.Parse(f, &h)
	buf := make([]byte, 0, frame.MaxReply)
	buf = frame.AppendReset(buf, f, &h)
	fmt.Println(frametest.Describe(buf))
	// Output:
	// 00:00:00:00:00:00 > 00:00:00:00:00:00, 198.51.100.1:81 > 192.0.2.10:40000 ttl 64, TCP AR seq 0 ack 1001, 0 bytes
}

// A router on the way from the server to the client says that a packet is too
// long. What it quotes names the connection, seen from the server.
func ExampleInner() {
	quoted := build.TCP{
		Src:   netip.MustParseAddrPort("[2001:db8:2::1]:80"),
		Dst:   netip.MustParseAddrPort("[2001:db8:1::10]:40000"),
		Flags: "A",
	}.Bytes()
	f := build.ICMP{
		Src:     netip.MustParseAddr("2001:db8:9::1"),
		Dst:     netip.MustParseAddr("2001:db8:2::1"),
		Type:    2,
		Rest:    [4]byte{2: 1400 >> 8, 3: 1400 & 0xff},
		Payload: build.Quote(quoted, 8),
	}.Bytes()

	var h, in frame.Header
	frame.Parse(f, &h)
	ok := frame.Inner(f, &h, &in)
	fmt.Println(ok, in.Src, in.SrcPort, in.Dst, in.DstPort)
	// Output:
	// true 2001:db8:2::1 80 2001:db8:1::10 40000
}
