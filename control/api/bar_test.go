package api_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"lvsdr/control/api"
)

// A bar shows its share to the nearest cell, and its mark is always there.
func TestBarsShowShareAndDue(t *testing.T) {
	for _, c := range []struct {
		share, due float64
		width      int
		want       string
	}{
		{0.5, 0.5, 10, "█████|····"}, {1, 0, 5, "|████"}, {0, 1, 5, "····|"}, {0, 0, 5, "|····"}, {1, 1, 5, "████|"}, {0.24, 0.99, 5, "█···|"},
		{0.5, -1, 4, "██··"}, {0, -1, 3, "···"}, {1, -1, 3, "███"}, {0.5, 0.5, 0, ""}, {7, -1, 2, "██"}, {-7, -1, 2, "··"},
	} {
		if got := api.Bar(c.share, c.due, c.width); got != c.want {
			t.Errorf("share %v, due %v: %q, want %q", c.share, c.due, got, c.want)
		}
	}
	r := rand.New(rand.NewPCG(4, 4))
	for range 2000 {
		share, due, width := r.Float64(), r.Float64(), 1+r.IntN(60)
		b := api.Bar(share, due, width)
		full := strings.Count(b, "█")
		if utf8.RuneCountInString(b) != width || strings.Count(b, "|") != 1 || math.Abs(float64(full)-share*float64(width)) > 1.5 {
			t.Fatalf("share %v, due %v, width %d: %q", share, due, width, b)
		}
	}
}
