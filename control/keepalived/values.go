package keepalived

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	maxSeconds        = 31 * 24 * 60 * 60 // of persistence and connection timeouts
	maxWeight         = 1<<31 - 1
	maxTimer          = 1_000_000_000 * time.Second
	maxConnectTimeout = 4294967295 * time.Microsecond
)

// errNoNumber says that a word is no number at all.
var errNoNumber = errors.New("is not a whole number")

// parseNumber reads a decimal number from lo to hi.
func parseNumber(s string, lo, hi uint32) (uint32, error) {
	s = asC(s)
	v, err := strconv.ParseUint(unsigned(s), 10, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			return 0, fmt.Errorf("%q %w", s, errNoNumber)
		}
	}
	if err != nil || v < uint64(lo) || v > uint64(hi) {
		return 0, fmt.Errorf("%s is not between %d and %d", s, lo, hi)
	}
	return uint32(v), nil
}

// asC is the number s without the blanks before it, and 0 where nothing else is in
// the quotes: keepalived reads numbers with strtoul and strtod of C.
func asC(s string) string {
	if s = strings.TrimLeft(s, " \t"); s == "" {
		return "0"
	}
	return s
}

// unsigned is the number s without the "+" it may have.
func unsigned(s string) string {
	if len(s) > 1 && s[0] == '+' && '0' <= s[1] && s[1] <= '9' {
		return s[1:]
	}
	return s
}

// parseTimer reads seconds with at most six decimals.
func parseTimer(s string, lo, hi time.Duration) (time.Duration, error) {
	s = asC(s)
	whole, frac, dotted := strings.Cut(unsigned(s), ".")
	if whole == "" && frac == "" || !digits(whole) || !digits(frac) {
		return 0, fmt.Errorf("%q is not a number of seconds", s)
	}
	if dotted && len(frac) > 6 {
		return 0, fmt.Errorf("%s has more than six decimals", s)
	}
	// Ten digits are more than any timer; longer ones would not fit.
	whole = strings.TrimLeft(whole, "0")
	if len(whole) > 10 {
		return 0, fmt.Errorf("%s is not between %s and %s seconds", s, formatTimer(lo), formatTimer(hi))
	}
	micros, err := strconv.ParseInt(whole+(frac + "000000")[:6], 10, 64)
	if d := time.Duration(min(micros, int64(maxTimer/time.Microsecond)+1)) * time.Microsecond; err == nil && lo <= d && d <= hi {
		return d, nil
	}
	return 0, fmt.Errorf("%s is not between %s and %s seconds", s, formatTimer(lo), formatTimer(hi))
}

func digits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// formatTimer is d as parseTimer reads it.
func formatTimer(d time.Duration) string {
	us := d / time.Microsecond
	s := fmt.Sprintf("%d.%06d", us/1e6, us%1e6)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "on", "true", "yes":
		return true, nil
	case "off", "false", "no":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on, true, yes nor off, false, no", s)
}

// parseAddr reads the address of one host. Names are not looked up.
func parseAddr(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		if host, _, ok := strings.Cut(s, ":"); ok {
			if _, err := netip.ParseAddr(host); err == nil {
				return netip.Addr{}, fmt.Errorf("%q is not an address; write address and port with a blank between them", s)
			}
		}
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", s)
	}
	switch a = a.Unmap(); {
	case a.Zone() != "":
		return netip.Addr{}, fmt.Errorf("%q has a zone", s)
	case a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return netip.Addr{}, fmt.Errorf("%s is not the address of one host", s)
	}
	return a, nil
}

// parseSwitchable reads seconds of persistence, or off, which is 0.
func parseSwitchable(s string) (uint32, error) {
	switch {
	case strings.EqualFold(s, "off"):
		return 0, nil
	case s == "": // no persistence is 0 or off, said by somebody who means it
		return 0, fmt.Errorf("%q %w of seconds, nor off", s, errNoNumber)
	}
	v, err := parseNumber(s, 0, maxSeconds)
	switch {
	case errors.Is(err, errNoNumber):
		return 0, fmt.Errorf("%w of seconds, nor off", err)
	case err != nil:
		return 0, fmt.Errorf("%w seconds", err)
	}
	return v, nil
}

// parseEndpoint reads ADDR [PORT]; the port is 0 when it is absent.
func parseEndpoint(args []string) (netip.Addr, uint16, error) {
	a, err := parseAddr(args[0])
	if err != nil {
		return netip.Addr{}, 0, err
	}
	if len(args) == 1 {
		return a, 0, nil
	}
	p, err := parseNumber(args[1], 0, 65535)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("port: %w", err)
	}
	return a, uint16(p), nil
}

// parseGranularity reads an IPv4 mask or an IPv6 prefix length as a mask of the
// family of addr. The mask that keeps everyone apart is the zero Addr.
func parseGranularity(s string, is6 bool) (netip.Addr, error) {
	if is6 {
		n, err := parseNumber(s, 1, 128)
		if err != nil {
			return netip.Addr{}, fmt.Errorf("prefix length: %w", err)
		}
		if n == 128 {
			return netip.Addr{}, nil
		}
		return prefixMask(int(n)), nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() {
		return netip.Addr{}, fmt.Errorf("%q is not an IPv4 mask such as 255.255.255.0", s)
	}
	if a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return netip.Addr{}, nil
	}
	return a, nil
}

// prefixMask is the IPv6 mask with n leading ones.
func prefixMask(n int) netip.Addr {
	var m [16]byte
	for i := range n {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return netip.AddrFrom16(m)
}
