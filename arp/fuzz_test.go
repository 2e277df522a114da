package arp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// fixSum6 writes the right checksum into an untagged ICMPv6 frame as long as its
// packet, word by word.
func fixSum6(f []byte) {
	const at = frame.EtherLen + 40
	if len(f) < at+4 {
		return
	}
	f[at+2], f[at+3] = 0, 0
	sum := uint64(58 + len(f) - at)
	for i, c := range f[frame.EtherLen+8:] {
		sum += uint64(c) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(f[at+2:], ^uint16(sum))
}

// FuzzInput puts a raw frame into the service, which has VIPs of both families;
// fix gives it a right ICMPv6 checksum first, so that what is behind it is
// reached. Whatever the frame is: nothing panics; nothing is said about a VIP
// that is not active; there is at most one answer, to the asker, about a VIP of
// the interface it asked on; beside it at most one defence, and none for the
// same frame right after; and no bad MAC address is learned.
func FuzzInput(f *testing.F) {
	for _, c := range decideCases {
		f.Add(c.in.build(), c.backup, false)
	}
	f.Add(tagged(0, edit4(0)), false, false)
	f.Add(reply(broadcast, serverIP, ourMAC, ourIP).build(), false, false)
	f.Add(reply(strayMAC, serverIP, ourMAC, ourIP).build(), false, false)
	f.Add(isAt6(strayMAC, server6, ourMAC, our6).build(), false, true)
	f.Add(isAt6(broadcast, server6, ourMAC, our6).build(), false, true)
	f.Add([]byte{}, false, false)
	f.Fuzz(func(t *testing.T, in []byte, backup, fix bool) {
		if fix {
			fixSum6(in)
		}
		b := newActiveBench(t)
		b.set(t, with(!backup, bothVIPs()), testTarget(), testTarget6())
		for _, defences := range []int{1, 0} { // of the first time, and of the second
			b.hear(in)
			out := b.rec.take()
			if backup && len(out) > 0 {
				t.Fatalf("said % x in backup state", out[0].frame)
			}
			answers := 0
			for _, s := range out {
				switch said := readSaid(t, s.frame); {
				case s.ifindex != eth0:
					t.Fatalf("said % x on interface %d", s.frame, s.ifindex)
				case said == gratuitous(1), said == announces6(ourMAC, vip6) && !isQuestion6(in):
					defences--
				default:
					answers++
					checkAnswer(t, in, said)
				}
			}
			if answers > 1 || defences < 0 {
				t.Fatalf("too much was said: %d answers, %d defences too many", answers, -defences)
			}
		}
		for _, n := range b.Neighbours() {
			if n.State != reachable && n.State != probing || n.MAC != serverMAC {
				t.Fatalf("after % x real server %v is %v at %v", in, n.IP, n.State, n.MAC)
			}
		}
		if b.counted(undecided) != 0 {
			t.Fatal("a frame without a reason")
		}
		if _, ok := Parse(in); ok && in[12] == 0x86 && !ndp.Wanted(in) {
			t.Fatalf("% x is read but not wanted", in)
		}
	})
}

// checkAnswer compares our answer with the bytes of the frame in.
func checkAnswer(t *testing.T, in []byte, answer said) {
	t.Helper()
	switch w := answer.(type) {
	case wire:
		checkAnswer4(t, in, w)
	case wire6:
		checkAnswer6(t, in, w)
	}
}

// checkAnswer4 is checkAnswer of ARP.
func checkAnswer4(t *testing.T, in []byte, w wire) {
	t.Helper()
	at := frame.EtherLen
	if in[12] == 0x81 {
		at += frame.TagLen
	}
	asker, askerIP := frame.MAC(in[at+8:at+14]), netip.AddrFrom4([4]byte(in[at+14:at+18]))
	asked := netip.AddrFrom4([4]byte(in[at+24 : at+28]))
	if asked != vip {
		t.Fatalf("answered for %v, which is not ours here", asked)
	}
	if w != reply(ourMAC, vip, asker, askerIP) || asker[0]&1 != 0 {
		t.Fatalf("answered %v to %s at %v", w, asker, askerIP)
	}
	if dst := frame.MAC(in[0:6]); dst != broadcast && dst != ourMAC {
		t.Fatalf("answered a frame for %s", dst)
	}
}

// isQuestion6 reports whether the frame is a solicitation for the VIP that does
// not have the VIP as its source.
func isQuestion6(in []byte) bool {
	ip := afterTag(in)
	return len(ip) > 40 && ip[40] == 135 && netip.AddrFrom16([16]byte(ip[8:24])) != vip6
}

func afterTag(in []byte) []byte {
	if in[12] == 0x81 {
		return in[frame.EtherLen+frame.TagLen:]
	}
	return in[frame.EtherLen:]
}

// checkAnswer6 is checkAnswer of IPv6.
func checkAnswer6(t *testing.T, in []byte, w wire6) {
	t.Helper()
	ip := afterTag(in)
	asker, asked := netip.AddrFrom16([16]byte(ip[8:24])), netip.AddrFrom16([16]byte(ip[48:64]))
	if asked != vip6 || ip[7] != 255 {
		t.Fatalf("answered for %v, hop limit %d", asked, ip[7])
	}
	if dst := frame.MAC(in[0:6]); dst != groupMAC && dst != ourMAC {
		t.Fatalf("answered a frame for %v", dst)
	}
	if asker == zero6 {
		if w != announces6(ourMAC, vip6) {
			t.Fatalf("answered a probe with %v", w)
		}
		return
	}
	if w != isAt6(ourMAC, vip6, w.dst, asker) || w.dst[0]&1 != 0 {
		t.Fatalf("answered %v with %v", asker, w)
	}
}
