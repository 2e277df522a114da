package scheduler

import (
	"strings"
	"testing"
)

func TestFlagsAreReadAndWrittenAsByIPVSAdm(t *testing.T) {
	for _, c := range []struct {
		scheduler, flags string
		want             Flags
		text, err        string
	}{
		{"sh", "sh-port,sh-fallback", HashPort | Fallback, "sh-fallback,sh-port", ""},
		{"mh", "mh-port", HashPort, "mh-port", ""},
		{"mh", "flag-1,flag-2,flag-3", Flag1 | Flag2 | Flag3, "mh-fallback,mh-port,flag-3", ""},
		{"rr", "flag-2,flag-1", Flag1 | Flag2, "flag-1,flag-2", ""},
		{"sh", "flag-2,sh-port", Flag2, "sh-port", ""},
		{"rr", "sh-port", 0, "", "incompatible scheduler flag `sh-port'"},
		{"mh", "sh-fallback", 0, "", "incompatible scheduler flag `sh-fallback'"},
		{"rr", "nosuch", 0, "", "invalid scheduler flag `nosuch'"},
	} {
		got, err := ParseFlags(c.scheduler, strings.Split(c.flags, ","))
		if got != c.want || (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%s %s: %#x, %v, want %#x, %s", c.scheduler, c.flags, got, err, c.want, c.err)
		}
		if text := got.Text(c.scheduler); text != c.text {
			t.Errorf("%s %s is written %q, want %q", c.scheduler, c.flags, text, c.text)
		}
	}
	if got, err := ParseFlags("wlc", nil); got != 0 || err != nil || got.Text("wlc") != "" {
		t.Errorf("no flags: %#x, %v", got, err)
	}
}
