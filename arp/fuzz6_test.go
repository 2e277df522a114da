package arp

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"lvsdr/arp/ndp"
	"lvsdr/dataplane/frame"
)

// mend6 puts the right checksum into an untagged ICMPv6 frame as long as its
// packet, word by word.
func mend6(f []byte) {
	const at = etherLen + 40
	if len(f) < at+4 {
		return
	}
	f[at+2], f[at+3] = 0, 0
	sum := uint64(58 + len(f) - at)
	for i, c := range f[etherLen+8:] {
		sum += uint64(c) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(f[at+2:], ^uint16(sum))
}

// FuzzNDPInput is FuzzARPInput for a service that has VIPs of both families,
// and with frames that get past the checksum where mend says so.
func FuzzNDPInput(f *testing.F) {
	for _, c := range decideCases6 {
		f.Add(c.in.build(), c.backup, false)
	}
	f.Add(isAt6(strayMAC, server6, ourMAC, our6).build(), false, true)
	f.Add(isAt6(broadcast, server6, ourMAC, our6).build(), false, true)
	f.Add(request(clientMAC, clientIP, vip).build(), false, false)
	f.Fuzz(func(t *testing.T, in []byte, backup, mend bool) {
		if mend {
			mend6(in)
		}
		b := newBothBench(t)
		b.SetActive(!backup)
		for _, defences := range []int{1, 0} { // of the first time, and of the second
			b.hear(in)
			out := b.rec.take()
			if backup && len(out) > 0 {
				t.Fatalf("said % x in backup state", out[0].frame)
			}
			answers := 0
			for _, s := range out {
				switch {
				case s.ifindex != eth0:
					t.Fatalf("said % x on interface %d", s.frame, s.ifindex)
				case s.frame[12] != 0x86:
					if w := readWire(t, s.frame); w == gratuitous(1) {
						defences--
					} else {
						answers++
						checkAnswer(t, in, w)
					}
				case isQuestion6(in):
					answers++
					checkAnswer6(t, in, readWire6(t, s.frame))
				case readWire6(t, s.frame) == announces6(ourMAC, vip6):
					defences--
				default:
					t.Fatalf("% x after % x", s.frame, in)
				}
			}
			if answers > 1 || defences < 0 {
				t.Fatalf("too much was said: %d answers, %d defences too many", answers, -defences)
			}
		}
		for _, n := range b.Neighbours() {
			if n.State != Reachable || !station(n.MAC) || n.MAC == ourMAC || n.MAC == eth1MAC {
				t.Fatalf("after % x real server %v is %v at %v", in, n.IP, n.State, n.MAC)
			}
		}
		if _, r := Parse(in, eth0); r == Undecided && in[12] == 0x86 && !ndp.Wanted(in) {
			t.Fatalf("% x is read but not wanted", in)
		}
	})
}

// isQuestion6 reports whether the frame is a solicitation for the VIP that does
// not have the VIP as its source.
func isQuestion6(in []byte) bool {
	ip := afterTag(in)
	return ip[40] == 135 && netip.AddrFrom16([16]byte(ip[8:24])) != vip6
}

func afterTag(in []byte) []byte {
	if in[12] == 0x81 {
		return in[etherLen+vlanLen:]
	}
	return in[etherLen:]
}

// checkAnswer6 holds our answer w against the bytes of the frame in.
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
