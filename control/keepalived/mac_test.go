package keepalived

import (
	"strings"
	"testing"

	"lvsdr/dataplane/frame"
)

func TestTheMACAddressOfARealServer(t *testing.T) {
	mac := frame.MAC{2, 0, 0, 0, 0x55, 1}
	for _, c := range []struct {
		name, lines string
		mac         frame.MAC
		found       []string // words of the error; none: there is no error
	}{
		{"absent: it is asked for", "", frame.MAC{}, nil},
		{"given", "lvsdr_mac 02:00:00:00:55:01", mac, nil},
		{"with hyphens", "lvsdr_mac 02-00-00-00-55-01", mac, nil},
		{"twice the same", "lvsdr_mac 02:00:00:00:55:01\nlvsdr_mac 02:00:00:00:55:01", mac, nil},
		{"twice, not the same", "lvsdr_mac 02:00:00:00:55:01\nlvsdr_mac 02:00:00:00:55:02", mac, []string{"f:8", "another line gives 10.0.0.2 02:00:00:00:55:01"}},
		{"no MAC address", "lvsdr_mac router", frame.MAC{}, []string{"f:7", "lvsdr_mac", "not a MAC address"}},
		{"too short", "lvsdr_mac 02:00:00:00:55", frame.MAC{}, []string{"f:7", "not a MAC address"}},
		{"eight bytes", "lvsdr_mac 02:00:00:00:55:01:02:03", frame.MAC{}, []string{"not a MAC address"}},
		{"of a group", "lvsdr_mac 01:00:5e:00:00:01", frame.MAC{}, []string{"group"}},
		{"broadcast", "lvsdr_mac ff:ff:ff:ff:ff:ff", frame.MAC{}, []string{"group"}},
		{"zero", "lvsdr_mac 00:00:00:00:00:00", frame.MAC{}, []string{"zero"}},
		{"no value", "lvsdr_mac", frame.MAC{}, []string{"lvsdr_mac"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, found := load(t, "virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 0\nreal_server 10.0.0.2 80 {\n"+c.lines+"\n}\n}\n", nil)
			if got := cfg.VirtualServers[0].RealServers[0].MAC; got != c.mac {
				t.Errorf("MAC %v, want %v", got, c.mac)
			}
			var text string
			for _, d := range found {
				if d.Severity >= Error {
					text += d.String() + "\n"
				}
			}
			if (text != "") != (c.found != nil) {
				t.Errorf("found %q", text)
			}
			for _, w := range c.found {
				if !strings.Contains(text, w) {
					t.Errorf("found %q, which does not say %q", text, w)
				}
			}
		})
	}
}

// A server that two services share has one MAC address.
func TestTwoServicesCannotGiveAServerTwoMACAddresses(t *testing.T) {
	service := func(vip, mac string) string {
		return "virtual_server " + vip + " 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_timeout 0\nreal_server 10.0.0.2 80 {\nlvsdr_mac " + mac + "\n}\n}\n"
	}
	_, found := load(t, service("10.0.0.1", "02:00:00:00:55:01")+service("10.0.0.3", "02:00:00:00:55:02"), nil)
	if found.Max() != Error || !strings.Contains(found[len(found)-1].String(), "f:16: error: lvsdr_mac") {
		t.Errorf("found %v", found)
	}
	if _, found := load(t, service("10.0.0.1", "02:00:00:00:55:01")+service("10.0.0.3", "02:00:00:00:55:01"), nil); found.Max() >= Error {
		t.Errorf("the same twice: %v", found)
	}
}
