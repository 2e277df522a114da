package keepalived

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestPassiveFailureIsSaidForAServiceOrAServer(t *testing.T) {
	for _, c := range []struct {
		service, server string
		want            Passive
		wrong           string // in the message; empty: there is none
	}{
		{"", "", Passive{}, ""},
		{"lvsdr_passive_failure 30", "", Passive{30, 10, 30 * time.Second}, ""},
		{"lvsdr_passive_failure 30 5", "", Passive{30, 5, 30 * time.Second}, ""},
		{"lvsdr_passive_failure 30 5 2.5", "", Passive{30, 5, 2500 * time.Millisecond}, ""},
		{"lvsdr_passive_failure 30 5 2.5", "lvsdr_passive_failure 50", Passive{50, 10, 30 * time.Second}, ""},
		{"lvsdr_passive_failure 30", "lvsdr_passive_failure 0", Passive{}, ""},
		{"", "lvsdr_passive_failure 0 5 9", Passive{}, ""},
		{"", "lvsdr_passive_failure 100", Passive{}, "100"},
		{"", "lvsdr_passive_failure x", Passive{}, "x"},
		{"", "lvsdr_passive_failure 30 0", Passive{}, "0"},
		{"", "lvsdr_passive_failure 30 5 0.5", Passive{}, "0.5"},
		{"lvsdr_passive_failure 20", "lvsdr_passive_failure 30 5 x", Passive{20, 10, 30 * time.Second}, "x"},
		{"", "lvsdr_passive_failure", Passive{}, "lvsdr_passive_failure"},
	} {
		cfg, found := load(t, service(c.service+"\nreal_server 10.0.0.2 80 {\n"+c.server+"\n}"), nil)
		if (found.Max() == Error) != (c.wrong != "") || !strings.Contains(fmt.Sprint(found), c.wrong) {
			t.Errorf("%q, %q: %v", c.service, c.server, found)
			continue
		}
		if got := cfg.VirtualServers[0].RealServers[0].Passive; got != c.want {
			t.Errorf("%q in the service and %q in the server: %+v, want %+v", c.service, c.server, got, c.want)
		}
	}
}

// It is for servers that have a check; the other ones are told of.
func TestPassiveFailureOfAServerWithoutACheckIsTold(t *testing.T) {
	const check = "TCP_CHECK {\n}"
	for _, c := range []struct {
		service, server string
		told            bool
	}{
		{"lvsdr_passive_failure 30", "", true},
		{"", "lvsdr_passive_failure 30", true},
		{"lvsdr_passive_failure 30", check, false},
		{"lvsdr_passive_failure 30", "lvsdr_passive_failure 0", false},
		{"", "", false},
	} {
		_, found := load(t, service(c.service+"\nreal_server 10.0.0.2 80 {\n"+c.server+"\n}"), nil)
		told := strings.Contains(fmt.Sprint(found), "lvsdr_passive_failure has no effect: the real server [10.0.0.2]:tcp:80 has no check")
		if told != c.told || found.ExitCode() != ExitOK {
			t.Errorf("%q, %q: %v", c.service, c.server, found)
		}
	}
}
