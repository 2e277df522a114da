package dataplane_test

import (
	"fmt"
	"net/netip"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A director works without sockets or clocks: give it frames, and the time.
func Example() {
	d, err := dataplane.New(dataplane.Config{Tunables: dataplane.DefaultTunables()})
	if err != nil {
		fmt.Println(err)
		return
	}
	vip := netip.MustParseAddr("192.0.2.1")
	server := frame.AddrFrom4([4]byte{10, 0, 0, 1})
	key := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(vip), Port: 80}
	d.SetVIPs([]frame.Addr{key.Addr})
	d.SetNeighbour(server, frame.MAC{2, 0, 0, 0, 1, 1}, dataplane.Link{Index: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500})
	if err := d.AddService(dataplane.ServiceConfig{Key: key, Scheduler: "wrr"}); err != nil {
		fmt.Println(err)
		return
	}
	if err := d.AddServer(key, dataplane.ServerConfig{Addr: server, Port: 80, Weight: 1}); err != nil {
		fmt.Println(err)
		return
	}

	client := netip.MustParseAddrPort("198.51.100.7:40000")
	b, s := dataplane.NewBatch(), d.NewScratch(0)
	for _, port := range []uint16{80, 81} {
		b.Packets = append(b.Packets, dataplane.Packet{Data: build.TCP{
			Src: client, Dst: netip.AddrPortFrom(vip, port), Flags: "S",
			IP: build.IP{SrcMAC: frame.MAC{2, 0, 0, 0, 0, 7}, DstMAC: frame.MAC{2, 0, 0, 0, 0, 1}},
		}.Bytes()})
	}
	d.Process(s, b, 0)
	for _, p := range b.Packets {
		fmt.Println(p.Verdict, p.Reason)
	}
	fmt.Println(frametest.Describe(b.Packets[0].Data))
	fmt.Println(frametest.Describe(b.Replies[0].Data))
	// Output:
	// forward scheduled
	// answer reset-no-service
	// 02:00:00:00:00:02 > 02:00:00:00:01:01, 198.51.100.7:40000 > 192.0.2.1:80 ttl 63, TCP S seq 0 ack 0, 0 bytes
	// 02:00:00:00:00:01 > 02:00:00:00:00:07, 192.0.2.1:81 > 198.51.100.7:40000 ttl 64, TCP AR seq 0 ack 1, 0 bytes
}
