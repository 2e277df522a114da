package arp

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

// decideCase is one frame on eth0 and what is to be done about it.
type decideCase struct {
	name   string
	backup bool
	in     said
	reason reason
	answer said // nil: silence
	defend said // what defends the VIP, in the service; nil: it is not defended
	event  EventKind
	text   string
}

// isAt is our answer to (mac, ip): the VIP is at our MAC.
func isAt(mac frame.MAC, ip netip.Addr) wire { return reply(ourMAC, vip, mac, ip) }

// unicast is w sent to one MAC instead of all.
func unicast(w wire, dst frame.MAC) wire {
	w.dst, w.tha = dst, dst
	return w
}

var decideCases4 = []decideCase{
	{
		name: "a broadcast request for the VIP is answered by unicast with our MAC",
		in:   request(clientMAC, clientIP, vip), reason: answered, answer: isAt(clientMAC, clientIP),
	},
	{
		name: "a request sent to our MAC is answered so that a neighbour can refresh its entry",
		in:   unicast(request(clientMAC, clientIP, vip), ourMAC), reason: answeredUnicast, answer: isAt(clientMAC, clientIP),
	},
	{
		name: "a probe is answered and reported as an attempt to take the VIP",
		in:   request(strayMAC, zeroIP, vip), reason: answeredProbe, answer: isAt(strayMAC, zeroIP),
		event: TakeoverAttempt,
		text:  "02:00:00:00:00:99 probes for VIP 192.168.1.100: it is about to take the address",
	},
	{
		name: "a probe of a real server is reported with its name",
		in:   request(serverMAC, zeroIP, vip), reason: answeredProbe, answer: isAt(serverMAC, zeroIP),
		event: TakeoverAttempt,
		text:  "real server 192.168.1.11 (02:00:00:00:00:11) probes for VIP 192.168.1.100: it is about to take the address",
	},
	{
		name: "a reply for the VIP from a stranger's MAC is a conflict and defended",
		in:   reply(strayMAC, vip, clientMAC, clientIP), reason: claimedByOther, defend: gratuitous(1),
		event: Conflict,
		text:  "02:00:00:00:00:99 uses VIP 192.168.1.100 as its own address: another director or host has it",
	},
	{
		name: "an announcement of the VIP from a stranger's MAC is a conflict and defended",
		in:   request(strayMAC, vip, vip), reason: claimedByOther, defend: gratuitous(1), event: Conflict,
		text: "02:00:00:00:00:99 uses VIP 192.168.1.100 as its own address: another director or host has it",
	},
	{
		name: "a reply for the VIP from a real server names it and arp_ignore",
		in:   reply(serverMAC, vip, clientMAC, clientIP), reason: claimedByRealServer, defend: gratuitous(1),
		event: RealServerAnswers,
		text:  "real server 192.168.1.11 answers ARP for VIP 192.168.1.100: arp_ignore is not 1 on all",
	},
	{
		name: "a gratuitous ARP of a real server for the VIP names it",
		in:   wire{dst: broadcast, src: serverMAC, op: 2, sha: serverMAC, spa: vip, tha: broadcast, tpa: vip},
		// The operator has to look for a program here, not for a sysctl.
		reason: claimedByRealServer, defend: gratuitous(1), event: RealServerAnnounces,
		text: "real server 192.168.1.11 announces VIP 192.168.1.100 as its own (gratuitous ARP): its neighbours send to it past the director",
	},
	{
		name: "a request for the VIP from a real server is answered with a hint that it lacks the VIP",
		in:   request(serverMAC, serverIP, vip), reason: answeredRealServer, answer: isAt(serverMAC, serverIP),
		event: RealServerAsks,
		text:  "real server 192.168.1.11 asks who has VIP 192.168.1.100: the VIP is not configured on it, or its own clients are routed here",
	},
	{
		name: "a request of a real server with the VIP as its source names arp_announce",
		in:   request(serverMAC, vip, clientIP), reason: sourceOfRealServer, defend: gratuitous(1),
		event: RealServerSource,
		text:  "real server 192.168.1.11 uses VIP 192.168.1.100 as the source of its ARP requests: arp_announce is not 2 on all",
	},
	{
		name: "a request of a stranger with the VIP as its source is a conflict",
		in:   request(strayMAC, vip, clientIP), reason: claimedByOther, defend: gratuitous(1), event: Conflict,
		text: "02:00:00:00:00:99 uses VIP 192.168.1.100 as its own address: another director or host has it",
	},
	{
		name: "in backup state a request for the VIP meets silence", backup: true,
		in: request(clientMAC, clientIP, vip), reason: backup,
	},
	{
		name: "in backup state a probe meets silence", backup: true,
		in: request(strayMAC, zeroIP, vip), reason: backup,
	},
	{
		name: "in backup state the active director's announcement is no conflict", backup: true,
		in: request(strayMAC, vip, vip), reason: backup,
	},
	{
		name: "in backup state a real server that has become the director is no conflict", backup: true,
		in: request(serverMAC, vip, vip), reason: backup,
	},
	{
		name: "a request for the VIP of another interface meets silence",
		in:   request(clientMAC, clientIP, eth1VIP), reason: otherInterface,
	},
	{
		name: "a reply for the VIP of another interface is none of this interface's business",
		in:   reply(strayMAC, eth1VIP, clientMAC, clientIP), reason: otherInterface,
	},
	{
		name: "a request for an address that is no VIP meets silence",
		in:   request(clientMAC, clientIP, ourIP), reason: notVIP,
	},
	{
		name: "a reply between others meets silence",
		in:   reply(clientMAC, clientIP, strayMAC, serverIP), reason: notVIP,
	},
	{
		name: "a request for the VIP sent to somebody else's MAC meets silence",
		in:   unicast(request(clientMAC, clientIP, vip), strayMAC), reason: otherHost,
	},
	{
		name: "a request sent to the MAC of our other interface meets silence on this one",
		in:   unicast(request(clientMAC, clientIP, vip), eth1MAC), reason: otherHost,
	},
	{
		name: "our own announcement coming back is no conflict",
		in:   request(ourMAC, vip, vip), reason: own,
	},
	{
		name: "our own frame seen on another of our interfaces is no conflict",
		in:   request(eth1MAC, vip, vip), reason: own,
	},
	{
		name: "a frame with our Ethernet source is ours whatever its ARP packet says",
		in:   wire{dst: broadcast, src: ourMAC, op: 1, sha: strayMAC, spa: vip, tpa: vip}, reason: own,
	},
	{
		name: "a request behind a bridge that put in its own source is answered to its ARP sender",
		in:   wire{dst: broadcast, src: strayMAC, op: 1, sha: clientMAC, spa: clientIP, tpa: vip},
		// RFC 826 knows of no Ethernet header.
		reason: answered, answer: isAt(clientMAC, clientIP),
	},
}

// decideCases are those of both families.
var decideCases = slices.Concat(decideCases4, decideCases6)

func TestDecide(t *testing.T) {
	for _, c := range decideCases {
		t.Run(c.name, func(t *testing.T) {
			a := decide(testView(!c.backup), &input{eth0, mustParse(t, c.in.build())})
			if a.reason != c.reason || a.defend != (c.defend != nil) || a.event.Kind != c.event {
				t.Errorf("decide = %v, defend %v, event %v; want %v, %v, %v",
					a.reason, a.defend, a.event.Kind, c.reason, c.defend, c.event)
			}
			if got := a.event.text(); got != c.text {
				t.Errorf("text %q, want %q", got, c.text)
			}
			switch {
			case (a.answer != nil) != (c.answer != nil):
				t.Errorf("answer %v, want %v", a.answer, c.answer)
			case a.answer != nil:
				if got := readSaid(t, a.answer.Frame()); got != c.answer {
					t.Errorf("answer %v, want %v", got, c.answer)
				}
			}
		})
	}
}

// TestServiceDoesWhatDecideSays runs the same cases through the whole service,
// which serves both families at the same time: the frames, the events and the
// counters must be what decide wants.
func TestServiceDoesWhatDecideSays(t *testing.T) {
	for _, c := range decideCases {
		t.Run(c.name, func(t *testing.T) {
			b := newActiveBench(t)
			b.set(t, with(!c.backup, bothVIPs()), testTarget(), testTarget6())
			before := b.Stats()
			b.hear(c.in.build())
			var want []said
			for _, s := range []said{c.answer, c.defend} {
				if s != nil {
					want = append(want, s)
				}
			}
			var got []said
			for _, s := range b.rec.take() {
				got = append(got, readSaid(t, s.frame))
				if s.ifindex != eth0 || len(s.frame) < etherMin {
					t.Errorf("frame of %d bytes on interface %d, want at least %d on %d", len(s.frame), s.ifindex, etherMin, eth0)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("sent %v, want %v", got, want)
			}
			if c.event == NoEvent != (len(b.events) == 0) || len(b.events) == 1 && b.events[0].Text != c.text {
				t.Errorf("events %v, want one with text %q", b.events, c.text)
			}
			after := b.Stats()
			for r := range numReasons {
				n := uint64(0)
				if r == c.reason {
					n = 1
				}
				if after.frames[r]-before.frames[r] != n {
					t.Errorf("%v counted %d times, want %d", r, after.frames[r]-before.frames[r], n)
				}
			}
			if n := after.traffic[mismatched] - before.traffic[mismatched]; (n == 1) != mismatchedIn(c.in) {
				t.Errorf("mismatches counted: %d", n)
			}
		})
	}
}

// mismatchedIn reports whether the sender of s is not its Ethernet source.
func mismatchedIn(s said) bool {
	switch w := s.(type) {
	case wire:
		return w.src != w.sha
	case wire6:
		return w.lla != zeroMAC && w.lla != w.src
	}
	panic("neither family")
}

// gratuitous is our announcement of the VIP with the operation op.
func gratuitous(op uint16) wire {
	return wire{dst: broadcast, src: ourMAC, op: op, sha: ourMAC, spa: vip, tha: broadcast, tpa: vip}
}

func TestTheNameOfAMACSharedByRealServersIsTheFirst(t *testing.T) {
	a, b := known{place{eth0, serverIP}, serverMAC, "a"}, known{place{eth0, clientIP}, serverMAC, "b"}
	for _, order := range [][]known{{a, b}, {b, a}} {
		v := viewOf(true, order...)
		asks := input{eth0, mustParse(t, request(serverMAC, serverIP, vip).build())}
		if got := decide(v, &asks).event.Name; got != "a" {
			t.Errorf("named %q, want a", got)
		}
		v.forget(a)
		if got := decide(v, &asks).event.Name; got != "b" {
			t.Errorf("named %q when a is gone, want b", got)
		}
		v.forget(b)
		if got := decide(v, &asks).event; got.Kind != NoEvent || len(v.servers) != 0 {
			t.Errorf("event %v when both are gone", got)
		}
	}
}

func TestEveryEnumValueHasAName(t *testing.T) {
	for r := range numReasons {
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
	for _, s := range []fmt.Stringer{numReasons, numEventKinds, State(9), announceKind(9)} {
		if got := s.String(); got[len(got)-1] != '?' {
			t.Errorf("a value out of range is called %q", got)
		}
	}
}
