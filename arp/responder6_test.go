package arp

import (
	"testing"

	"lvsdr/arp/ndp"
)

const strangersVIP6 = "02:00:00:00:00:99 uses VIP 2001:db8::100 as its own address: another director or host has it"

var decideCases6 = []decideCase{
	{
		name: "a solicitation to the VIP's group is answered by unicast, solicited and overriding, with our MAC",
		in:   asks6(clientMAC, client6), reason: answered, answer: isAt6(ourMAC, vip6, clientMAC, client6),
	},
	{
		name: "a solicitation from a link-local address is answered to it",
		in:   asks6(clientMAC, ndp.LinkLocal(clientMAC)), reason: answered,
		answer: isAt6(ourMAC, vip6, clientMAC, ndp.LinkLocal(clientMAC)),
	},
	{
		name: "a solicitation by unicast is answered so that a neighbour can refresh its entry",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst, w.dip = ourMAC, vip6 }), reason: answeredUnicast,
		answer: isAt6(ourMAC, vip6, clientMAC, client6),
	},
	{
		name: "a solicitation to the group that a switch brings by unicast (RFC 6085) is answered",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst = ourMAC }), reason: answeredUnicast,
		answer: isAt6(ourMAC, vip6, clientMAC, client6),
	},
	{
		name: "a solicitation without a link-layer address is answered to its Ethernet source",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.lla = zeroMAC }), reason: answered,
		answer: isAt6(ourMAC, vip6, clientMAC, client6),
	},
	{
		name: "a solicitation behind a bridge that put in its own source is answered to its link-layer address",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.src = strayMAC }), reason: answered,
		answer: isAt6(ourMAC, vip6, clientMAC, client6),
	},
	{
		name: "a probe is answered to all nodes, unsolicited, and reported as an attempt to take the VIP",
		in:   asks6(strayMAC, zero6), reason: answeredProbe, answer: announces6(ourMAC, vip6),
		event: TakeoverAttempt,
		text:  "02:00:00:00:00:99 probes for VIP 2001:db8::100: it is about to take the address",
	},
	{
		name: "a probe of a real server is reported with its name",
		in:   asks6(serverMAC, zero6), reason: answeredProbe, answer: announces6(ourMAC, vip6),
		event: TakeoverAttempt,
		text:  "real server 2001:db8::11 (02:00:00:00:00:11) probes for VIP 2001:db8::100: it is about to take the address",
	},
	{
		name: "an advertisement of the VIP from a stranger's MAC is a conflict and defended",
		in:   isAt6(strayMAC, vip6, clientMAC, client6), reason: claimedByOther, defend: announces6(ourMAC, vip6),
		event: Conflict, text: strangersVIP6,
	},
	{
		name: "an announcement of the VIP from a stranger's MAC is a conflict and defended",
		in:   announces6(strayMAC, vip6), reason: claimedByOther, defend: announces6(ourMAC, vip6), event: Conflict, text: strangersVIP6,
	},
	{
		name: "an advertisement without a link-layer address is a conflict with its Ethernet source",
		in:   isAt6(strayMAC, vip6, clientMAC, client6).edit(func(w *wire6) { w.lla = zeroMAC }), reason: claimedByOther,
		defend: announces6(ourMAC, vip6), event: Conflict, text: strangersVIP6,
	},
	{
		name: "a proxy that advertises the VIP without the override flag is a conflict",
		in:   isAt6(strayMAC, vip6, clientMAC, client6).edit(func(w *wire6) { w.o = false }), reason: claimedByOther,
		defend: announces6(ourMAC, vip6), event: Conflict, text: strangersVIP6,
	},
	{
		name: "an advertisement of the VIP from another address of a stranger is a conflict",
		in:   isAt6(strayMAC, vip6, clientMAC, client6).edit(func(w *wire6) { w.sip = ndp.LinkLocal(strayMAC) }), reason: claimedByOther,
		defend: announces6(ourMAC, vip6), event: Conflict, text: strangersVIP6,
	},
	{
		name: "an advertisement of the VIP from a real server names it and what is wrong",
		in:   isAt6(serverMAC, vip6, clientMAC, client6), reason: claimedByRealServer, defend: announces6(ourMAC, vip6), event: RealServerAnswers,
		text: "real server 2001:db8::11 answers neighbour discovery for VIP 2001:db8::100: IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself, nor may there be a proxy entry for it",
	},
	{
		name: "an announcement of the VIP from a real server says that it was not asked",
		in:   announces6(serverMAC, vip6), reason: claimedByRealServer, defend: announces6(ourMAC, vip6), event: RealServerAnnounces,
		text: "real server 2001:db8::11 announces VIP 2001:db8::100 as its own (unsolicited neighbour advertisement): IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself",
	},
	{
		name: "a solicitation of a real server with the VIP as its source says where the VIP must be",
		in:   wire6{dst: groupMAC, src: serverMAC, sip: vip6, dip: vipGroup, target: client6, lla: serverMAC}, reason: sourceOfRealServer,
		defend: announces6(ourMAC, vip6), event: RealServerSource,
		text: "real server 2001:db8::11 uses VIP 2001:db8::100 as the source of its neighbour solicitations: IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself",
	},
	{
		name: "a solicitation of a stranger with the VIP as its source is a conflict",
		in:   wire6{dst: groupMAC, src: strayMAC, sip: vip6, dip: vipGroup, target: client6, lla: strayMAC}, reason: claimedByOther,
		defend: announces6(ourMAC, vip6), event: Conflict, text: strangersVIP6,
	},
	{
		name: "a solicitation of a real server for the VIP is answered with a hint that it lacks the VIP",
		in:   asks6(serverMAC, server6), reason: answeredRealServer, answer: isAt6(ourMAC, vip6, serverMAC, server6),
		event: RealServerAsks,
		text:  "real server 2001:db8::11 asks who has VIP 2001:db8::100: the VIP is not configured on it, or its own clients are routed here",
	},
	{
		name: "in backup state a solicitation for the VIP meets silence", backup: true,
		in: asks6(clientMAC, client6), reason: backup,
	},
	{
		name: "in backup state a probe meets silence", backup: true,
		in: asks6(strayMAC, zero6), reason: backup,
	},
	{
		name: "in backup state the active director's announcement is no conflict", backup: true,
		in: announces6(strayMAC, vip6), reason: backup,
	},
	{
		name: "a solicitation for the VIP of another interface meets silence",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.target = eth1VIP6 }), reason: otherInterface,
	},
	{
		name: "a solicitation for an address that is no VIP meets silence",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.target = our6 }), reason: notVIP,
	},
	{
		name: "an advertisement between others meets silence",
		in:   isAt6(clientMAC, client6, strayMAC, server6), reason: notVIP,
	},
	{
		name: "a solicitation for the VIP sent to somebody else's MAC meets silence",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst = strayMAC }), reason: otherHost,
	},
	{
		name: "a solicitation for the VIP sent to all nodes meets silence, as nobody asks so",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst, w.dip = allMAC, all6 }), reason: otherHost,
	},
	{
		name: "our own announcement coming back is no conflict",
		in:   announces6(ourMAC, vip6), reason: own,
	},
	{
		name: "our own check seen on another of our interfaces is no conflict",
		in:   asks6(eth1MAC, ndp.LinkLocal(eth1MAC)), reason: own,
	},
	{
		name: "a frame with our Ethernet source is ours whatever its options say",
		in:   announces6(strayMAC, vip6).edit(func(w *wire6) { w.src = ourMAC }), reason: own,
	},
}

func TestARealServerKnownByOneFamilyIsNamedInTheOther(t *testing.T) {
	v := viewOf(true, known{place{eth0, serverIP}, serverMAC, "web1"})
	if e := decide(v, &input{eth0, mustParse(t, isAt6(serverMAC, vip6, clientMAC, client6).build())}).event; e.Kind != RealServerAnswers || e.Name != "web1" || e.RealServer != serverIP {
		t.Errorf("event %v", e)
	}
}

// TestAProbeOfOursSaysNoAddress is about a Packet that only others make of this
// package: the Service never probes by IPv6, see Announcement.Packet.
func TestAProbeOfOursSaysNoAddress(t *testing.T) {
	p := Packet{Dst: groupMAC, Op: Request, SenderMAC: ourMAC, SenderIP: zero6, TargetIP: vip6}
	if got := readWire6(t, p.Frame()); got != asks6(ourMAC, zero6) {
		t.Errorf("the probe is %v", got)
	}
}
