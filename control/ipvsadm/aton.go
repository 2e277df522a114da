package ipvsadm

import (
	"net/netip"
	"strconv"
	"strings"
)

// aton reads an IPv4 address as inet_aton(3) does: one to four numbers with dots
// between, decimal, octal behind a 0 or hexadecimal behind 0x, of which the last
// fills the bytes that are left. "1.2.3" is 1.2.0.3 and "24" is 0.0.0.24. What
// follows a blank does not count.
func aton(s string) (netip.Addr, bool) {
	if i := strings.IndexAny(s, blanks); i >= 0 {
		s = s[:i]
	}
	parts := strings.Split(s, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var a uint64
	for i, part := range parts {
		n, ok := atonNumber(part)
		rest := 8 * (4 - i) // bits from this part on
		last := i == len(parts)-1
		if !ok || last && n >= 1<<rest || !last && n > 0xff {
			return netip.Addr{}, false
		}
		if !last {
			n <<= rest - 8
		}
		a |= n
	}
	return netip.AddrFrom4([4]byte{byte(a >> 24), byte(a >> 16), byte(a >> 8), byte(a)}), true
}

// atonNumber reads one number of an address.
func atonNumber(s string) (uint64, bool) {
	base := 10
	switch {
	case len(s) > 1 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'):
		s, base = s[2:], 16
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	if s == "" || s[0] == '+' || s[0] == '-' || s[0] == '_' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, base, 33)
	return n, err == nil
}
