package arp_test

import (
	"fmt"
	"net/netip"

	"lvsdr/arp"
	"lvsdr/dataplane/frame"
)

// A client asks who has the VIP, and later a real server answers that it has.
func ExampleDecide() {
	for _, net := range []string{"192.168.1.", "2001:db8::"} {
		addr := func(host string) netip.Addr { return netip.MustParseAddr(net + host) }
		vip := arp.VIP{Addr: addr("100"), Ifindex: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 1}}
		rs := arp.Known{Addr: addr("11"), MAC: frame.MAC{2, 0, 0, 0, 0, 0x11}, Name: "web1"}
		view := arp.NewView(true, []arp.VIP{vip}, []arp.Known{rs}, nil)

		decide := func(op arp.Op, mac frame.MAC, sender, target string) arp.Action {
			return arp.Decide(view, &arp.Input{Ifindex: 2, Packet: arp.Packet{
				Dst: vip.MAC, Src: mac, Op: op,
				SenderMAC: mac, SenderIP: addr(sender), TargetIP: addr(target),
			}})
		}

		a := decide(arp.Request, frame.MAC{2, 0, 0, 0, 0, 0x50}, "50", "100")
		fmt.Println(a.Reason, "->", a.Answer.SenderIP, "is at", a.Answer.SenderMAC)

		a = decide(arp.Reply, rs.MAC, "100", "50")
		fmt.Println(a.Reason, "->", a.Event.Kind, "of", a.Event.Name, "defend:", a.Defend)
	}
	// Output:
	// answered_unicast -> 192.168.1.100 is at 02:00:00:00:00:01
	// claimed_by_real_server -> real_server_answers of web1 defend: true
	// answered_unicast -> 2001:db8::100 is at 02:00:00:00:00:01
	// claimed_by_real_server -> real_server_answers of web1 defend: true
}
