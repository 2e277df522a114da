package arp_test

import (
	"fmt"
	"net/netip"

	mdarp "github.com/mdlayher/arp"

	"lvsdr/arp"
	"lvsdr/dataplane/frame"
)

// A client asks who has the VIP, and later a real server answers that it has.
func ExampleDecide() {
	vip := arp.VIP{Addr: netip.MustParseAddr("192.168.1.100"), Ifindex: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 1}}
	rs := arp.Known{Addr: netip.MustParseAddr("192.168.1.11"), MAC: frame.MAC{2, 0, 0, 0, 0, 0x11}, Name: "web1"}
	view := arp.NewView(true, []arp.VIP{vip}, []arp.Known{rs}, nil)

	decide := func(op mdarp.Operation, mac frame.MAC, sender, target string) arp.Action {
		to := frame.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
		p, err := mdarp.NewPacket(op, mac[:], netip.MustParseAddr(sender), to[:], netip.MustParseAddr(target))
		if err != nil {
			panic(err)
		}
		return arp.Decide(view, &arp.Input{Ifindex: 2, Dst: to, Src: mac, Sender: mac, Packet: *p})
	}

	a := decide(mdarp.OperationRequest, frame.MAC{2, 0, 0, 0, 0, 0x50}, "192.168.1.50", "192.168.1.100")
	fmt.Println(a.Reason, "->", a.Answer.SenderIP, "is at", a.Answer.SenderHardwareAddr)

	a = decide(mdarp.OperationReply, rs.MAC, "192.168.1.100", "192.168.1.50")
	fmt.Println(a.Reason, "->", a.Event.Kind, "of", a.Event.Name, "defend:", a.Defend)
	// Output:
	// answered -> 192.168.1.100 is at 02:00:00:00:00:01
	// claimed_by_real_server -> real_server_answers of web1 defend: true
}
