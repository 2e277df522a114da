package ask

import (
	"fmt"
	"strings"
)

// An Ask is the question of one check: a pointer to one of the types of this package. It
// is not changed.
type Ask interface {
	// String tells everything that is asked, in the words of keepalived.conf.
	String() string
}

// Same reports whether a and b ask the same; nil asks for a connection alone.
func Same(a, b Ask) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return a.String() == b.String()
}

// A text collects words.
type text struct{ strings.Builder }

// addIf adds words, each behind a blank, when they are needed.
func (t *text) addIf(needed bool, format string, args ...any) {
	if needed {
		if t.Len() > 0 {
			t.WriteByte(' ')
		}
		fmt.Fprintf(t, format, args...)
	}
}
