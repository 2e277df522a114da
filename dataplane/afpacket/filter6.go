package afpacket

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"

	"lvsdr/dataplane/frame"
)

// Offsets and values of IPv6 that the filter compares. Next
// header and hop limit are neighbours and are loaded together.
const (
	offIPv6Next = frame.EtherLen + frame.Off6Next
	offIPv6Dst  = frame.EtherLen + frame.Off6Dst
	offICMPv6   = frame.EtherLen + frame.IPv6Len // right behind the IPv6 header

	// RFC 4861 section 4: of neighbour discovery the hop limit is 255.
	icmpv6Neighbours = uint32(frame.ProtoICMPv6)<<8 | 255
	neighbourFirst   = 133 // router solicitation
	neighbourLast    = 137 // redirect
)

// words are an IPv6 address, in the pieces classic BPF can load.
type words [4]uint32

func wordsOf(a netip.Addr) (w words) {
	b := a.As16()
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}

// ipv6Filter ends the program with the EtherType in the accumulator: it hands
// out neighbour discovery, and IPv6 frames to one of vips.
func ipv6Filter(vips []words) []bpf.Instruction {
	prog := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: frame.EtherTypeIPv6, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadAbsolute{Off: offIPv6Next, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: icmpv6Neighbours, SkipFalse: 4},
		bpf.LoadAbsolute{Off: offICMPv6, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: neighbourFirst, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: neighbourLast, SkipTrue: 1},
		bpf.RetConstant{Val: acceptBytes},
	}
	if len(vips) == 0 {
		return append(prog, bpf.RetConstant{Val: 0})
	}
	return append(prog, addressAt(offIPv6Dst, vips)...)
}

// addressAt compares the IPv6 address at a place of the frame with keys, of which there are
// some, sorted. Every branch ends the program.
func addressAt(place int, keys []words) []bpf.Instruction {
	var prog []bpf.Instruction
	for w := range len(words{}) {
		prog = append(prog, bpf.LoadAbsolute{Off: uint32(place + 4*w), Size: 4}, bpf.StoreScratch{Src: bpf.RegA, N: w})
	}
	return append(prog, matchFilter(keys, []int{0, 1, 2, 3})...)
}

// loadWord loads a word of the address from where addressAt put it. The
// kernel translates a load from the frame to about nine instructions, one from
// here to one, and charges the socket for the translation (sk_filter_charge in
// net/core/filter.c): loads from the frame halve how many addresses it takes.
func loadWord(w int) bpf.Instruction { return bpf.LoadScratch{Dst: bpf.RegA, N: w} }

// matchFilter compares the words of the address that left names with those
// of addrs, which differ in them. What all addrs have in common comes first,
// once; then the word with the fewest values, and for each value what is left
// to compare. So a prefix costs nothing for each address, and a random address
// is told from others by one word. Every branch ends the program.
func matchFilter(addrs []words, left []int) []bpf.Instruction {
	var same []int
	pick, least := -1, math.MaxInt
	for _, w := range left {
		n := values(addrs, w)
		if n == 1 {
			same = append(same, w)
		} else if n < least {
			pick, least = w, n
		}
	}
	left = slices.DeleteFunc(slices.Clone(left), func(w int) bool { return w == pick || slices.Contains(same, w) })
	prog := sameFilter(addrs[0], same, pick < 0)
	if pick < 0 {
		return prog
	}
	prog = append(prog, loadWord(pick))
	addrs = slices.Clone(addrs)
	slices.SortFunc(addrs, func(a, b words) int { return cmp.Compare(a[pick], b[pick]) })
	if len(left) == 0 {
		keys := make([]uint32, len(addrs))
		for i, a := range addrs {
			keys[i] = a[pick]
		}
		return append(prog, searchFilter(keys)...)
	}
	var branches []branch
	for len(addrs) > 0 {
		n := 1
		for n < len(addrs) && addrs[n][pick] == addrs[0][pick] {
			n++
		}
		branches = append(branches, branch{addrs[0][pick], matchFilter(addrs[:n], left)})
		addrs = addrs[n:]
	}
	return append(prog, branchFilter(branches)...)
}

// values is how many values the word w has in addrs.
func values(addrs []words, w int) int {
	seen := make(map[uint32]struct{}, len(addrs))
	for _, a := range addrs {
		seen[a[w]] = struct{}{}
	}
	return len(seen)
}

// sameFilter compares the words of a that same names and ends the program if
// they differ, or with last in any case.
func sameFilter(a words, same []int, last bool) []bpf.Instruction {
	var prog []bpf.Instruction
	for i, w := range same {
		// To the reject, which is behind the later comparisons and one more.
		prog = append(prog, loadWord(w),
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: a[w], SkipFalse: uint8(2*(len(same)-i) - 1)})
	}
	if last {
		prog = append(prog, bpf.RetConstant{Val: acceptBytes})
	} else if len(same) > 0 {
		prog = append(prog, bpf.Jump{Skip: 1})
	}
	if len(same) > 0 {
		prog = append(prog, bpf.RetConstant{Val: 0})
	}
	return prog
}

// A branch is the rest of the program if the accumulator is key. It ends the program.
type branch struct {
	key  uint32
	prog []bpf.Instruction
}

// branchFilter finds the branch for the accumulator, as searchFilter does; none
// ends the program.
func branchFilter(bs []branch) []bpf.Instruction {
	if len(bs) > leafAddrs {
		mid := len(bs) / 2
		return halve(bs[mid].key, branchFilter(bs[:mid]), branchFilter(bs[mid:]))
	}
	var prog []bpf.Instruction
	for _, b := range bs {
		if n := len(b.prog); n <= math.MaxUint8 {
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: b.key, SkipFalse: uint8(n)})
		} else {
			prog = append(prog, bpf.JumpIf{Cond: bpf.JumpEqual, Val: b.key, SkipTrue: 1}, bpf.Jump{Skip: uint32(n)})
		}
		prog = append(prog, b.prog...)
	}
	return append(prog, bpf.RetConstant{Val: 0})
}
