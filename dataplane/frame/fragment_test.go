package frame_test

import (
	"bytes"
	"math/rand"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/ip4defrag"
	"github.com/google/gopacket/layers"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// fragments cuts the IPv4 packet in f for a link of the given MTU.
func fragments(f []byte, mtu int) [][]byte {
	h := parse(f)
	size := frame.FragmentSize(&h, mtu)
	n := int(h.End) - int(h.L4)
	var out [][]byte
	for off := 0; off < n; off += size {
		out = append(out, frame.AppendFragment(nil, f, &h, off, min(size, n-off)))
	}
	return out
}

// random4 is a random valid IPv4 packet with some payload, one in two with the
// options opts, which may be nil.
func random4(r *rand.Rand, opts []byte) []byte {
	for {
		f := randomIP(r)
		h := parse(f)
		if h.Kind != frame.IPv4 || h.End-uint32(h.L4) < 100 {
			continue
		}
		if r.Intn(2) == 0 {
			src, dst := h.Src.IP(), h.Dst.IP()
			f = build.Raw{Src: src, Dst: dst, Proto: 47, IP: build.IP{ID: uint16(h.FragID), VLAN: 7, Options: opts, TTL: h.TTL}, Payload: f[h.L4:h.End]}.Bytes()
		}
		return f
	}
}

// The law of fragmenting: every fragment fits, is an IPv4 packet with a right
// header checksum, and differs from the packet in nothing but length, offset,
// "more fragments", checksum and, but for the first, options; the payloads side
// by side are the packet's.
func TestFragmentsMakeThePacketAgain(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	pieces := 0
	for range 2000 {
		f := random4(r, []byte{0x94, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0})
		h := parse(f)
		mtu := 68 + 4*r.Intn(300)
		var payload []byte
		for i, g := range fragments(f, mtu) {
			pieces++
			gh := frametest.Parse(g)
			if gh.Fault != frame.NoFault && gh.Fault != frame.BadL4 { // BadL4: cut within the transport header
				t.Fatalf("fragment %d has the fault %q", i, gh.Fault)
			}
			if len(g) != int(gh.End) || len(g)-int(gh.L3) > mtu {
				t.Fatalf("fragment %d: %d bytes, ending at %d, for an MTU of %d", i, len(g), gh.End, mtu)
			}
			want := bytes.Clone(f[:h.L3+20])
			for _, at := range []int{0, 2, 3, 6, 7, 10, 11} {
				want[int(h.L3)+at] = g[int(h.L3)+at]
			}
			if !bytes.Equal(g[:h.L3+20], want) {
				t.Fatalf("fragment %d: the header changed\nfrom % x\n  to % x", i, f[:h.L3+20], g[:h.L3+20])
			}
			if int(gh.FragOff) != int(h.FragOff)+len(payload) {
				t.Fatalf("fragment %d is at %d, want %d + %d", i, gh.FragOff, h.FragOff, len(payload))
			}
			payload = append(payload, g[gh.L4:]...)
			last := len(payload) == int(h.End)-int(h.L4)
			if gh.More != (h.More || !last) || gh.DF != h.DF {
				t.Fatalf("fragment %d: more %v, don't fragment %v", i, gh.More, gh.DF)
			}
			if options := g[h.L3+20 : gh.L4]; i == 0 && !bytes.Equal(options, f[h.L3+20:h.L4]) {
				t.Fatalf("the options of the first fragment are % x", options)
			} else if i > 0 && !bytes.Equal(options, copiedSlow(f[h.L3+20:h.L4])) {
				t.Fatalf("the options of fragment %d are % x of % x", i, options, f[h.L3+20:h.L4])
			}
		}
		if !bytes.Equal(payload, f[h.L4:h.End]) {
			t.Fatal("the payloads do not make the packet's")
		}
	}
	if pieces < 4000 {
		t.Errorf("only %d fragments; the test shows little", pieces)
	}
}

// copiedSlow is those of the options opts that go into later fragments (RFC 791
// section 3.1): all options are listed, and those with the flag are taken.
func copiedSlow(opts []byte) []byte {
	var all [][]byte
	for len(opts) > 0 && opts[0] != 0 {
		if opts[0] == 1 {
			all, opts = append(all, opts[:1]), opts[1:]
			continue
		}
		if len(opts) == 1 || opts[1] < 2 || len(opts) < int(opts[1]) {
			break
		}
		all, opts = append(all, opts[:opts[1]]), opts[opts[1]:]
	}
	var out []byte
	for _, o := range all {
		if copied := o[0] >= 128; copied {
			out = append(out, o...)
		}
	}
	return append(out, make([]byte, (4-len(out)%4)%4)...)
}

func TestGopacketReassemblesTheFragments(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	payload := make([]byte, 3000)
	r.Read(payload)
	for _, mtu := range []int{68, 576, 1006, 1500, 2000} {
		f := build.UDP{Src: client, Dst: vip, IP: build.IP{ID: 7, VLAN: 3}, Payload: payload}.Bytes()
		h := parse(f)
		defrag := ip4defrag.NewIPv4Defragmenter()
		pieces := fragments(f, mtu)
		r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		var whole *layers.IPv4
		for _, g := range pieces {
			p := gopacket.NewPacket(g, layers.LayerTypeEthernet, gopacket.NoCopy)
			var err error
			if whole, err = defrag.DefragIPv4(p.NetworkLayer().(*layers.IPv4)); err != nil {
				t.Fatal(err)
			}
		}
		if whole == nil || !bytes.Equal(whole.Payload, f[h.L4:h.End]) {
			t.Errorf("MTU %d: %d fragments do not make the datagram", mtu, len(pieces))
		}
	}
}

// A packet that is cut in two by AppendFragment and by the reference looks the
// same, whichever piece is cut again.
func TestAppendFragmentEqualsTheReference(t *testing.T) {
	f := build.TCP{Src: client, Dst: vip, Flags: "A", IP: build.IP{ID: 7, TOS: 3, VLAN: 5, Pad: true}, Payload: make([]byte, 90)}.Bytes()
	frames := [][]byte{f}
	frames = append(frames, build.Fragment(f, 48)...)
	for i, f := range frames {
		h := parse(f)
		n := int(h.End) - int(h.L4)
		for cut := 8; cut < n; cut += 8 {
			want := build.Fragment(f, cut)
			for j, at := range [][2]int{{0, cut}, {cut, n - cut}} {
				if got := frame.AppendFragment(nil, f, &h, at[0], at[1]); !bytes.Equal(got, want[j]) {
					t.Errorf("frame %d cut at %d, piece %d:\n got % x\nwant % x", i, cut, j, got, want[j])
				}
			}
		}
		if got := frame.AppendFragment(nil, f, &h, 0, n); !bytes.Equal(got, f[:h.End]) {
			t.Errorf("frame %d, all of it: % x", i, got)
		}
	}
}

func TestLaterFragmentsHaveTheCopiedOptions(t *testing.T) {
	for _, c := range []struct {
		name          string
		options, want []byte
	}{
		{"none", nil, nil},
		{"a record route is for the first alone", []byte{7, 7, 4, 0, 0, 0, 0}, nil},
		{"a router alert is for all", []byte{0x94, 4, 0, 0}, []byte{0x94, 4, 0, 0}},
		{"no operations are left out", []byte{1, 0x94, 4, 0, 0, 1, 0x94, 4, 0, 1}, []byte{0x94, 4, 0, 0, 0x94, 4, 0, 1}},
		{"what is left is filled up", []byte{7, 3, 4, 0x83, 3, 4, 0x82, 2}, []byte{0x83, 3, 4, 0x82, 2, 0, 0, 0}},
		{"what follows the end of options is none", []byte{0, 0x94, 4, 0, 0}, nil},
		{"an option without a length ends the list", []byte{0x94, 4, 0, 0, 1, 1, 1, 0x94}, []byte{0x94, 4, 0, 0}},
		{"a length of 1 does", []byte{0x94, 1, 0x94, 4, 0, 0, 0, 0}, nil},
		{"a length beyond the end does", []byte{0x94, 4, 0, 0, 0x94, 5, 0, 0}, []byte{0x94, 4, 0, 0}},
		{"forty bytes", bytes.Repeat([]byte{0x94, 4, 0, 0}, 10), bytes.Repeat([]byte{0x94, 4, 0, 0}, 10)},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := build.UDP{Src: client, Dst: vip, IP: build.IP{Options: c.options}, Payload: make([]byte, 40)}.Bytes()
			h := parse(f)
			for i, want := range [][]byte{f[34:h.L4], c.want} {
				g := frame.AppendFragment(nil, f, &h, 24*i, 24)
				gh := frametest.Parse(g)
				if gh.Fault != frame.NoFault || !bytes.Equal(g[34:gh.L4], want) {
					t.Errorf("piece %d: fault %v, options % x, want % x", i, gh.Fault, g[34:gh.L4], want)
				}
			}
		})
	}
}

func TestAppendFragmentAppends(t *testing.T) {
	f := build.UDP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes()
	h := parse(f)
	want := frame.AppendFragment(nil, f, &h, 8, 16)
	buf := append(make([]byte, 0, 2000), "prefix"...)
	got := frame.AppendFragment(buf, f, &h, 8, 16)
	if !bytes.Equal(got, append([]byte("prefix"), want...)) || &got[0] != &buf[0] {
		t.Errorf("got % x", got)
	}
	if n := testing.AllocsPerRun(100, func() { frame.AppendFragment(buf, f, &h, 8, 16) }); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

// A fragment near the greatest offset, longer than the datagram may be, would
// make one whose offset does not fit its field.
func TestNoFragmentGoesBeyondTheLongestDatagram(t *testing.T) {
	f := with(build.Raw{Src: client.Addr(), Dst: vip.Addr(), Proto: 17, Payload: make([]byte, 64)}.Bytes(),
		func(f []byte) { f[20], f[21] = 0x1f, 0xff-2 }) // at 65512
	h := parse(f)
	if g := frame.AppendFragment(nil, f, &h, 0, 8); g != nil {
		t.Errorf("65520 bytes of payload and a header are more than 65535: %s", frametest.Describe(g))
	}
	if g := frame.AppendFragment(nil, f, &h, 24, 8); g != nil {
		t.Errorf("a fragment at 65536: %s", frametest.Describe(g))
	}
	f = with(f, func(f []byte) { f[21] = 0xff - 4 }) // at 65496
	h = parse(f)
	if g := frame.AppendFragment(nil, f, &h, 0, 16); g == nil {
		t.Error("65512 bytes of payload and a header fit")
	}
}

func TestAppendFragmentPanicsAtMistakes(t *testing.T) {
	udp := build.UDP{Src: client, Dst: vip, Payload: make([]byte, 41)}.Bytes()
	for _, c := range []struct {
		name   string
		f      []byte
		off, n int
	}{
		{"an offset that is no multiple of 8", udp, 12, 8},
		{"a length that is none", udp, 8, 12},
		{"nothing", udp, 8, 0},
		{"less than nothing", udp, 8, -8},
		{"an offset before the payload", udp, -8, 16},
		{"an end behind it", udp, 40, 16},
		{"IPv6", tcp6(), 0, 8},
		{"a fault", udp[:40], 0, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := parse(c.f)
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			frame.AppendFragment(nil, c.f, &h, c.off, c.n)
		})
	}
}

func TestFragmentSize(t *testing.T) {
	plain := build.UDP{Src: client, Dst: vip, IP: build.IP{VLAN: 7}}
	options := plain
	options.Options = make([]byte, 40)
	for _, c := range []struct {
		name      string
		f         []byte
		mtu, want int
	}{
		{"Ethernet", plain.Bytes(), 1500, 1480},
		{"what is left of 8 is not used", plain.Bytes(), 1499, 1472},
		{"options count", options.Bytes(), 1500, 1440},
		{"the least MTU of RFC 791 takes the longest header and 8 bytes", options.Bytes(), 68, 8},
		{"less does not", options.Bytes(), 67, 0},
		{"no MTU", plain.Bytes(), 0, 0},
		{"IPv6", tcp6(), 1500, 0},
		{"a fault", plain.Bytes()[:40], 1500, 0},
	} {
		h := parse(c.f)
		if got := frame.FragmentSize(&h, c.mtu); got != c.want {
			t.Errorf("%s: got %d, want %d", c.name, got, c.want)
		}
	}
}

// FuzzAppendFragment: whatever Parse accepts can be cut, and the pieces are
// IPv4 packets.
func FuzzAppendFragment(f *testing.F) {
	r := rand.New(rand.NewSource(2))
	for range 16 {
		f.Add(random4(r, []byte{0x94, 4, 0, 0, 7, 3, 4}), uint16(576))
	}
	f.Fuzz(func(t *testing.T, b []byte, mtu uint16) {
		build.FixHeaderSum(b)
		h := parse(b)
		if frame.FragmentSize(&h, int(mtu)) == 0 {
			return
		}
		var payload []byte
		for _, g := range fragments(b, int(mtu)) {
			if g == nil { // longer than a datagram
				return
			}
			gh := frametest.Parse(g)
			if gh.Kind != frame.IPv4 || gh.Fault != frame.NoFault && gh.Fault != frame.BadL4 || int(gh.End) != len(g) {
				t.Fatalf("a fragment is %v, %v: % x", gh.Kind, gh.Fault, g)
			}
			if len(g)-int(gh.L3) > int(mtu) || int(gh.FragOff) != int(h.FragOff)+len(payload) || gh.Src != h.Src || gh.Dst != h.Dst {
				t.Fatalf("%+v\nof %+v", gh, h)
			}
			payload = append(payload, g[gh.L4:]...)
		}
		if !bytes.Equal(payload, b[h.L4:h.End]) {
			t.Fatal("the payloads do not make the packet's")
		}
	})
}

func BenchmarkAppendFragment(b *testing.B) {
	f := build.UDP{Src: client, Dst: vip, Payload: make([]byte, 2000)}.Bytes()
	h := parse(f)
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	b.SetBytes(1480)
	for b.Loop() {
		frame.AppendFragment(buf, f, &h, 0, 1480)
	}
}
