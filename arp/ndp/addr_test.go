package ndp

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
)

func TestGroupsAreTheLast24BitsOfAnAddress(t *testing.T) {
	for _, c := range []struct {
		addr, group string
		mac         frame.MAC
	}{
		// The example of RFC 4291 section 2.7.1.
		{"4037::1:800:200e:8c6c", "ff02::1:ff0e:8c6c", frame.MAC{0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c}},
		{"2001:db8::100", "ff02::1:ff00:100", frame.MAC{0x33, 0x33, 0xff, 0, 0x01, 0}},
		{"fe80::ffff:ffff", "ff02::1:ffff:ffff", frame.MAC{0x33, 0x33, 0xff, 0xff, 0xff, 0xff}},
	} {
		g := Group(netip.MustParseAddr(c.addr))
		if g.String() != c.group || GroupMAC(g) != c.mac {
			t.Errorf("group of %s is %v at %v, want %s at %v", c.addr, g, GroupMAC(g), c.group, c.mac)
		}
		if !isGroup(g) || isGroup(netip.MustParseAddr(c.addr)) {
			t.Errorf("isGroup is wrong about %v or %s", g, c.addr)
		}
	}
	for _, a := range []string{"ff02::1", "ff02::2:ff00:1", "ff02::1:fe00:1", "ff05::1:ff00:1", "ff02:1::1:ff00:1"} {
		if isGroup(netip.MustParseAddr(a)) {
			t.Errorf("%s is taken for a solicited-node address", a)
		}
	}
	if GroupMAC(netip.MustParseAddr("ff02::1")) != (frame.MAC{0x33, 0x33, 0, 0, 0, 1}) {
		t.Error("all nodes are somewhere else")
	}
}

func TestLinkLocalIsAsTheRFCHasIt(t *testing.T) {
	// RFC 2464 section 4: 34-56-78-9A-BC-DE gives 36-56-78-FF-FE-9A-BC-DE.
	m := frame.MAC{0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde}
	if got := LinkLocal(m).String(); got != "fe80::3656:78ff:fe9a:bcde" {
		t.Errorf("LinkLocal(%v) = %s", m, got)
	}
}

func TestOnlySolicitationsAndAdvertisementsOfTheLinkAreWanted(t *testing.T) {
	ethernet := func(typ ...byte) func(Message, int, byte) []byte {
		return func(m Message, at int, v byte) []byte {
			b := build(m)
			b[at] = v
			return append(append(make([]byte, 12), typ...), b...)
		}
	}
	plain := ethernet(0x86, 0xdd)
	tagged := ethernet(0x81, 0, 0xe0, 0x05, 0x86, 0xdd)
	q, a := question(), answer()
	for _, c := range []struct {
		name string
		in   []byte
		want bool
	}{
		{"a solicitation", plain(q, 0, 0x60), true},
		{"an advertisement", plain(a, 0, 0x60), true},
		{"one with a VLAN tag", tagged(q, 0, 0x60), true},
		{"one with a wrong checksum, which Parse counts", plain(q, headerLen+2, 0), true},
		{"hop limit 64", plain(q, hopLimit, 64), false},
		{"an echo request", plain(q, headerLen, 128), false},
		{"a router solicitation", plain(q, headerLen, 133), false},
		{"a redirect", plain(q, headerLen, 137), false},
		{"TCP", plain(q, nextHeader, 6), false},
		{"version 4", plain(q, 0, 0x45), false},
		{"another EtherType", ethernet(0x08, 0)(q, 0, 0x60), false},
		{"another EtherType behind a tag", ethernet(0x81, 0, 0, 5, 0x08, 0)(q, 0, 0x60), false},
		{"two tags", ethernet(0x81, 0, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd)(q, 0, 0x60), false},
		{"a header alone", plain(q, 0, 0x60)[:frame.EtherLen+headerLen], false},
	} {
		if got := Wanted(c.in); got != c.want {
			t.Errorf("%s: Wanted = %v", c.name, got)
		}
		if n := testing.AllocsPerRun(10, func() { Wanted(c.in) }); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
	for n := range plain(q, 0, 0x60) {
		if got := Wanted(plain(q, 0, 0x60)[:n]); got != (n > frame.EtherLen+headerLen) {
			t.Errorf("cut to %d bytes: Wanted = %v", n, got)
		}
		Wanted(tagged(q, 0, 0x60)[:n])
	}
}
