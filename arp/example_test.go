package arp_test

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/arp"
	"lvsdr/dataplane/frame"
)

// A wire is a Sender that tells what it is given.
type wire chan string

func (w wire) Send(_ int32, f []byte) error {
	p, _ := arp.Parse(f)
	w <- fmt.Sprintf("%v: %v is at %v", p.Op, p.SenderIP, p.SenderMAC)
	return nil
}

// The VIP is announced when it becomes active, and a client that asks for it is
// answered.
func Example() {
	sent := make(wire)
	s, err := arp.New(arp.Config{Sender: sent, Announce: arp.AnnounceTimes{Look: -1, Rounds: 1, CheckEvery: -1}})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go s.Run(ctx)

	const eth0 = 2
	vip := arp.VIP{Addr: netip.MustParseAddr("192.168.1.100"), Ifindex: eth0, MAC: frame.MAC{2, 0, 0, 0, 0, 1}, Active: true}
	if err := s.SetVIPs([]arp.VIP{vip}); err != nil {
		panic(err)
	}
	fmt.Println(<-sent)
	fmt.Println(<-sent)

	client := arp.Target{IP: vip.Addr, SourceIP: netip.MustParseAddr("192.168.1.50"), SourceMAC: frame.MAC{2, 0, 0, 0, 0, 0x50}}
	asks := client.Request()
	s.Inbox().Put(asks.Frame(), eth0)
	fmt.Println(<-sent)
	// Output:
	// request: 192.168.1.100 is at 02:00:00:00:00:01
	// reply: 192.168.1.100 is at 02:00:00:00:00:01
	// reply: 192.168.1.100 is at 02:00:00:00:00:01
}
