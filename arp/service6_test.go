package arp

import (
	"fmt"
	"slices"
	"testing"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// saidOf returns the frames b has sent since, of both families, as text.
func (b *bench) saidOf(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, s := range b.rec.take() {
		all = append(all, fmt.Sprint(s.ifindex, readSaid(t, s.frame)))
	}
	return all
}

func TestOneServiceSpeaksBothLanguages(t *testing.T) {
	b := newBench(t, Config{})
	b.set(t, bothVIPs(), testTarget(), testTarget6())
	b.turn()
	check := asks6(ourMAC, ndp.LinkLocal(ourMAC))
	announce1 := announces6(eth1MAC, eth1VIP6)
	check1 := wire6{
		dst: frame.MAC{0x33, 0x33, 0xff, 0, 0x02, 0}, src: eth1MAC, sip: ndp.LinkLocal(eth1MAC),
		dip: ndp.Group(eth1VIP6), target: eth1VIP6, lla: eth1MAC,
	}
	grat1 := func(op uint16) wire {
		return wire{dst: broadcast, src: eth1MAC, op: op, sha: eth1MAC, spa: eth1VIP, tha: broadcast, tpa: eth1VIP}
	}
	want := []string{
		fmt.Sprint(eth0, gratuitous(1)), fmt.Sprint(eth0, gratuitous(2)), fmt.Sprint(eth0, request(ourMAC, zeroIP, vip)),
		fmt.Sprint(eth0, announces6(ourMAC, vip6)), fmt.Sprint(eth0, check),
		fmt.Sprint(eth1, grat1(1)), fmt.Sprint(eth1, grat1(2)), fmt.Sprint(eth1, request(eth1MAC, zeroIP, eth1VIP)),
		fmt.Sprint(eth1, announce1), fmt.Sprint(eth1, check1),
		fmt.Sprint(eth0, request(ourMAC, ourIP, serverIP)), fmt.Sprint(eth0, wants6(our6)),
	}
	if got := b.saidOf(t); !slices.Equal(got, want) {
		t.Errorf("said\n%q, want\n%q", got, want)
	}
	if st := b.Stats(); st.traffic[announced] != 6 || st.traffic[checksSent] != 4 || st.traffic[asked] != 2 {
		t.Errorf("stats %+v", st)
	}
	b.hear(isAt6(serverMAC, server6, ourMAC, our6).build())
	b.hear(reply(serverMAC, serverIP, ourMAC, ourIP).build())
	n := b.Neighbours()
	if len(n) != 2 || n[0].IP != serverIP || n[1].IP != server6 || n[0].MAC != serverMAC || n[1].MAC != serverMAC {
		t.Errorf("neighbours %v", n)
	}
	want2 := []Change{
		{IP: server6, Ifindex: eth0, Name: "real server 2001:db8::11", New: serverMAC},
		{IP: serverIP, Ifindex: eth0, Name: "real server 192.168.1.11", New: serverMAC},
	}
	if fmt.Sprint(b.changes) != fmt.Sprint(want2) {
		t.Errorf("changes %v", b.changes)
	}
}
