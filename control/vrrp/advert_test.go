package vrrp

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"lvsdr/dataplane/frame/build"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func addrs(list ...string) []netip.Addr {
	var all []netip.Addr
	for _, s := range list {
		all = append(all, addr(s))
	}
	return all
}

const (
	group4 = "224.0.0.18"
	group6 = "ff02::12"
)

// Bytes as keepalived 2.2.7 sent them, captured with tcpdump on a veth.
func TestAdvertsAreTheBytesThatKeepalivedSends(t *testing.T) {
	for _, tt := range []struct {
		name, src, dst string
		a              Advert
		want           string
	}{
		{"version 2", "10.0.0.1", group4, Advert{Version: 2, ID: 5, Priority: 255, Interval: time.Second, Addresses: addrs("10.0.0.9")},
			"2105ff010001d5ee0a0000090000000000000000"},
		{"version 3", "10.0.0.1", group4, Advert{Version: 3, ID: 5, Priority: 255, Interval: 250 * time.Millisecond, Addresses: addrs("10.0.0.9")},
			"3105ff010019db460a000009"},
		{"version 3 with IPv6", "fe80::ff:fe00:1", group6, Advert{Version: 3, ID: 5, Priority: 255, Interval: 250 * time.Millisecond, Addresses: addrs("fe80::9")},
			"3105ff010019d436fe800000000000000000000000000009"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := hex.EncodeToString(tt.a.Append(nil, addr(tt.src), addr(tt.dst), addr(group4)))
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// slowChecksum states the checksum as the RFCs do: of the message, and of a pseudo-header in front of it.
func slowChecksum(version uint8, message []byte, src, dst, group netip.Addr, way Checksum) uint16 {
	var all []byte
	if version == 3 && (way != NoPseudoHeader || src.Is6()) {
		if way == GroupHeader {
			dst = group
		}
		all = append(all, src.AsSlice()...)
		all = append(all, dst.AsSlice()...)
		all = append(all, 0, Protocol, byte(len(message)>>8), byte(len(message)))
	}
	m := bytes.Clone(message)
	m[6], m[7] = 0, 0
	return build.Checksum(append(all, m...))
}

// drawAdvert is an advert that can be written and read back.
func drawAdvert(r *rand.Rand) (a Advert, src, dst, group netip.Addr) {
	is6 := r.IntN(2) == 0
	one := func() netip.Addr {
		if !is6 {
			return netip.AddrFrom4([4]byte{10, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		}
		return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 14: byte(r.Uint32()), 15: byte(r.Uint32())})
	}
	a = Advert{Version: 3, ID: byte(r.Uint32()), Priority: byte(r.Uint32()), Interval: time.Duration(r.IntN(4096)) * centisecond, Checksum: Checksum(r.IntN(3))}
	src, group = one(), addr(group4)
	if is6 {
		group = addr(group6)
	}
	dst = group
	if a.Checksum == GroupHeader || r.IntN(3) == 0 {
		dst = one()
	}
	switch {
	case !is6 && r.IntN(2) == 0:
		a.Version, a.Interval, a.Auth, a.Checksum = 2, time.Duration(r.IntN(256))*time.Second, AuthType(r.IntN(3)), PseudoHeader
		a.Password = password(fmt.Sprint(r.Uint32()))
	case is6 && a.Checksum == NoPseudoHeader:
		a.Checksum = PseudoHeader
	}
	for range r.IntN(256) {
		a.Addresses = append(a.Addresses, one())
	}
	return a, src, dst, group
}

func TestAnAdvertThatIsWrittenIsReadAsTheSame(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var got Advert
	for range 2000 {
		a, src, dst, group := drawAdvert(r)
		b := a.Append(nil, src, dst, group)
		if c := uint16(b[6])<<8 | uint16(b[7]); c != slowChecksum(a.Version, b, src, dst, group, a.Checksum) {
			t.Fatalf("checksum %#04x, want %#04x: %+v", c, slowChecksum(a.Version, b, src, dst, group, a.Checksum), a)
		}
		if why := got.Decode(b, src, dst, group); why != Accepted {
			t.Fatalf("%v: %+v", why, a)
		}
		if len(got.Addresses) == 0 {
			got.Addresses = nil
		}
		if !reflect.DeepEqual(got, a) {
			t.Fatalf("read %+v, want %+v", got, a)
		}
	}
}

// Whatever bit of an advert is turned, it is not read as another one by mistake: it is refused, or what is read
// differs, and then only because two ways of a checksum meet, which none of these does.
func TestAnAdvertWithOneWrongBitIsRefused(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		a, src, dst, group := drawAdvert(r)
		a.Addresses = a.Addresses[:min(len(a.Addresses), 3)]
		b := a.Append(nil, src, dst, group)
		for bit := range len(b) * 8 {
			b[bit/8] ^= 1 << (bit % 8)
			var got Advert
			if why := got.Decode(b, src, dst, group); why == Accepted {
				t.Fatalf("bit %d of %x turned is read as %+v", bit, b, got)
			}
			b[bit/8] ^= 1 << (bit % 8)
		}
	}
}

func TestEachWrongAdvertHasItsReason(t *testing.T) {
	src, dst := addr("10.0.0.1"), addr(group4)
	good := (&Advert{Version: 2, ID: 5, Priority: 100, Interval: time.Second, Addresses: addrs("10.0.0.9")}).Append(nil, src, dst, dst)
	good6 := (&Advert{Version: 3, ID: 5, Priority: 100, Interval: time.Second, Addresses: addrs("fe80::9")}).Append(nil, addr("fe80::1"), addr(group6), addr(group6))
	with := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	for _, tt := range []struct {
		name string
		b    []byte
		src  string
		want Reason
	}{
		{"nothing", nil, "10.0.0.1", Short},
		{"seven bytes", good[:7], "10.0.0.1", Short},
		{"version 1", with(0, 0x11), "10.0.0.1", BadVersion},
		{"version 4", with(0, 0x41), "10.0.0.1", BadVersion},
		{"version 2 over IPv6", good, "fe80::1", BadVersion},
		{"type 2", with(0, 0x22), "10.0.0.1", BadType},
		{"more addresses than bytes", with(3, 2), "10.0.0.1", BadLength},
		{"fewer", with(3, 0), "10.0.0.1", BadLength},
		{"without its password field", good[:12], "10.0.0.1", BadLength},
		{"with bytes behind it", append(bytes.Clone(good), 0), "10.0.0.1", BadLength},
		{"another priority", with(2, 101), "10.0.0.1", BadChecksum},
		{"from another source, over IPv6", good6, "fe80::2", BadChecksum},
		{"as it was", good, "10.0.0.1", Accepted},
		{"as it was, over IPv6", good6, "fe80::1", Accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := dst
			if addr(tt.src).Is6() {
				to = addr(group6)
			}
			var a Advert
			if got := a.Decode(tt.b, addr(tt.src), to, to); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

func TestAnAdvertHas255AddressesAtMost(t *testing.T) {
	a := Advert{Version: 3, Addresses: make([]netip.Addr, 300)}
	for i := range a.Addresses {
		a.Addresses[i] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
	}
	var got Advert
	b := a.Append([]byte("before"), addr("10.0.0.1"), addr(group4), addr(group4))
	if why := got.Decode(b[len("before"):], addr("10.0.0.1"), addr(group4), addr(group4)); why != Accepted || len(got.Addresses) != 255 {
		t.Errorf("%v with %d addresses", why, len(got.Addresses))
	}
}

func TestReadingAnAdvertAgainAllocatesNothing(t *testing.T) {
	src, dst := addr("10.0.0.1"), addr(group4)
	b := (&Advert{Version: 3, Addresses: addrs("10.0.0.9", "10.0.0.8")}).Append(nil, src, dst, dst)
	var a Advert
	a.Decode(b, src, dst, dst)
	if n := testing.AllocsPerRun(100, func() { a.Decode(b, src, dst, dst) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func TestReasonsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for r := Accepted; r < Reasons; r++ {
		if s := r.String(); seen[s] || s == "reason?" {
			t.Errorf("reason %d is called %s", r, s)
		}
		seen[r.String()] = true
	}
}

// An advert that is accepted is one that Append would write, byte for byte, but for the four bits of version 3 that
// are reserved.
func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 8 {
		a, src, dst, group := drawAdvert(r)
		f.Add(a.Append(nil, src, dst, group), src.Is6(), dst.IsMulticast())
	}
	f.Fuzz(func(t *testing.T, in []byte, is6, multicast bool) {
		src, dst, group := addr("10.0.0.1"), addr("10.0.0.2"), addr(group4)
		if is6 {
			src, dst, group = addr("fe80::1"), addr("fe80::2"), addr(group6)
		}
		if multicast {
			dst = group
		}
		var a Advert
		was := bytes.Clone(in)
		why := a.Decode(in, src, dst, group)
		if !bytes.Equal(in, was) {
			t.Fatal("the packet was changed")
		}
		if why != Accepted {
			return
		}
		again := a.Append(nil, src, dst, group)
		if a.Version == 3 && in[4]&0xf0 != 0 {
			return
		}
		// 0 and 0xffff are the same sum.
		if in[6] != again[6] || in[7] != again[7] {
			copy(again[6:8], in[6:8])
		}
		if !bytes.Equal(in, again) {
			t.Fatalf("%x is read as %+v, which is %x", in, a, again)
		}
	})
}
