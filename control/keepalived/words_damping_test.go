package keepalived

import (
	"strings"
	"testing"
	"time"
)

func TestFlapDampingIsSaidForAServiceOrAServer(t *testing.T) {
	for _, c := range []struct {
		service, server string
		want            Damping
		wrong           string // in the message; empty: there is none
	}{
		{"", "", Damping{}, ""},
		{"lvsdr_flap_damping 60", "", Damping{time.Minute, 3, 1}, ""},
		{"lvsdr_flap_damping 60 5", "", Damping{time.Minute, 5, 1}, ""},
		{"lvsdr_flap_damping 2.5 5 5", "", Damping{2500 * time.Millisecond, 5, 5}, ""},
		{"lvsdr_flap_damping 60 5", "lvsdr_flap_damping 10", Damping{10 * time.Second, 3, 1}, ""},
		{"lvsdr_flap_damping 60", "lvsdr_flap_damping 0", Damping{}, ""},
		{"", "lvsdr_flap_damping 0.5", Damping{}, "at least 1 second"},
		{"", "lvsdr_flap_damping x", Damping{}, "x"},
		{"", "lvsdr_flap_damping 60 0", Damping{}, "0"},
		{"", "lvsdr_flap_damping 60 2 y", Damping{}, "y"},
		{"lvsdr_flap_damping 60", "lvsdr_flap_damping 60 2 3", Damping{time.Minute, 3, 1}, "must not be greater"},
	} {
		cfg, found := load(t, service(c.service+"\nreal_server 10.0.0.2 80 {\n"+c.server+"\n}"), nil)
		if (found.Max() == Error) != (c.wrong != "") || c.wrong != "" && !strings.Contains(found[len(found)-1].String(), c.wrong) {
			t.Errorf("%q, %q: %v", c.service, c.server, found)
			continue
		}
		if got := cfg.VirtualServers[0].RealServers[0].Damping; got != c.want {
			t.Errorf("%q in the service and %q in the server: %+v, want %+v", c.service, c.server, got, c.want)
		}
	}
}
