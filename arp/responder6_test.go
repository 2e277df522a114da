package arp

import (
	"fmt"
	"testing"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// decideCase6 is one frame on eth0 and what is to be done about it.
type decideCase6 struct {
	name   string
	backup bool
	in     wire6
	reason Reason
	answer *wire6 // nil: silence
	defend bool
	event  EventKind
	text   string
}

// ours6 is our answer to (mac, ip).
func ours6(w wire6) *wire6 { return &w }

const strangersVIP6 = "02:00:00:00:00:99 uses VIP 2001:db8::100 as its own address: another director or host has it"

var decideCases6 = []decideCase6{
	{
		name: "a solicitation to the VIP's group is answered by unicast, solicited and overriding, with our MAC",
		in:   asks6(clientMAC, client6), reason: Answered, answer: ours6(isAt6(ourMAC, vip6, clientMAC, client6)),
	},
	{
		name: "a solicitation from a link-local address is answered to it",
		in:   asks6(clientMAC, ndp.LinkLocal(clientMAC)), reason: Answered,
		answer: ours6(isAt6(ourMAC, vip6, clientMAC, ndp.LinkLocal(clientMAC))),
	},
	{
		name: "a solicitation by unicast is answered so that a neighbour can refresh its entry",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst, w.dip = ourMAC, vip6 }), reason: AnsweredUnicast,
		answer: ours6(isAt6(ourMAC, vip6, clientMAC, client6)),
	},
	{
		name: "a solicitation to the group that a switch brings by unicast (RFC 6085) is answered",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst = ourMAC }), reason: AnsweredUnicast,
		answer: ours6(isAt6(ourMAC, vip6, clientMAC, client6)),
	},
	{
		name: "a solicitation without a link-layer address is answered to its Ethernet source",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.lla = zeroMAC }), reason: Answered,
		answer: ours6(isAt6(ourMAC, vip6, clientMAC, client6)),
	},
	{
		name: "a solicitation behind a bridge that put in its own source is answered to its link-layer address",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.src = strayMAC }), reason: Answered,
		answer: ours6(isAt6(ourMAC, vip6, clientMAC, client6)),
	},
	{
		name: "a probe is answered to all nodes, unsolicited, and reported as an attempt to take the VIP",
		in:   asks6(strayMAC, zero6), reason: AnsweredProbe, answer: ours6(announces6(ourMAC, vip6)),
		event: TakeoverAttempt,
		text:  "02:00:00:00:00:99 probes for VIP 2001:db8::100: it is about to take the address",
	},
	{
		name: "a probe of a real server is reported with its name",
		in:   asks6(serverMAC, zero6), reason: AnsweredProbe, answer: ours6(announces6(ourMAC, vip6)),
		event: TakeoverAttempt,
		text:  "real server 2001:db8::11 (02:00:00:00:00:11) probes for VIP 2001:db8::100: it is about to take the address",
	},
	{
		name: "an advertisement of the VIP from a stranger's MAC is a conflict and defended",
		in:   isAt6(strayMAC, vip6, clientMAC, client6), reason: ClaimedByOther, defend: true,
		event: Conflict, text: strangersVIP6,
	},
	{
		name: "an announcement of the VIP from a stranger's MAC is a conflict and defended",
		in:   announces6(strayMAC, vip6), reason: ClaimedByOther, defend: true, event: Conflict, text: strangersVIP6,
	},
	{
		name: "an advertisement without a link-layer address is a conflict with its Ethernet source",
		in:   isAt6(strayMAC, vip6, clientMAC, client6).edit(func(w *wire6) { w.lla = zeroMAC }), reason: ClaimedByOther,
		defend: true, event: Conflict, text: strangersVIP6,
	},
	{
		name: "a proxy that advertises the VIP without the override flag is a conflict",
		in:   isAt6(strayMAC, vip6, clientMAC, client6).edit(func(w *wire6) { w.o = false }), reason: ClaimedByOther,
		defend: true, event: Conflict, text: strangersVIP6,
	},
	{
		name: "an advertisement of the VIP from another address of a stranger is a conflict",
		in:   isAt6(strayMAC, vip6, clientMAC, client6).edit(func(w *wire6) { w.sip = ndp.LinkLocal(strayMAC) }), reason: ClaimedByOther,
		defend: true, event: Conflict, text: strangersVIP6,
	},
	{
		name: "an advertisement of the VIP from a real server names it and what is wrong",
		in:   isAt6(serverMAC, vip6, clientMAC, client6), reason: ClaimedByRealServer, defend: true, event: RealServerAnswers,
		text: "real server 2001:db8::11 answers neighbour discovery for VIP 2001:db8::100: IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself, nor may there be a proxy entry for it",
	},
	{
		name: "an announcement of the VIP from a real server says that it was not asked",
		in:   announces6(serverMAC, vip6), reason: ClaimedByRealServer, defend: true, event: RealServerAnnounces,
		text: "real server 2001:db8::11 announces VIP 2001:db8::100 as its own (unsolicited neighbour advertisement): IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself",
	},
	{
		name: "a solicitation of a real server with the VIP as its source says where the VIP must be",
		in:   wire6{dst: groupMAC, src: serverMAC, sip: vip6, dip: vipGroup, target: client6, lla: serverMAC}, reason: SourceOfRealServer,
		defend: true, event: RealServerSource,
		text: "real server 2001:db8::11 uses VIP 2001:db8::100 as the source of its neighbour solicitations: IPv6 has no arp_ignore, the VIP must be on lo with /128 and not on the interface itself",
	},
	{
		name: "a solicitation of a stranger with the VIP as its source is a conflict",
		in:   wire6{dst: groupMAC, src: strayMAC, sip: vip6, dip: vipGroup, target: client6, lla: strayMAC}, reason: ClaimedByOther,
		defend: true, event: Conflict, text: strangersVIP6,
	},
	{
		name: "a solicitation of a real server for the VIP is answered with a hint that it lacks the VIP",
		in:   asks6(serverMAC, server6), reason: AnsweredRealServer, answer: ours6(isAt6(ourMAC, vip6, serverMAC, server6)),
		event: RealServerAsks,
		text:  "real server 2001:db8::11 asks who has VIP 2001:db8::100: the VIP is not configured on it, or its own clients are routed here",
	},
	{
		name: "in backup state a solicitation for the VIP meets silence", backup: true,
		in: asks6(clientMAC, client6), reason: Backup,
	},
	{
		name: "in backup state a probe meets silence", backup: true,
		in: asks6(strayMAC, zero6), reason: Backup,
	},
	{
		name: "in backup state the active director's announcement is no conflict", backup: true,
		in: announces6(strayMAC, vip6), reason: Backup,
	},
	{
		name: "a solicitation for the VIP of another interface meets silence",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.target = eth1VIP6 }), reason: OtherInterface,
	},
	{
		name: "a solicitation for an address that is no VIP meets silence",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.target = our6 }), reason: NotVIP,
	},
	{
		name: "an advertisement between others meets silence",
		in:   isAt6(clientMAC, client6, strayMAC, server6), reason: NotVIP,
	},
	{
		name: "a solicitation for the VIP sent to somebody else's MAC meets silence",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst = strayMAC }), reason: OtherHost,
	},
	{
		name: "a solicitation for the VIP sent to all nodes meets silence, as nobody asks so",
		in:   asks6(clientMAC, client6).edit(func(w *wire6) { w.dst, w.dip = allMAC, all6 }), reason: OtherHost,
	},
	{
		name: "our own announcement coming back is no conflict",
		in:   announces6(ourMAC, vip6), reason: Own,
	},
	{
		name: "our own check seen on another of our interfaces is no conflict",
		in:   asks6(eth1MAC, ndp.LinkLocal(eth1MAC)), reason: Own,
	},
	{
		name: "a frame with our Ethernet source is ours whatever its options say",
		in:   announces6(strayMAC, vip6).edit(func(w *wire6) { w.src = ourMAC }), reason: Own,
	},
}

func TestDecide6(t *testing.T) {
	for _, c := range decideCases6 {
		t.Run(c.name, func(t *testing.T) {
			in, r := Parse(c.in.build(), eth0)
			if r != Undecided {
				t.Fatalf("Parse = %v", r)
			}
			a := Decide(bothView(!c.backup), &in)
			if a.Reason != c.reason || a.Defend != c.defend || a.Event.Kind != c.event {
				t.Errorf("Decide = %v, defend %v, event %v; want %v, %v, %v",
					a.Reason, a.Defend, a.Event.Kind, c.reason, c.defend, c.event)
			}
			if got := a.Event.text(); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			if (a.Answer != nil) != (c.answer != nil) {
				t.Fatalf("answer %v, want %v", a.Answer, c.answer)
			}
			if a.Answer != nil {
				if got := readWire6(t, a.Answer.Frame()); got != *c.answer {
					t.Errorf("answer %v, want %v", got, *c.answer)
				}
			}
		})
	}
}

// TestServiceDoesWhatDecideSays6 runs the same cases through the whole service,
// which serves IPv4 at the same time.
func TestServiceDoesWhatDecideSays6(t *testing.T) {
	for _, c := range decideCases6 {
		t.Run(c.name, func(t *testing.T) {
			b := newBothBench(t)
			b.SetActive(!c.backup)
			before := b.Stats()
			b.hear(c.in.build())
			var want []wire6
			if c.answer != nil {
				want = append(want, *c.answer)
			}
			if c.defend {
				want = append(want, announces6(ourMAC, vip6))
			}
			var got []wire6
			for _, s := range b.rec.take() {
				got = append(got, readWire6(t, s.frame))
				if s.ifindex != eth0 {
					t.Errorf("sent on interface %d, want %d", s.ifindex, eth0)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("sent %v, want %v", got, want)
			}
			if (c.event == NoEvent) != (len(b.events) == 0) || len(b.events) == 1 && b.events[0].Text != c.text {
				t.Errorf("events %v, want one with text %q", b.events, c.text)
			}
			if n := b.Stats().Frames[c.reason] - before.Frames[c.reason]; n != 1 {
				t.Errorf("%v counted %d times, want 1", c.reason, n)
			}
			mismatch := c.in.lla != zeroMAC && c.in.lla != c.in.src
			if n := b.Stats().Mismatched - before.Mismatched; (n == 1) != mismatch {
				t.Errorf("mismatches counted: %d", n)
			}
		})
	}
}

func TestParseCountsWhatItCannotUseOfIPv6(t *testing.T) {
	edit := func(at int, v ...byte) []byte {
		b := asks6(clientMAC, client6).build()
		copy(b[at:], v)
		return b
	}
	tagged := func(vid byte) []byte {
		b := edit(0)
		return append(append(append([]byte{}, b[:12]...), 0x81, 0, 0xe0, vid), b[12:]...)
	}
	from := func(lla frame.MAC) []byte {
		return asks6(clientMAC, client6).edit(func(w *wire6) { w.lla = lla }).build()
	}
	long := append(edit(0), make([]byte, maxFrame)...)
	long[etherLen+5] += maxFrame
	for _, c := range []struct {
		name string
		in   []byte
		want Reason
	}{
		{"a solicitation as it should be", edit(0), Undecided},
		{"a priority tag", tagged(0), Undecided},
		{"a tag of VLAN 10", tagged(10), OtherVLAN},
		{"an IPv6 header that is cut", edit(0)[:53], Short},
		{"a solicitation that is cut", edit(0)[:85], Short},
		{"TCP over IPv6", edit(20, 6), NotND},
		{"an echo request", edit(54, 128), NotND},
		{"a hop limit of 64", edit(21, 64), BadHopLimit},
		{"a wrong checksum", edit(56, 0xde, 0xad), BadChecksum},
		{"a solicited advertisement to all nodes", announces6(strayMAC, vip6).edit(func(w *wire6) { w.s = true }).build(), BadMessage},
		{"an option without length", func() []byte {
			b := edit(79, 0)
			// One word of the sum is 0x0101 less 1: the checksum grows by 1.
			b[57]++
			return b
		}(), BadOption},
		{"a broadcast link-layer address, which would make our answer a broadcast", from(broadcast), BadSender},
		{"a multicast link-layer address", from(allMAC), BadSender},
		{"an Ethernet source that is a group, and no other address", func() []byte {
			return asks6(allMAC, zero6).build()
		}(), BadSender},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := Parse(c.in, eth0); got != c.want {
				t.Errorf("Parse = %v, want %v", got, c.want)
			}
			b := newBothBench(t)
			before := b.Stats()
			b.hear(c.in)
			if c.want != Undecided && (b.Stats().Frames[c.want]-before.Frames[c.want] != 1 || len(b.rec.take()) != 0) {
				t.Errorf("%v was not counted once and left alone", c.want)
			}
		})
	}
	b := newBothBench(t)
	b.hear(long)
	if n := b.Stats().Frames[Short]; n != 1 {
		t.Errorf("a message longer than the inbox keeps was counted %d times as short", n)
	}
}

func TestARealServerKnownByOneFamilyIsNamedInTheOther(t *testing.T) {
	v := NewView(true, bothVIPs(), []Known{{Addr: serverIP, MAC: serverMAC, Name: "web1"}}, nil)
	in, _ := Parse(isAt6(serverMAC, vip6, clientMAC, client6).build(), eth0)
	if e := Decide(v, &in).Event; e.Kind != RealServerAnswers || e.Name != "web1" || e.RealServer != serverIP {
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
