package check

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// What a Pair says stands in a line of the log behind the names of the server and
// of its service: it names each address once, says the cause once, and leaves the
// line readable.
func TestAServerThatLacksTheVIPIsToldOfInFewWords(t *testing.T) {
	for _, c := range []struct {
		name   string
		rs     string
		vip    string
		cause  error
		suffix string // of what the check by Direct Routing says
		want   string
		most   int // bytes
	}{
		{"refused", "192.168.101.211", "192.168.101.100:8080", unix.ECONNREFUSED, "connection refused",
			"192.168.101.211 answers, but not for VIP 192.168.101.100:8080: connection refused; is the VIP on its loopback?", 120},
		{"silent", "192.168.101.211", "192.168.101.100:8080", os.ErrDeadlineExceeded, "no answer: i/o timeout",
			"192.168.101.211 answers, but not for VIP 192.168.101.100:8080: no answer: i/o timeout; is the VIP on its loopback?", 120},
		{"of IPv6", "fd00:1::b", "[fd00:1::100]:8080", unix.ECONNREFUSED, "connection refused",
			"fd00:1::b answers, but not for VIP [fd00:1::100]:8080: connection refused; is the VIP on its loopback?", 120},
	} {
		dr := DR{VIP: netip.MustParseAddrPort(c.vip), RS: netip.MustParseAddr(c.rs)}
		prefix, _, _ := strings.Cut(c.suffix, c.cause.Error())
		err := error(&onlyOwn{dr, fmt.Errorf("%s: %s%w", dr.attempt(), prefix, c.cause)})
		got := err.Error()
		if got != c.want || len(got) > c.most {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		for _, once := range []string{c.rs, c.vip, c.suffix} {
			if n := strings.Count(got, once); n != 1 {
				t.Errorf("%s: %q is named %d times in %q", c.name, once, n, got)
			}
		}
		if !errors.Is(err, c.cause) {
			t.Errorf("%s: %v is not %v", c.name, err, c.cause)
		}
	}
}

// A fixed is a probe with one result.
type fixed struct{ result Result }

func (f fixed) Check(context.Context) Result { return f.result }
func (f fixed) Kind() string                 { return "FIXED" }
func (f fixed) String() string               { return "fixed" }

// A server that fails the first of two checks is not asked by the second, and the
// error is that of the first alone.
func TestTheFirstOfTwoChecksThatFailsSaysWhy(t *testing.T) {
	first := errors.New("connect 192.0.2.11:80: connection refused")
	got := Pair{Own: fixed{Result{Err: first}}}.Check(t.Context()) // without a Router the second would panic
	if got.Err != first {
		t.Errorf("%v, want %v", got.Err, first)
	}
}
