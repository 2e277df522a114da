package ask

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// UDP sends a datagram; UDP_CHECK. A server works unless it is told by ICMP that it does
// not, or a reply that is required does not come, or is another.
type UDP struct {
	Payload string // empty: random bytes
	// Reply says that a reply must come (require_reply): one of Min to Max bytes that
	// starts as Data does, as far as both go, in the bits that Mask has.
	Reply      bool
	Data, Mask string // of the same length
	Min, Max   int
}

var _ Ask = (*UDP)(nil)

// Bounds of the length of a reply.
const (
	DefaultMaxReply = 255   // where data of the reply is given
	MaxReply        = 65535 // that can be given, and where none is
)

// String is such as "payload 0102 require_reply 03 mask ff max_reply_length 255".
func (u *UDP) String() string {
	var t text
	t.addIf(u.Payload != "", "payload %x", u.Payload)
	t.addIf(u.Reply, "require_reply")
	t.addIf(u.Data != "", "%x", u.Data)
	t.addIf(u.Mask != "", "mask %x", u.Mask)
	t.addIf(u.Min != 0, "min_reply_length %d", u.Min)
	t.addIf(u.Max != 0, "max_reply_length %d", u.Max)
	return t.Builder.String()
}

// Good reports whether a reply is as it must be.
func (u *UDP) Good(reply []byte) bool {
	if len(reply) < u.Min || len(reply) > u.Max {
		return false
	}
	for i := range min(len(reply), len(u.Data)) {
		if (reply[i]^u.Data[i])&u.Mask[i] != 0 {
			return false
		}
	}
	return true
}

// ParseHex reads words of hexadecimal digits, two a byte from the start of each word; a
// last one alone is a byte. With wild, x is any digit; mask has the bits that count.
func ParseHex(words []string, wild bool) (data, mask string, err error) {
	var d, m strings.Builder
	for word := range strings.FieldsSeq(strings.Join(words, " ")) {
		for rest := word; rest != ""; {
			pair := rest[:min(2, len(rest))]
			rest = rest[len(pair):]
			if len(pair) == 1 {
				pair = "0" + pair
			}
			digits, bits := pair, "ff"
			if wild {
				digits = strings.NewReplacer("x", "0", "X", "0").Replace(pair)
				bits = wildBits(pair)
			}
			b, err := hex.DecodeString(digits)
			if err != nil {
				return "", "", fmt.Errorf("%q is not hexadecimal", word)
			}
			d.Write(b)
			b, _ = hex.DecodeString(bits) // it is of these digits
			m.Write(b)
		}
	}
	return d.String(), m.String(), nil
}

// wildBits is pair with f for each digit that counts, and 0 for each that does not.
func wildBits(pair string) string {
	return strings.Map(func(r rune) rune {
		if r == 'x' || r == 'X' {
			return '0'
		}
		return 'f'
	}, pair)
}
