package site

import (
	"slices"
	"strings"
	"testing"
)

// While fewer servers are up than the threshold says, all serve with their configured weights,
// and that is a problem which is told of.
func TestHealthIsIgnoredWhileTooFewServersAreUp(t *testing.T) {
	sc := newScene(t)
	sc.load(vs("192.168.1.100 80", "lvsdr_panic_threshold 60", "192.168.1.11 80 weight 3;"+tcpCheck, "192.168.1.12 80 inhibit_on_failure;"+tcpCheck,
		"192.168.1.13 80 "+tcpCheck, "192.168.1.14 80"))
	sorted := func(servers string) string { return strings.Join(slices.Sorted(strings.FieldsSeq(servers)), " ") }
	for _, c := range []struct {
		server string
		up     bool
		want   string
		panics bool
	}{
		{"192.168.1.13]", false, "14*1 12*1 11*3", false}, // 3 of 4
		{"192.168.1.11]", false, "13*1 11*3 14*1 12*1", true},
		{"192.168.1.12]", false, "13*1 11*3 14*1 12*1", true},
		{"192.168.1.11]", true, "13*1 11*3 14*1 12*1", true},
		{"192.168.1.13]", true, "13*1 11*3 14*1 12*0", false},
	} {
		sc.check(c.server, c.up)
		if got := sorted(sc.servers("192.168.1.100", 80)); got != sorted(c.want) {
			t.Errorf("%s up %v: the servers are %q, want %q", c.server, c.up, got, c.want)
		}
		if got := strings.Contains(strings.Join(sc.s.Problems(), "\n"), "less than 60 % of the real servers are up"); got != c.panics {
			t.Errorf("%s up %v: problems %q", c.server, c.up, sc.s.Problems())
		}
		if v, _ := sc.s.View(webKey); !v.Up {
			t.Errorf("%s up %v: the service has lost its quorum", c.server, c.up)
		}
	}
}
