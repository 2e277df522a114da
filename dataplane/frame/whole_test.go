package frame_test

import (
	"bytes"
	"encoding/binary"
	"math/rand"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// Cut and put together, a packet is what it was: in IPv6 without the fragment
// header, in IPv4 with the identification and all options of the first fragment.
func TestAppendWhole(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	families := map[frame.Kind]int{}
	for range 2000 {
		f := randomIP(r)
		h := parse(f)
		n := int(h.End) - int(h.L4)
		if h.IsFragment() || n < 24 || h.Kind == frame.IPv6 && h.L4 != h.L3+frame.IPv6Len {
			continue
		}
		f = f[:h.End]
		two := build.Fragment(f, 8*(1+r.Intn(n/8-1)))
		first, second := parse(two[0]), parse(two[1])
		if first.Fault != frame.NoFault && !first.IsCut() {
			continue // of IPv6
		}
		whole, data := frame.AppendWhole(nil, two[0], &first, n)
		if len(data) != n {
			t.Fatalf("%d bytes of data, want %d", len(data), n)
		}
		copy(data, two[0][frame.FragmentData(two[0], &first):first.End])
		copy(data[second.FragOff:], two[1][frame.FragmentData(two[1], &second):second.End])
		if !bytes.Equal(whole, f) {
			t.Fatalf("put together it is\n% x, was\n% x", whole, f)
		}
		families[h.Kind]++
	}
	if families[frame.IPv4] < 100 || families[frame.IPv6] < 100 {
		t.Errorf("tried %v", families)
	}
}

// The fragment header is taken out of any chain of extension headers, and the
// header before it names what followed it.
func TestAppendWholeTakesTheFragmentHeaderOut(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after []build.Ext
	}{
		{"alone", nil, nil},
		{"behind hop-by-hop options", []build.Ext{build.HopByHop()}, nil},
		{"behind two headers", []build.Ext{build.HopByHop(), build.DestOpts(make([]byte, 14)...)}, nil},
		{"before options", nil, []build.Ext{build.DestOpts(1, 2, 0, 0)}},
		{"between", []build.Ext{build.Routing(0, 0)}, []build.Ext{build.DestOpts(make([]byte, 10)...)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := build.UDP{Src: client6, Dst: vip6, Payload: []byte("sixteen bytes...")}
			u.Ext = append(append([]build.Ext{}, c.before...), c.after...)
			want := u.Bytes()
			u.Ext = append(append(append([]build.Ext{}, c.before...), build.FragmentHeader(0, true, 9)), c.after...)
			f := u.Bytes()
			h := parse(f)
			at := frame.FragmentData(f, &h)
			var ext int
			for _, e := range c.before {
				ext += len(build.UDP{Src: client6, Dst: vip6, IP: build.IP{Ext: []build.Ext{e}}}.Bytes()) - len(build.UDP{Src: client6, Dst: vip6}.Bytes())
			}
			if at != 14+40+ext+8 {
				t.Fatalf("the data starts at %d, want %d", at, 14+40+ext+8)
			}
			whole, data := frame.AppendWhole([]byte("xx"), f, &h, len(f)-at)
			copy(data, f[at:])
			if !bytes.Equal(whole, append([]byte("xx"), want...)) {
				t.Errorf("put together it is\n% x, want\n% x", whole[2:], want)
			}
		})
	}
}

func TestAppendWholeIsMadeForTheGreatestDatagram(t *testing.T) {
	for _, c := range []struct {
		f    []byte
		most int
	}{
		{build.Fragment(build.UDP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes(), 8)[0], 65515},
		{build.Fragment(build.UDP{Src: client6, Dst: vip6, Payload: make([]byte, 40)}.Bytes(), 8)[0], 65535},
	} {
		h := parse(c.f)
		whole, _ := frame.AppendWhole(nil, c.f, &h, c.most)
		got := parse(whole)
		if got.Fault != frame.BadL4 || int(got.End) != len(whole) { // the data is not there yet
			t.Errorf("%+v", got)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%d bytes were put together", c.most+1)
				}
			}()
			frame.AppendWhole(nil, c.f, &h, c.most+1)
		}()
		room := make([]byte, 0, len(whole))
		if n := testing.AllocsPerRun(100, func() { frame.AppendWhole(room, c.f, &h, c.most) }); n != 0 {
			t.Errorf("%v allocations, want none", n)
		}
	}
}

// A header is cut where a fragment of IPv4 ends, or starts, within it; what lies
// about its length, and all of IPv6, is not.
func TestIsCut(t *testing.T) {
	tcp := build.TCP{Src: client, Dst: vip, Flags: "S", Payload: make([]byte, 40)}.Bytes()
	six := build.TCP{Src: client6, Dst: vip6, Flags: "S", Payload: make([]byte, 40)}.Bytes()
	sctp := build.SCTP{Src: client, Dst: vip, Payload: make([]byte, 40)}.Bytes()
	lies := build.Fragment(tcp, 40)[0]
	lies = with(lies, set(14+20+12, 0x10)) // a data offset of 4 bytes
	word := func(f []byte, v uint16) []byte {
		return with(f, func(f []byte) { binary.BigEndian.PutUint16(f[20:], v) })
	}
	for _, c := range []struct {
		name string
		f    []byte
		want bool
	}{
		{"a whole segment", tcp, false},
		{"TCP cut at 8", build.Fragment(tcp, 8)[0], true},
		{"its rest", build.Fragment(tcp, 8)[1], true},
		{"TCP cut at 16", build.Fragment(tcp, 16)[0], true},
		{"its rest, which starts with a checksum", build.Fragment(tcp, 16)[1], false},
		{"TCP cut behind its header", build.Fragment(tcp, 24)[0], false},
		{"SCTP cut at 8", build.Fragment(sctp, 8)[0], true},
		{"SCTP cut behind its header", build.Fragment(sctp, 16)[0], false},
		{"a first fragment with an impossible data offset", lies, false},
		{"a last fragment at 0", word(with(tcp, func(f []byte) { f[17] = 36 })[:50], 0), false},
		{"TCP of IPv6 cut at 16", build.Fragment(six, 16)[0], false},
		{"TCP of IPv6 at 8", build.Fragment(six, 8)[1], false},
	} {
		if h := parse(c.f); h.IsCut() != c.want {
			t.Errorf("%s: %v, want %v: %+v", c.name, h.IsCut(), c.want, h)
		}
	}
}
