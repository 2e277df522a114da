package ndp

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
)

var (
	askerMAC = frame.MAC{0x02, 0, 0, 0, 0, 0x50}
	ourMAC   = frame.MAC{0x02, 0, 0, 0, 0, 0x01}
	asker    = netip.MustParseAddr("2001:db8::50")
	vip      = netip.MustParseAddr("2001:db8::12:3456")
	group    = netip.MustParseAddr("ff02::1:ff12:3456")
	allNodes = netip.MustParseAddr("ff02::1")
	unspec   = netip.MustParseAddr("::")
	noMAC    frame.MAC
)

// question and answer are the messages of an ordinary exchange.
func question() Message {
	return Message{Kind: Solicitation, Src: asker, Dst: group, Target: vip, LinkAddr: askerMAC}
}

func answer() Message {
	return Message{Kind: Advertisement, Src: vip, Dst: asker, Target: vip, Solicited: true, Override: true, LinkAddr: ourMAC}
}

// with is m after an edit.
func with(m Message, edit func(*Message)) Message {
	edit(&m)
	return m
}

// build is m by gopacket, the slow reference; more are options behind m's own.
func build(m Message, more ...layers.ICMPv6Option) []byte {
	ip := &layers.IPv6{
		Version: 6, NextHeader: layers.IPProtocolICMPv6, HopLimit: 255,
		SrcIP: m.Src.AsSlice(), DstIP: m.Dst.AsSlice(),
	}
	icmp := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborSolicitation, 0)}
	lla := layers.ICMPv6Option{Type: layers.ICMPv6OptSourceAddress, Data: m.LinkAddr[:]}
	if m.Kind == Advertisement {
		icmp.TypeCode = layers.CreateICMPv6TypeCode(layers.ICMPv6TypeNeighborAdvertisement, 0)
		lla.Type = layers.ICMPv6OptTargetAddress
	}
	if err := icmp.SetNetworkLayerForChecksum(ip); err != nil {
		panic(err)
	}
	options := slices.Clone(more)
	if m.LinkAddr != noMAC {
		options = append(options, lla) // gopacket writes the last one first
	}
	var body gopacket.SerializableLayer = &layers.ICMPv6NeighborSolicitation{TargetAddress: m.Target.AsSlice(), Options: options}
	if m.Kind == Advertisement {
		flags := uint8(0)
		if m.Solicited {
			flags |= 0x40
		}
		if m.Override {
			flags |= 0x20
		}
		body = &layers.ICMPv6NeighborAdvertisement{Flags: flags, TargetAddress: m.Target.AsSlice(), Options: options}
	}
	buf := gopacket.NewSerializeBuffer()
	opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
	if err := gopacket.SerializeLayers(buf, opts, ip, icmp, body); err != nil {
		panic(err)
	}
	return slices.Clone(buf.Bytes())
}

// fixSum writes the right checksum into the packet b, as RFC 4443 section 2.3
// describes it, word by word.
func fixSum(b []byte) []byte {
	p := b[headerLen:]
	p[2], p[3] = 0, 0
	sum := uint64(protoICMPv6 + len(p))
	for _, part := range [][]byte{b[srcAddr:headerLen], p} {
		for i, c := range part {
			sum += uint64(c) << (8 * (1 - i%2))
		}
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	binary.BigEndian.PutUint16(p[2:], ^uint16(sum))
	return b
}

// messages are of every sort that is used.
var messages = map[string]Message{
	"a question":                      question(),
	"a question without an option":    with(question(), func(m *Message) { m.LinkAddr = noMAC }),
	"a question by unicast":           with(question(), func(m *Message) { m.Dst = vip }),
	"a probe":                         {Kind: Solicitation, Src: unspec, Dst: group, Target: vip},
	"an answer":                       answer(),
	"an answer of a proxy":            with(answer(), func(m *Message) { m.Override = false }),
	"an answer without an option":     with(answer(), func(m *Message) { m.LinkAddr = noMAC }),
	"an answer from another address":  with(answer(), func(m *Message) { m.Src = asker }),
	"an announcement":                 with(answer(), func(m *Message) { m.Dst, m.Solicited = allNodes, false }),
	"an announcement without a right": with(answer(), func(m *Message) { m.Dst, m.Solicited, m.Override = allNodes, false, false }),
}

func TestAPacketIsWhatTheSlowReferenceMakes(t *testing.T) {
	for name, m := range messages {
		t.Run(name, func(t *testing.T) {
			want := build(m)
			if got := m.Packet(); !bytes.Equal(got, want) {
				t.Errorf("Packet = % x\nwant     % x", got, want)
			}
			if got, f := Parse(want); f != NoFault || got != m {
				t.Errorf("Parse = %+v, %v; want %+v", got, f, m)
			}
		})
	}
}

func TestParseHoldsAPacketAgainstTheRFC(t *testing.T) {
	// edit puts v at at of the packet of m and fixes the checksum.
	edit := func(m Message, at int, v ...byte) []byte {
		b := build(m)
		copy(b[at:], v)
		return fixSum(b)
	}
	cut := func(n int) []byte { // to n bytes of ICMPv6, and says so
		b := build(question())[:headerLen+n]
		b[payloadLen+1] = byte(n)
		if n < messageLen {
			return b
		}
		return fixSum(b)
	}
	option := func(v ...byte) []byte { // a question whose options are v
		b := append(build(with(question(), func(m *Message) { m.LinkAddr = noMAC })), v...)
		b[payloadLen+1] += byte(len(v))
		return fixSum(b)
	}
	probe := messages["a probe"]
	raw := func(m Message) []byte { return build(m) }
	for _, c := range []struct {
		name string
		in   []byte
		want Fault
	}{
		{"an empty packet", nil, Short},
		{"an IPv6 header that is cut", raw(question())[:39], Short},
		{"a payload that is not all there", raw(question())[:71], Short},
		{"Ethernet padding behind the packet", append(raw(question()), 0, 0, 0), NoFault},
		{"version 4", edit(question(), 0, 0x45), NotND},
		{"TCP", edit(question(), nextHeader, 6), NotND},
		{"a hop-by-hop header in front", edit(question(), nextHeader, 0), NotND},
		{"a fragment, which RFC 6980 forbids", edit(question(), nextHeader, 44), NotND},
		{"an echo request", edit(question(), headerLen, 128), NotND},
		{"a router advertisement", edit(question(), headerLen, 134), NotND},
		{"a redirect", edit(question(), headerLen, 137), NotND},
		{"hop limit 254: a router has forwarded it", edit(question(), hopLimit, 254), BadHopLimit},
		{"no ICMPv6 at all", cut(0), Short},
		{"a message without its target", cut(23), Short},
		{"a message without options", cut(24), NoFault},
		{"a checksum that is wrong by one bit", func() []byte { b := raw(question()); b[headerLen+3] ^= 1; return b }(), BadChecksum},
		{"an address that the checksum does not cover", func() []byte { b := raw(question()); b[srcAddr+15] ^= 1; return b }(), BadChecksum},
		{"no checksum", func() []byte { b := raw(question()); b[headerLen+2], b[headerLen+3] = 0, 0; return b }(), BadChecksum},
		{"code 1", edit(question(), headerLen+codeAt, 1), BadMessage},
		{"a target that is a group", edit(question(), headerLen+targetAt, 0xff), BadMessage},
		{"an IPv4-mapped target", edit(question(), headerLen+targetAt, netip.MustParseAddr("::ffff:192.0.2.1").AsSlice()...), BadMessage},
		{"a group that asks", edit(question(), srcAddr, allNodes.AsSlice()...), BadMessage},
		{"a loopback address that asks", edit(question(), srcAddr, netip.IPv6Loopback().AsSlice()...), BadMessage},
		{"a probe to a group", raw(probe), NoFault},
		{"a probe to all nodes", raw(with(probe, func(m *Message) { m.Dst = allNodes })), BadMessage},
		{"a probe by unicast", raw(with(probe, func(m *Message) { m.Dst = vip })), BadMessage},
		{"a probe that says where it is from", raw(with(probe, func(m *Message) { m.LinkAddr = askerMAC })), BadMessage},
		{"a solicited advertisement to all nodes", raw(with(answer(), func(m *Message) { m.Dst = allNodes })), BadMessage},
		{"an option without length", option(1, 0, 0, 0, 0, 0, 0, 0), BadOption},
		{"an option that goes beyond the end", option(1, 2, 0, 0, 0, 0, 0, 0), BadOption},
		{"an option of one byte", option(1), BadOption},
		{"bytes behind the last option", option(1, 1, 2, 0, 0, 0, 0, 1, 14), BadOption},
		{"a link-layer address of another kind of network", option(append([]byte{1, 2}, make([]byte, 14)...)...), BadOption},
		{"an unknown option without length behind the one that counts", option(1, 1, 2, 0, 0, 0, 0, 1, 99, 0, 0, 0, 0, 0, 0, 0), BadOption},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := bytes.Clone(c.in)
			if _, got := Parse(c.in); got != c.want {
				t.Errorf("Parse = %v, want %v", got, c.want)
			}
			if !bytes.Equal(in, c.in) {
				t.Error("Parse has changed the packet")
			}
		})
	}
}

func TestOptionsThatDoNotBelongAreIgnored(t *testing.T) {
	opt := func(t layers.ICMPv6Opt, data ...byte) layers.ICMPv6Option {
		return layers.ICMPv6Option{Type: t, Data: data}
	}
	for _, c := range []struct {
		name string
		more []layers.ICMPv6Option
	}{
		{"a nonce (RFC 7527)", []layers.ICMPv6Option{opt(14, 1, 2, 3, 4, 5, 6)}},
		{"a prefix that is too short to be one", []layers.ICMPv6Option{opt(3, 0, 0, 0, 0, 0, 0)}},
		{"a search list that is none", []layers.ICMPv6Option{opt(31, 255, 255, 255, 255, 255, 255)}},
		{"a target link-layer address in a solicitation", []layers.ICMPv6Option{opt(2, 2, 0, 0, 0, 0, 9)}},
		{"a second source link-layer address", []layers.ICMPv6Option{opt(1, 2, 0, 0, 0, 0, 9)}},
		{"many unknown ones", slices.Repeat([]layers.ICMPv6Option{opt(200, make([]byte, 14)...)}, 9)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, f := Parse(build(question(), c.more...)); f != NoFault || got != question() {
				t.Errorf("Parse = %+v, %v", got, f)
			}
		})
	}
}

func TestPacketPanicsForAMessageThatNobodyWouldTake(t *testing.T) {
	for name, m := range map[string]Message{
		"a probe with a link-layer address": with(question(), func(m *Message) { m.Src = unspec }),
		"an IPv4 target":                    with(question(), func(m *Message) { m.Target = netip.MustParseAddr("192.0.2.1") }),
		"no addresses":                      {},
		"no such kind":                      with(question(), func(m *Message) { m.Kind = 7 }),
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			m.Packet()
		})
	}
}

func TestEveryEnumValueHasAName(t *testing.T) {
	seen := map[string]bool{}
	for f := NoFault; f <= BadOption; f++ {
		seen[f.String()] = true
	}
	seen[Solicitation.String()], seen[Advertisement.String()] = true, true
	if len(seen) != int(BadOption)+3 || seen["fault?"] || seen["kind?"] {
		t.Errorf("names %v", seen)
	}
	if Fault(99).String() != "fault?" || Kind(99).String() != "kind?" {
		t.Error("a value out of range has a name")
	}
}

// FuzzParse: whatever comes, nothing panics, and a message that is taken obeys
// the rules and comes out of its own packet again. The second argument says
// whether the checksum is put right first, or little would get past it.
func FuzzParse(f *testing.F) {
	for _, m := range messages {
		f.Add(build(m), false)
	}
	f.Add(build(question(), layers.ICMPv6Option{Type: 14, Data: []byte{1, 2, 3, 4, 5, 6}}), true)
	f.Fuzz(func(t *testing.T, b []byte, right bool) {
		if right && len(b) >= headerLen+messageLen {
			fixSum(b)
		}
		m, fault := Parse(b)
		if fault != NoFault {
			return
		}
		if !Wanted(append(make([]byte, 12), append([]byte{0x86, 0xdd}, b...)...)) {
			t.Fatalf("% x is read but not wanted", b)
		}
		if m.Target.IsMulticast() || m.Src.IsMulticast() || m.Dst.IsMulticast() && m.Solicited {
			t.Fatalf("%+v was taken", m)
		}
		if again, fault := Parse(m.Packet()); fault != NoFault || again != m {
			t.Fatalf("%+v became %+v, %v", m, again, fault)
		}
	})
}
