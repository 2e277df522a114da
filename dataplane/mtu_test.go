package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/ip4defrag"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// narrow gives all servers a link of that MTU.
func (l *lab) narrow(mtu int) {
	for n := byte(1); n <= 2; n++ {
		l.neighbour(n, serverMAC(n), dataplane.Link{Index: link.Index, MAC: link.MAC, MTU: mtu})
	}
}

// big is a packet of the client's, of exactly n bytes of IP.
func big(src netip.Addr, proto frame.Proto, n int, df bool) []byte {
	from, to := netip.AddrPortFrom(src, 4000), netip.AddrPortFrom(vipFor(src), 80)
	r := rand.New(rand.NewSource(int64(n)))
	header := 20
	if src.Is6() {
		header = 40
	}
	payload := func(l4 int) []byte {
		b := make([]byte, n-header-l4)
		r.Read(b)
		return b
	}
	switch proto {
	case frame.ProtoUDP:
		to = netip.AddrPortFrom(to.Addr(), 53)
		return build.UDP{Src: from, Dst: to, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, DF: df, ID: 99}, Payload: payload(8)}.Bytes()
	case frame.ProtoSCTP:
		to = netip.AddrPortFrom(to.Addr(), 9000)
		b := payload(12)
		copy(b, []byte{frame.SCTPInit, 0, 0, 20})
		return build.SCTP{Src: from, Dst: to, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, DF: df, ID: 99}, Payload: b}.Bytes()
	}
	return build.TCP{Src: from, Dst: to, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC, DF: df, ID: 99}, Flags: "S", Payload: payload(20)}.Bytes()
}

var mtuProtos = []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}

// What fits is forwarded, what is one byte longer and must not be fragmented
// comes back with the MTU: "fragmentation needed" (RFC 1191), "packet too big"
// (RFC 4443). The connection is made all the same. That the answer is right
// otherwise is checked by lab.send.
func TestTooLongForTheServersLink(t *testing.T) {
	for _, src := range []netip.Addr{clientIP, client6IP} {
		for _, proto := range mtuProtos {
			for _, mtu := range []int{1280, 1400, 1499, 1500, 9000} {
				l := dualLab(t)
				l.narrow(mtu)
				r := l.expect(big(src, proto, mtu+1, true), dataplane.FragmentationNeeded, 0)
				a := frametest.Parse(r.reply)
				said := int(be16(r.reply[a.L4+6:]))
				if src.Is6() {
					said = int(binary.BigEndian.Uint32(r.reply[a.L4+4:]))
				}
				if said != mtu {
					t.Errorf("%s: the answer names an MTU of %d, want %d", frametest.Describe(r.reply), said, mtu)
				}
				l.expect(big(src, proto, mtu, true), dataplane.Hit, 2)
				// A super-frame is cut by the device.
				if p := l.sendPacket(dataplane.Packet{Data: big(src, proto, mtu+1000, true), GSOSize: 1000}); p.reason != dataplane.Hit {
					t.Errorf("a super-frame: %s", p.reason)
				}
			}
		}
	}
}

// Without DF an IPv4 packet is cut into fragments that fit and that another
// implementation puts together to the packet as it came, its TTL one less. As few
// as will do. That each is right is checked by lab.send.
func TestFragmentsMakeThePacket(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	for _, proto := range mtuProtos {
		for range 60 {
			mtu := 576 + r.Intn(925)
			n := mtu + 1 + r.Intn(8000)
			l := dualLab(t)
			l.narrow(mtu)
			f := big(clientIP, proto, n, false)
			out := l.expect(bytes.Clone(f), dataplane.Fragmented, 0)
			each := (mtu - 20) &^ 7
			if want := (n - 20 + each - 1) / each; len(out.sent) != want {
				t.Fatalf("%d bytes by an MTU of %d: %d fragments, want %d", n, mtu, len(out.sent), want)
			}
			r.Shuffle(len(out.sent), func(i, j int) { out.sent[i], out.sent[j] = out.sent[j], out.sent[i] })
			defrag := ip4defrag.NewIPv4Defragmenter()
			var whole *layers.IPv4
			for _, piece := range out.sent {
				if len(piece)-14 > mtu || frame.DstMAC(piece) != serverMAC(2) {
					t.Fatalf("a fragment of %d bytes to %x, the MTU is %d", len(piece)-14, frame.DstMAC(piece), mtu)
				}
				p := gopacket.NewPacket(piece, layers.LayerTypeEthernet, gopacket.Default)
				var err error
				if whole, err = defrag.DefragIPv4(p.NetworkLayer().(*layers.IPv4)); err != nil {
					t.Fatal(err)
				}
			}
			if whole == nil || !bytes.Equal(whole.Payload, f[34:]) || whole.TTL != f[22]-1 || whole.Id != 99 ||
				frame.AddrFrom4([4]byte(whole.SrcIP.To4())) != frame.AddrFrom(clientIP) || frame.AddrFrom4([4]byte(whole.DstIP.To4())) != vip {
				t.Fatalf("%d bytes by an MTU of %d: the fragments do not make the packet", n, mtu)
			}
			// The server counts one packet, of its whole length.
			k := on(vip, proto, map[frame.Proto]uint16{frame.ProtoTCP: 80, frame.ProtoUDP: 53, frame.ProtoSCTP: 9000}[proto])
			if got := l.server(k, 2).Traffic; got != (dataplane.Traffic{Conns: 1, Packets: 1, Bytes: uint64(n)}) {
				t.Fatalf("%d bytes are counted as %+v", n, got)
			}
		}
	}
}

// A fragment that is too long itself is cut further, as are the others of its
// datagram: the server still gets the datagram.
func TestFragmentsOfFragments(t *testing.T) {
	for seed := range int64(40) {
		r := rand.New(rand.NewSource(seed))
		l := dualLab(t)
		l.narrow(576)
		f := big(clientIP, frame.ProtoUDP, 3000+r.Intn(3000), false)
		defrag := ip4defrag.NewIPv4Defragmenter()
		var whole *layers.IPv4
		for _, piece := range cut(f, 1480, 2960) { // in order: what is kept is not cut
			out := l.send(bytes.Clone(piece))
			if out.verdict == dataplane.Forward {
				out.sent = append(out.sent, out.data)
			}
			for _, g := range out.sent {
				if len(g)-14 > 576 || frame.DstMAC(g) != serverMAC(2) {
					t.Fatalf("a fragment of %d bytes to %x", len(g)-14, frame.DstMAC(g))
				}
				p := gopacket.NewPacket(g, layers.LayerTypeEthernet, gopacket.Default)
				var err error
				if whole, err = defrag.DefragIPv4(p.NetworkLayer().(*layers.IPv4)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if whole == nil || !bytes.Equal(whole.Payload, f[34:]) {
			t.Fatalf("seed %d: the fragments do not make the packet", seed)
		}
	}
}
