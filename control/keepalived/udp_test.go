package keepalived

import (
	"strings"
	"testing"
)

// What UDP_CHECK asks, and what keepalived 2.2.7's -t exits with for the same text, measured.
func TestUDPCheck(t *testing.T) {
	for _, c := range []struct {
		name, lines, want string
		exit              int
		report            string
	}{
		{"the least", "", "", 0, ""},
		{"a payload", "payload \"01 02\"", "payload 0102", 0, ""},
		{"a payload of odd digits, and a reply with any", "payload 012\nrequire_reply 0xF", "payload 0102 require_reply 000f mask f0ff max_reply_length 255", 0, ""},
		{"any reply", "require_reply", "require_reply max_reply_length 65535", 0, ""},
		{"lengths without a reply", "max_reply_length 5", "", 0, ""},
		{"a payload that is none", "payload 0z", "", 5, `payload: "0z" is not hexadecimal`},
		{"a payload that is missing", "payload\nmin_reply_length 5", "", 5, "payload: a value is missing"},
		{"lengths the wrong way round", "payload 01 02\nrequire_reply\nmin_reply_length 5\nmax_reply_length 2",
			"payload 0102 require_reply min_reply_length 5 max_reply_length 2", 5, "no reply is good"},
		{"lengths that are none", "min_reply_length 70000\nmax_reply_length x", "", 5, "70000 is not between 0 and 65535"},
	} {
		cfg, ds := load(t, httpGet("UDP_CHECK", c.lines), nil)
		k := cfg.VirtualServers[0].RealServers[0].Checks[0]
		found := c.report == ""
		for _, d := range ds {
			found = found || strings.Contains(d.String(), c.report)
		}
		if k.Kind != UDPCheck || k.Kind.Stream() || k.Ask.String() != c.want || ds.ExitCode() != c.exit || !found {
			t.Errorf("%s: %q, want %q; exit code %d, want %d; want a report %q: %v", c.name, k.Ask, c.want, ds.ExitCode(), c.exit, c.report, ds)
		}
	}
}
