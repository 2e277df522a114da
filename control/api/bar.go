package api

import (
	"math"
	"strings"
)

// The cells of a Bar.
const (
	barFull  = '█'
	barEmpty = '·'
	barDue   = '|'
)

// Bar is a bar of width cells for a share of 0 to 1. A mark stands where the share
// would end by weight, due; a negative due has no mark.
func Bar(share, due float64, width int) string {
	at := func(part float64) int { return min(max(int(math.Round(part*float64(width))), 0), width) }
	full := at(share)
	b := []rune(strings.Repeat(string(barFull), full) + strings.Repeat(string(barEmpty), width-full))
	if due >= 0 && width > 0 {
		b[min(at(due), width-1)] = barDue
	}
	return string(b)
}
