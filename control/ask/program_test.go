package ask

import (
	"testing"
	"time"
)

func TestTheTextOfAProgramTellsAllOfIt(t *testing.T) {
	for want, p := range map[string]Program{
		`misc_path "/bin/a 'b'" misc_timeout 5s`:                          {Line: "/bin/a 'b'", Timeout: 5 * time.Second},
		`misc_path "/a" misc_timeout 1m0s misc_dynamic user x y`:          {Line: "/a", Timeout: time.Minute, Dynamic: true, User: "x", Group: "y"},
		`misc_path "/a" misc_timeout 1s user "" y enable_script_security`: {Line: "/a", Timeout: time.Second, Group: "y", Secure: true},
		`misc_path "/a user x" misc_timeout 1s`:                           {Line: "/a user x", Timeout: time.Second},
		`misc_path "/a" misc_timeout 1s user x`:                           {Line: "/a", Timeout: time.Second, User: "x"},
	} {
		if got := p.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
