package arp

import (
	"fmt"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
)

// decideCase is one frame on eth0 and what is to be done about it.
type decideCase struct {
	name   string
	backup bool
	in     wire
	reason Reason
	answer *wire // nil: silence
	defend bool
	event  EventKind
	text   string
}

// isAt is our answer to (mac, ip): the VIP is at our MAC.
func isAt(mac frame.MAC, ip netip.Addr) *wire {
	w := reply(ourMAC, vip, mac, ip)
	return &w
}

// unicast is w sent to one MAC instead of all.
func unicast(w wire, dst frame.MAC) wire {
	w.dst, w.tha = dst, dst
	return w
}

var decideCases = []decideCase{
	{
		name: "a broadcast request for the VIP is answered by unicast with our MAC",
		in:   request(clientMAC, clientIP, vip), reason: Answered, answer: isAt(clientMAC, clientIP),
	},
	{
		name: "a request sent to our MAC is answered so that a neighbour can refresh its entry",
		in:   unicast(request(clientMAC, clientIP, vip), ourMAC), reason: AnsweredUnicast, answer: isAt(clientMAC, clientIP),
	},
	{
		name: "a probe is answered and reported as an attempt to take the VIP",
		in:   request(strayMAC, zeroIP, vip), reason: AnsweredProbe, answer: isAt(strayMAC, zeroIP),
		event: TakeoverAttempt,
		text:  "02:00:00:00:00:99 probes for VIP 192.168.1.100: it is about to take the address",
	},
	{
		name: "a probe of a real server is reported with its name",
		in:   request(serverMAC, zeroIP, vip), reason: AnsweredProbe, answer: isAt(serverMAC, zeroIP),
		event: TakeoverAttempt,
		text:  "real server 192.168.1.11 (02:00:00:00:00:11) probes for VIP 192.168.1.100: it is about to take the address",
	},
	{
		name: "a reply for the VIP from a stranger's MAC is a conflict and defended",
		in:   reply(strayMAC, vip, clientMAC, clientIP), reason: ClaimedByOther, defend: true,
		event: Conflict,
		text:  "02:00:00:00:00:99 uses VIP 192.168.1.100 as its own address: another director or host has it",
	},
	{
		name: "an announcement of the VIP from a stranger's MAC is a conflict and defended",
		in:   request(strayMAC, vip, vip), reason: ClaimedByOther, defend: true, event: Conflict,
		text: "02:00:00:00:00:99 uses VIP 192.168.1.100 as its own address: another director or host has it",
	},
	{
		name: "a reply for the VIP from a real server names it and arp_ignore",
		in:   reply(serverMAC, vip, clientMAC, clientIP), reason: ClaimedByRealServer, defend: true,
		event: RealServerAnswers,
		text:  "real server 192.168.1.11 answers ARP for VIP 192.168.1.100: arp_ignore is not 1 on all",
	},
	{
		name: "a gratuitous ARP of a real server for the VIP names it",
		in:   wire{dst: broadcast, src: serverMAC, op: 2, sha: serverMAC, spa: vip, tha: broadcast, tpa: vip},
		// The operator has to look for a program here, not for a sysctl.
		reason: ClaimedByRealServer, defend: true, event: RealServerAnnounces,
		text: "real server 192.168.1.11 announces VIP 192.168.1.100 as its own (gratuitous ARP): its neighbours send to it past the director",
	},
	{
		name: "a request for the VIP from a real server is answered with a hint that it lacks the VIP",
		in:   request(serverMAC, serverIP, vip), reason: AnsweredRealServer, answer: isAt(serverMAC, serverIP),
		event: RealServerAsks,
		text:  "real server 192.168.1.11 asks who has VIP 192.168.1.100: the VIP is not configured on it, or its own clients are routed here",
	},
	{
		name: "a request of a real server with the VIP as its source names arp_announce",
		in:   request(serverMAC, vip, clientIP), reason: SourceOfRealServer, defend: true,
		event: RealServerSource,
		text:  "real server 192.168.1.11 uses VIP 192.168.1.100 as the source of its ARP requests: arp_announce is not 2 on all",
	},
	{
		name: "a request of a stranger with the VIP as its source is a conflict",
		in:   request(strayMAC, vip, clientIP), reason: ClaimedByOther, defend: true, event: Conflict,
		text: "02:00:00:00:00:99 uses VIP 192.168.1.100 as its own address: another director or host has it",
	},
	{
		name: "in backup state a request for the VIP meets silence", backup: true,
		in: request(clientMAC, clientIP, vip), reason: Backup,
	},
	{
		name: "in backup state a probe meets silence", backup: true,
		in: request(strayMAC, zeroIP, vip), reason: Backup,
	},
	{
		name: "in backup state the active director's announcement is no conflict", backup: true,
		in: request(strayMAC, vip, vip), reason: Backup,
	},
	{
		name: "in backup state a real server that has become the director is no conflict", backup: true,
		in: request(serverMAC, vip, vip), reason: Backup,
	},
	{
		name: "a request for the VIP of another interface meets silence",
		in:   request(clientMAC, clientIP, eth1VIP), reason: OtherInterface,
	},
	{
		name: "a reply for the VIP of another interface is none of this interface's business",
		in:   reply(strayMAC, eth1VIP, clientMAC, clientIP), reason: OtherInterface,
	},
	{
		name: "a request for an address that is no VIP meets silence",
		in:   request(clientMAC, clientIP, ourIP), reason: NotVIP,
	},
	{
		name: "a reply between others meets silence",
		in:   reply(clientMAC, clientIP, strayMAC, serverIP), reason: NotVIP,
	},
	{
		name: "a request for the VIP sent to somebody else's MAC meets silence",
		in:   unicast(request(clientMAC, clientIP, vip), strayMAC), reason: OtherHost,
	},
	{
		name: "a request sent to the MAC of our other interface meets silence on this one",
		in:   unicast(request(clientMAC, clientIP, vip), eth1MAC), reason: OtherHost,
	},
	{
		name: "our own announcement coming back is no conflict",
		in:   request(ourMAC, vip, vip), reason: Own,
	},
	{
		name: "our own frame seen on another of our interfaces is no conflict",
		in:   request(eth1MAC, vip, vip), reason: Own,
	},
	{
		name: "a frame with our Ethernet source is ours whatever its ARP packet says",
		in:   wire{dst: broadcast, src: ourMAC, op: 1, sha: strayMAC, spa: vip, tpa: vip}, reason: Own,
	},
	{
		name: "a request behind a bridge that put in its own source is answered to its ARP sender",
		in:   wire{dst: broadcast, src: strayMAC, op: 1, sha: clientMAC, spa: clientIP, tpa: vip},
		// RFC 826 knows of no Ethernet header.
		reason: Answered, answer: isAt(clientMAC, clientIP),
	},
}

func TestDecide(t *testing.T) {
	for _, c := range decideCases {
		t.Run(c.name, func(t *testing.T) {
			in, r := Parse(c.in.build(), eth0)
			if r != Undecided {
				t.Fatalf("Parse = %v", r)
			}
			a := Decide(testView(!c.backup), &in)
			if a.Reason != c.reason || a.Defend != c.defend || a.Event.Kind != c.event {
				t.Errorf("Decide = %v, defend %v, event %v; want %v, %v, %v",
					a.Reason, a.Defend, a.Event.Kind, c.reason, c.defend, c.event)
			}
			if got := a.Event.text(); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			switch {
			case (a.Answer != nil) != (c.answer != nil):
				t.Errorf("answer %v, want %v", a.Answer, c.answer)
			case a.Answer != nil:
				if got := readWire(t, a.Answer.Frame()); got != *c.answer {
					t.Errorf("answer %v, want %v", got, *c.answer)
				}
			}
		})
	}
}

// TestServiceDoesWhatDecideSays runs the same cases through the whole service:
// the frames, the events and the counters must be what Decide wants.
func TestServiceDoesWhatDecideSays(t *testing.T) {
	for _, c := range decideCases {
		t.Run(c.name, func(t *testing.T) {
			b := newActiveBench(t)
			b.SetActive(!c.backup)
			before := b.Stats()
			b.hear(c.in.build())
			var want []wire
			if c.answer != nil {
				want = append(want, *c.answer)
			}
			if c.defend {
				want = append(want, gratuitous(1))
			}
			var got []wire
			for _, s := range b.rec.take() {
				got = append(got, readWire(t, s.frame))
				if s.ifindex != eth0 || len(s.frame) != etherMin {
					t.Errorf("frame of %d bytes on interface %d, want %d on %d", len(s.frame), s.ifindex, etherMin, eth0)
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("sent %v, want %v", got, want)
			}
			if c.event == NoEvent != (len(b.events) == 0) || len(b.events) == 1 && b.events[0].Text != c.text {
				t.Errorf("events %v, want one with text %q", b.events, c.text)
			}
			after := b.Stats()
			for r := range NumReasons {
				n := uint64(0)
				if r == c.reason {
					n = 1
				}
				if after.Frames[r]-before.Frames[r] != n {
					t.Errorf("%v counted %d times, want %d", r, after.Frames[r]-before.Frames[r], n)
				}
			}
			if mismatch := after.Mismatched - before.Mismatched; (mismatch == 1) != (c.in.src != c.in.sha) {
				t.Errorf("mismatches counted: %d", mismatch)
			}
		})
	}
}

// gratuitous is our announcement of the VIP with the operation op.
func gratuitous(op uint16) wire {
	return wire{dst: broadcast, src: ourMAC, op: op, sha: ourMAC, spa: vip, tha: broadcast, tpa: vip}
}

func TestParseCountsWhatItCannotUse(t *testing.T) {
	edit := func(at int, v ...byte) []byte {
		b := request(clientMAC, clientIP, vip).build()
		copy(b[at:], v)
		return b
	}
	tagged := func(vid byte, n int) []byte {
		b := request(clientMAC, clientIP, vip).build()
		return append(append(append([]byte{}, b[:12]...), 0x81, 0, 0xe0, vid), b[12:n]...)
	}
	for _, c := range []struct {
		name string
		in   []byte
		want Reason
	}{
		{"nothing at all", nil, Short},
		{"an Ethernet header that is cut", edit(0)[:13], Short},
		{"an Ethernet header alone", edit(0)[:14], Short},
		{"an ARP packet cut within its addresses", edit(0)[:41], Short},
		{"an ARP packet without padding", edit(0)[:42], Undecided},
		{"another EtherType", edit(12, 0x08, 0x00), NotARP},
		{"hardware type Token Ring", edit(14, 0, 4), BadHardware},
		{"protocol type IPv6", edit(16, 0x86, 0xdd), BadProtocol},
		{"hardware addresses of 8 bytes", edit(18, 8), BadLength},
		{"hardware addresses of 0 bytes", edit(18, 0), BadLength},
		{"protocol addresses of 16 bytes", edit(19, 16), BadLength},
		{"protocol addresses of 255 bytes", edit(19, 255), BadLength},
		{"a reverse ARP request", edit(20, 0, 3), BadOperation},
		{"operation 0", edit(20, 0, 0), BadOperation},
		{"a broadcast sender, which would make our answer a broadcast", edit(22, broadcast[:]...), BadSender},
		{"a multicast sender", edit(22, 0x01, 0, 0x5e), BadSender},
		{"a sender of zeros", edit(22, zeroMAC[:]...), BadSender},
		{"a priority tag", tagged(0, 42), Undecided},
		{"a tag of VLAN 10", tagged(10, 42), OtherVLAN},
		{"a tag that is cut", tagged(0, 42)[:17], Short},
		{"a tag and nothing behind it", tagged(0, 14), Short},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, got := Parse(c.in, eth0); got != c.want {
				t.Errorf("Parse = %v, want %v", got, c.want)
			}
			b := newActiveBench(t)
			before := b.Stats()
			b.hear(c.in)
			if c.want != Undecided && (b.Stats().Frames[c.want]-before.Frames[c.want] != 1 || len(b.rec.take()) != 0) {
				t.Errorf("%v was not counted once and left alone", c.want)
			}
		})
	}
}

func TestTheNameOfAMACSharedByRealServersIsTheFirst(t *testing.T) {
	v := NewView(true, testVIPs(), []Known{{Addr: serverIP, MAC: serverMAC, Name: "a"}, {Addr: clientIP, MAC: serverMAC, Name: "b"}}, nil)
	in, _ := Parse(request(serverMAC, serverIP, vip).build(), eth0)
	if got := Decide(v, &in).Event.Name; got != "a" {
		t.Errorf("named %q, want a", got)
	}
}

func TestEveryEnumValueHasAName(t *testing.T) {
	for r := range NumReasons {
		if r.String() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
	for k := range numEventKinds {
		if k.String() == "" {
			t.Errorf("event kind %d has no name", k)
		}
		if (&Event{Kind: k, Name: "rs"}).text() == "" != (k == NoEvent) {
			t.Errorf("event kind %v has no text", k)
		}
	}
	for _, s := range []fmt.Stringer{NumReasons, numEventKinds, State(9), AnnounceKind(9)} {
		if got := s.String(); got[len(got)-1] != '?' {
			t.Errorf("a value out of range is called %q", got)
		}
	}
}
