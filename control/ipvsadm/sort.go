package ipvsadm

import (
	"cmp"
	"encoding/binary"
	"net/netip"

	"lvsdr/control/api"
)

// Services and servers are listed in the order of ipvsadm, which compares
// 32-bit numbers by the sign of their difference, and does not notice when that
// overflows: 192.168.0.1 comes before 10.0.0.1, because their difference is
// negative as a signed number. So the order is not that of numbers, and for some
// sets of addresses it is none: a is before b, b before c and c before a. What
// is listed then depends on how it is sorted.

// compareServices orders services by mark, family, protocol, address and port.
func compareServices(a, b *api.Service) int {
	return cmp.Or(difference(a.FWMark, b.FWMark), family(a)-family(b), protocolNumber(a.Protocol)-protocolNumber(b.Protocol),
		compareAddrs(a.Address, b.Address), int(a.Port)-int(b.Port))
}

// compareServers orders servers by address and port.
func compareServers(a, b *api.Server) int {
	return cmp.Or(compareAddrs(a.Address, b.Address), int(a.Port)-int(b.Port))
}

// difference is the sign of a-b in 32 bits.
func difference(a, b uint32) int { return cmp.Compare(int32(a-b), 0) }

func family(s *api.Service) int {
	if s.V6() {
		return 1
	}
	return 0
}

// protocolNumber is that of IP; 0 for none.
func protocolNumber(name string) int {
	switch name {
	case "tcp":
		return 6
	case "udp":
		return 17
	case "sctp":
		return 132
	}
	return 0
}

// compareAddrs compares the words of a with those of b. An IPv4 address is its
// first word, and the others are zero; if a is one, the others do not count.
func compareAddrs(a, b netip.Addr) int {
	x, y := addrWords(a), addrWords(b)
	if !a.Is6() {
		return difference(x[0], y[0])
	}
	for i := range x {
		if d := difference(x[i], y[i]); d != 0 {
			return d
		}
	}
	return 0
}

func addrWords(a netip.Addr) (w [4]uint32) {
	if a.Is4() {
		four := a.As4()
		w[0] = binary.BigEndian.Uint32(four[:])
		return w
	}
	all := a.As16()
	for i := range w {
		w[i] = binary.BigEndian.Uint32(all[4*i:])
	}
	return w
}

// mergeSort sorts as qsort(3) of the C library does, so that where compare is no
// order the outcome is the same: the first half is the smaller one, and of two
// that are alike the one from the first half goes first.
func mergeSort[T any](all []T, compare func(a, b *T) int) {
	if len(all) < 2 {
		return
	}
	half := len(all) / 2
	mergeSort(all[:half], compare)
	mergeSort(all[half:], compare)
	first := append([]T{}, all[:half]...)
	second := all[half:]
	for k := range all {
		switch {
		case len(first) == 0:
			return // what is left of the second half is in its place
		case len(second) == 0 || compare(&first[0], &second[0]) <= 0:
			all[k], first = first[0], first[1:]
		default:
			all[k], second = second[0], second[1:]
		}
	}
}
