package build_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// The hosts of all tests: documentation addresses (RFC 5737, RFC 3849).
var (
	client    = netip.MustParseAddrPort("192.0.2.10:40000")
	vip       = netip.MustParseAddrPort("198.51.100.1:80")
	client6   = netip.MustParseAddrPort("[2001:db8:1::10]:40000")
	vip6      = netip.MustParseAddrPort("[2001:db8:2::1]:80")
	clientMAC = frame.MAC{2, 0, 0, 0, 0, 0x0c}
	vipMAC    = frame.MAC{2, 0, 0, 0, 0, 0x01}
)

func TestPadFillsUpToSixtyBytes(t *testing.T) {
	u := build.UDP{Src: client, Dst: vip, Payload: []byte("abc"), IP: build.IP{Options: []byte{1}}}
	short := u.Bytes()
	u.Pad = true
	padded := u.Bytes()
	if len(short) != 14+24+8+3 || len(padded) != 60 || !bytes.HasPrefix(padded, short) {
		t.Errorf("%d bytes, padded %d", len(short), len(padded))
	}
	u.Payload = make([]byte, 50)
	if n := len(u.Bytes()); n != 14+24+8+50 {
		t.Errorf("a long frame was padded to %d bytes", n)
	}
	arp := build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}
	if n := len(arp.Bytes()); n != 42 {
		t.Errorf("an ARP frame of %d bytes, want 42", n)
	}
	arp.Pad = true
	if n := len(arp.Bytes()); n != 60 {
		t.Errorf("a padded ARP frame of %d bytes, want 60", n)
	}
}

func TestBadSumsAreBadWhereAsked(t *testing.T) {
	for _, bad := range []bool{false, true} {
		tcp := build.TCP{Src: client, Dst: vip, IP: build.IP{Options: []byte{1}}, BadSum: bad}.Bytes()
		udp := build.UDP{Src: client, Dst: vip, IP: build.IP{Options: []byte{1}}, BadSum: bad}.Bytes()
		icmp := build.ICMP{Src: client.Addr(), Dst: vip.Addr(), IP: build.IP{Options: []byte{1}}, BadSum: bad, Payload: []byte{1}}.Bytes()
		ext := []build.Ext{build.HopByHop()}
		tcp6 := build.TCP{Src: client6, Dst: vip6, IP: build.IP{Ext: ext}, BadSum: bad}.Bytes()
		udp6 := build.UDP{Src: client6, Dst: vip6, IP: build.IP{Ext: ext}, BadSum: bad}.Bytes()
		icmp6 := build.ICMP{Src: client6.Addr(), Dst: vip6.Addr(), IP: build.IP{Ext: ext}, BadSum: bad, Payload: []byte{1}}.Bytes()
		for _, f := range [][]byte{tcp, udp, icmp, tcp6, udp6, icmp6} {
			h := frametest.Parse(f)
			if h.Fault != frame.NoFault || frame.L4ChecksumOK(f, &h) == bad {
				t.Errorf("BadSum %v: fault %v, checksum right %v: %s", bad, h.Fault, frame.L4ChecksumOK(f, &h), frametest.Describe(f))
			}
		}
		sctp := build.SCTP{Src: client, Dst: vip, IP: build.IP{Options: []byte{1}}, BadSum: bad, Tag: 5, Payload: []byte("abcd")}.Bytes()
		p := bytes.Clone(sctp[14+24:])
		sum := binary.LittleEndian.Uint32(p[8:])
		clear(p[8:12])
		if (crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)) != sum) != bad {
			t.Errorf("BadSum %v of SCTP is not", bad)
		}
		f := build.UDP{Src: client, Dst: vip, IP: build.IP{BadIPSum: bad}}.Bytes()
		if (frametest.Parse(f).Fault == frame.BadChecksum) != bad {
			t.Errorf("BadIPSum %v: %v", bad, frametest.Parse(f).Fault)
		}
	}
}

// A UDP checksum that comes out as zero is sent as all ones, because zero says
// that there is none (RFC 768).
func TestUDPNeverComputesNoChecksum(t *testing.T) {
	field := func(f []byte) uint16 { return binary.BigEndian.Uint16(f[14+20+6:]) }
	u := build.UDP{Src: client, Dst: vip, Payload: []byte{0, 0}}
	binary.BigEndian.PutUint16(u.Payload, field(u.Bytes())) // now the sum is all ones
	if got := field(u.Bytes()); got != 0xffff {
		t.Errorf("checksum %#04x, want 0xffff", got)
	}
	u.NoSum = true
	if got := field(u.Bytes()); got != 0 {
		t.Errorf("checksum %#04x, want none", got)
	}
	six := build.UDP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{build.DestOpts()}}, NoSum: true}
	if f := six.Bytes(); binary.BigEndian.Uint16(f[14+40+8+6:]) != 0 {
		t.Errorf("a checksum: % x", f)
	}
}

func TestMistakesInATestPanic(t *testing.T) {
	udp := build.UDP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes()
	arp := build.ARP{SenderIP: client.Addr(), TargetIP: vip.Addr()}.Bytes()
	for name, f := range map[string]func(){
		"no addresses":              func() { build.TCP{}.Bytes() },
		"two families":              func() { build.UDP{Src: client6, Dst: vip}.Bytes() },
		"one address":               func() { build.UDP{Src: client6}.Bytes() },
		"IP options in IPv6":        func() { build.UDP{Src: client6, Dst: vip6, IP: build.IP{Options: []byte{1}}}.Bytes() },
		"a header checksum in IPv6": func() { build.UDP{Src: client6, Dst: vip6, IP: build.IP{BadIPSum: true}}.Bytes() },
		"extension headers in IPv4": func() {
			build.UDP{Src: client, Dst: vip, IP: build.IP{Ext: []build.Ext{build.DestOpts()}}}.Bytes()
		},
		"too much for IPv6": func() { build.TCP{Src: client6, Dst: vip6, Payload: make([]byte, 65516)}.Bytes() },
		"too much with extensions": func() {
			build.TCP{Src: client6, Dst: vip6, Payload: make([]byte, 65515), IP: build.IP{Ext: []build.Ext{build.DestOpts()}}}.Bytes()
		},
		"ARP of IPv6 addresses":      func() { build.ARP{SenderIP: client6.Addr(), TargetIP: vip6.Addr()}.Bytes() },
		"a cut of IPv6 at the end":   func() { build.Fragment(build.UDP{Src: client6, Dst: vip6}.Bytes(), 8) },
		"a flag that does not exist": func() { build.TCP{Src: client, Dst: vip, Flags: "SX"}.Bytes() },
		"too many IP options":        func() { build.UDP{Src: client, Dst: vip, IP: build.IP{Options: make([]byte, 41)}}.Bytes() },
		"a VLAN that does not exist": func() { build.UDP{Src: client, Dst: vip, IP: build.IP{VLAN: 4096}}.Bytes() },
		"ARP without addresses":      func() { build.ARP{}.Bytes() },
		"a cut not at eight bytes":   func() { build.Fragment(udp, 12) },
		"a cut at the end":           func() { build.Fragment(udp, 48) },
		"fragments of ARP":           func() { build.Fragment(arp, 8) },
		"a quote of ARP":             func() { build.Quote(arp, 8) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
