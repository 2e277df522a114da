package arp

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
)

// FuzzARPInput puts a raw frame into the service. Whatever it is: nothing
// panics; nothing is said in backup state; there is at most one answer, by
// unicast to the asker, about a VIP of the interface it asked for; beside it
// at most one defence, and none for the same frame right after; and no bad
// MAC address is learned.
func FuzzARPInput(f *testing.F) {
	for _, c := range decideCases {
		f.Add(c.in.build(), c.backup)
	}
	tag := request(clientMAC, clientIP, vip).build()
	f.Add(append(append(append([]byte{}, tag[:12]...), 0x81, 0, 0xe0, 0), tag[12:]...), false)
	f.Add(reply(broadcast, serverIP, ourMAC, ourIP).build(), false)
	f.Add(reply(strayMAC, serverIP, ourMAC, ourIP).build(), false)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, in []byte, backup bool) {
		b := newActiveBench(t)
		b.SetActive(!backup)
		for _, defences := range []int{1, 0} { // of the first time, and of the second
			b.hear(in)
			out := b.rec.take()
			if backup && len(out) > 0 {
				t.Fatalf("said % x in backup state", out[0].frame)
			}
			answers := 0
			for _, s := range out {
				if s.ifindex != eth0 {
					t.Fatalf("said % x on interface %d", s.frame, s.ifindex)
				}
				if w := readWire(t, s.frame); w == gratuitous(1) {
					defences--
				} else {
					answers++
					checkAnswer(t, in, w)
				}
			}
			if answers > 1 || defences < 0 {
				t.Fatalf("too much was said: %d answers, %d defences too many", answers, -defences)
			}
		}
		n := b.Neighbours()[0]
		if n.State != Reachable || !station(n.MAC) || n.MAC == ourMAC || n.MAC == eth1MAC {
			t.Fatalf("after % x the real server is %v at %s", in, n.State, n.MAC)
		}
		if st := b.Stats(); st.Frames[Undecided] != 0 {
			t.Fatal("a frame without a reason")
		}
	})
}

// checkAnswer holds our answer w against the bytes of the frame in.
func checkAnswer(t *testing.T, in []byte, w wire) {
	t.Helper()
	at := etherLen
	if in[12] == 0x81 {
		at += vlanLen
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
