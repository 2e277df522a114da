package ask

import (
	"fmt"
	"strconv"
	"strings"
)

// The status codes that can be named.
const (
	minCode = 100
	maxCode = 999
)

// Codes is a set of status codes of HTTP, 100 to 999. The zero Codes is empty.
type Codes [(maxCode-minCode)/32 + 1]uint32

// DefaultCodes are those that are good if none are named: 200 to 299.
func DefaultCodes() (c Codes) {
	c.add(200, 299)
	return c
}

// Add adds a code or a range of them, such as "200" or "200-299".
func (c *Codes) Add(s string) error {
	from, to, ranged := strings.Cut(s, "-")
	first, ok := code(from)
	last, ok2 := first, true
	if ranged {
		last, ok2 = code(to)
	}
	if !ok || !ok2 || last < first {
		return fmt.Errorf("%q is no status code of HTTP, and no range of them", s)
	}
	c.add(first, last)
	return nil
}

func code(s string) (int, bool) {
	v, err := strconv.ParseUint(s, 10, 16)
	return int(v), err == nil && minCode <= v && v <= maxCode
}

func (c *Codes) add(first, last int) {
	for n := first - minCode; n <= last-minCode; n++ {
		c[n/32] |= 1 << (n % 32)
	}
}

// Has reports whether n is in the set.
func (c *Codes) Has(n int) bool {
	return minCode <= n && n <= maxCode && c[(n-minCode)/32]>>((n-minCode)%32)&1 != 0
}

// String is the set as status_code names it, such as "200-299 404".
func (c Codes) String() string {
	var t text
	for n := minCode; n <= maxCode; n++ {
		if !c.Has(n) {
			continue
		}
		first := n
		for c.Has(n + 1) {
			n++
		}
		t.addIf(first == n, "%d", n)
		t.addIf(first < n, "%d-%d", first, n)
	}
	return t.Builder.String()
}
