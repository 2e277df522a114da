package keepalived

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTimer(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "6": 6 * time.Second, "0.000001": time.Microsecond, "2.71828": 2718280 * time.Microsecond, ".5": time.Second / 2,
		"5.": 5 * time.Second, "+5": 5 * time.Second, "00000000000000001": time.Second, "1000000000": maxTimer,
		"": 0, " 5": 5 * time.Second, "  ": 0,
	} {
		if got, err := parseTimer(in, 0, maxTimer); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", in, got, err, want)
		}
	}
	for _, in := range []string{".", "5 ", "-1", "+", "++1", "+.5", "1s", "1e3", "1.0000001", "1..2", "1000000000.000001", "99999999999999999999", "٣"} {
		if got, err := parseTimer(in, 0, maxTimer); err == nil {
			t.Errorf("%q is taken as %v", in, got)
		}
	}
}

// Timers are exact decimals: the definition is arithmetic with rationals.
func TestTimerIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringMatching(`[0-9]{1,11}(\.[0-9]{0,7})?`).Draw(t, "in")
		seconds, ok := new(big.Rat).SetString("1" + strings.TrimSuffix(in, ".")) // not octal with a 1 before it
		if !ok {
			t.Fatalf("%s is no number", in)
		}
		before, _, _ := strings.Cut(in, ".")
		one := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(before))), nil)
		seconds.Sub(seconds, new(big.Rat).SetInt(one))
		us := new(big.Rat).Mul(seconds, big.NewRat(1e6, 1))
		_, frac, _ := strings.Cut(in, ".")
		valid := len(frac) <= 6 && us.Cmp(big.NewRat(int64(maxTimer/time.Microsecond), 1)) <= 0
		got, err := parseTimer(in, 0, maxTimer)
		if (err == nil) != valid {
			t.Fatalf("%s: %v, valid %v", in, err, valid)
		}
		if !valid {
			return
		}
		if big.NewRat(int64(got/time.Microsecond), 1).Cmp(us) != 0 {
			t.Fatalf("%s is %v", in, got)
		}
		if again, err := parseTimer(formatTimer(got), 0, maxTimer); err != nil || again != got {
			t.Fatalf("%v is written %s and read %v, %v", got, formatTimer(got), again, err)
		}
	})
}

// distanceSlow states the optimal string alignment distance as its definition
// reads.
func distanceSlow(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	x, y := a[:len(a)-1], b[:len(b)-1]
	cost := 1
	if a[len(a)-1] == b[len(b)-1] {
		cost = 0
	}
	d := min(distanceSlow(x, b)+1, distanceSlow(a, y)+1, distanceSlow(x, y)+cost)
	if len(x) > 0 && len(y) > 0 && a[len(a)-1] == y[len(y)-1] && x[len(x)-1] == b[len(b)-1] {
		d = min(d, distanceSlow(x[:len(x)-1], y[:len(y)-1])+1)
	}
	return d
}

func TestDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[abc]{0,5}`).Draw(t, "a")
		b := rapid.StringMatching(`[abc]{0,5}`).Draw(t, "b")
		if got, want := distance(a, b), distanceSlow(a, b); got != want {
			t.Fatalf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}

func TestGranularity(t *testing.T) {
	for _, tt := range []struct {
		in   string
		is6  bool
		want string
	}{
		{"255.255.255.0", false, "255.255.255.0"}, {"0.0.0.0", false, "0.0.0.0"}, {"255.0.255.0", false, "255.0.255.0"},
		{"255.255.255.255", false, "invalid IP"}, {"64", true, "ffff:ffff:ffff:ffff::"}, {"1", true, "8000::"}, {"128", true, "invalid IP"},
	} {
		got, err := parseGranularity(tt.in, tt.is6)
		if err != nil || got.String() != tt.want {
			t.Errorf("%s is %v, %v; want %s", tt.in, got, err, tt.want)
		}
		if got.IsValid() && formatGranularity(got) != tt.in {
			t.Errorf("%s is written %s", tt.in, formatGranularity(got))
		}
	}
	for _, in := range []string{"24", "300.0.0.0", "ffff::", ""} {
		if _, err := parseGranularity(in, false); err == nil {
			t.Errorf("IPv4: %q is taken", in)
		}
	}
	for _, in := range []string{"0", "129", "ffff::", "255.255.255.0"} {
		if _, err := parseGranularity(in, true); err == nil {
			t.Errorf("IPv6: %q is taken", in)
		}
	}
}
