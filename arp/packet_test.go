package arp

import (
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

// edit4 is a request for the VIP with the bytes from at on replaced by v, and
// edit6 is a solicitation.
func edit4(at int, v ...byte) []byte {
	b := request(clientMAC, clientIP, vip).build()
	copy(b[at:], v)
	return b
}

func edit6(at int, v ...byte) []byte {
	b := asks6(clientMAC, client6).build()
	copy(b[at:], v)
	return b
}

// tagged is the frame b with a VLAN tag.
func tagged(vid byte, b []byte) []byte {
	return slices.Concat(b[:12], []byte{0x81, 0, 0xe0, vid}, b[12:])
}

func TestParseCountsWhatItCannotUse(t *testing.T) {
	from := func(lla frame.MAC) []byte {
		return asks6(clientMAC, client6).edit(func(w *wire6) { w.lla = lla }).build()
	}
	long := append(edit6(0), make([]byte, maxFrame)...)
	long[frame.EtherLen+5] += maxFrame
	for _, c := range []struct {
		name string
		in   []byte
		want reason
	}{
		{"nothing at all", nil, short},
		{"an Ethernet header that is cut", edit4(0)[:13], short},
		{"an Ethernet header alone", edit4(0)[:14], short},
		{"an ARP packet cut within its addresses", edit4(0)[:41], short},
		{"an ARP packet without padding", edit4(0)[:42], undecided},
		{"another EtherType", edit4(12, 0x08, 0x00), notARP},
		{"hardware type Token Ring", edit4(14, 0, 4), badHardware},
		{"protocol type IPv6", edit4(16, 0x86, 0xdd), badProtocol},
		{"hardware addresses of 8 bytes", edit4(18, 8), badLength},
		{"hardware addresses of 0 bytes", edit4(18, 0), badLength},
		{"protocol addresses of 16 bytes", edit4(19, 16), badLength},
		{"protocol addresses of 255 bytes", edit4(19, 255), badLength},
		{"a reverse ARP request", edit4(20, 0, 3), badOperation},
		{"operation 0", edit4(20, 0, 0), badOperation},
		{"a broadcast sender, which would make our answer a broadcast", edit4(22, broadcast[:]...), badSender},
		{"a multicast sender", edit4(22, 0x01, 0, 0x5e), badSender},
		{"a sender of zeros", edit4(22, zeroMAC[:]...), badSender},
		{"a priority tag", tagged(0, edit4(0)), undecided},
		{"a tag of VLAN 10", tagged(10, edit4(0)), otherVLAN},
		{"a tag that is cut", tagged(0, edit4(0))[:17], short},
		{"a tag and nothing behind it", tagged(0, edit4(0)[:14]), short},

		{"a solicitation as it should be", edit6(0), undecided},
		{"a priority tag before IPv6", tagged(0, edit6(0)), undecided},
		{"a tag of VLAN 10 before IPv6", tagged(10, edit6(0)), otherVLAN},
		{"an IPv6 header that is cut", edit6(0)[:53], short},
		{"a solicitation that is cut", edit6(0)[:85], short},
		{"TCP over IPv6", edit6(20, 6), notND},
		{"an echo request", edit6(54, 128), notND},
		{"a hop limit of 64", edit6(21, 64), badHopLimit},
		{"a wrong checksum", edit6(56, 0xde, 0xad), badChecksum},
		{"a solicited advertisement to all nodes", announces6(strayMAC, vip6).edit(func(w *wire6) { w.s = true }).build(), badMessage},
		{"an option without length", func() []byte {
			b := edit6(79, 0)
			// One word of the sum is 0x0101 less 1: the checksum grows by 1.
			b[57]++
			return b
		}(), badOption},
		{"a broadcast link-layer address, which would make our answer a broadcast", from(broadcast), badSender},
		{"a multicast link-layer address", from(allMAC), badSender},
		{"an Ethernet source that is a group, and no other address", func() []byte {
			return asks6(allMAC, zero6).build()
		}(), badSender},
		{"a message longer than the inbox keeps", long[:maxFrame], short},
	} {
		t.Run(c.name, func(t *testing.T) {
			if p, got := parse(c.in); got != c.want {
				t.Errorf("parse = %v, want %v", got, c.want)
			} else if q, ok := Parse(c.in); ok != (got == undecided) || q != p {
				t.Errorf("Parse = %v, %v, and parse = %v, %v", q, ok, p, got)
			}
			b := newActiveBench(t)
			before := b.counted(c.want)
			b.hear(c.in)
			if c.want != undecided && (b.counted(c.want)-before != 1 || len(b.rec.take()) != 0) {
				t.Errorf("%v was not counted once and left alone", c.want)
			}
		})
	}
	b := newActiveBench(t)
	b.hear(long)
	if n := b.counted(short); n != 1 {
		t.Errorf("a message longer than the inbox keeps was counted %d times as short", n)
	}
}
