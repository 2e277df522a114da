package scenario_test

import (
	"strings"
	"testing"

	"lvsdr/bench/scenario"
)

// A cut behind the end of a short IPv6 packet was a panic: its headers were
// taken for those of IPv4.
func TestACutMustLeaveSomethingOfThePacket(t *testing.T) {
	for _, c := range []struct {
		packet string
		ok     bool
	}{
		{`"src":"10.0.0.1","dst":"10.0.0.2","frag":16`, true},
		{`"src":"10.0.0.1","dst":"10.0.0.2","frag":24`, false},
		{`"src":"fd00::1","dst":"fd00::2","frag":16`, true},
		{`"src":"fd00::1","dst":"fd00::2","frag":24`, false},
		{`"src":"fd00::1","dst":"fd00::2","frag":9`, false},
		{`"src":"fd00::1","dst":"fd00::2","frag":-8`, false},
	} {
		ops, err := scenario.Read("test", strings.NewReader(`{"op":"scenario","schema":1}`+"\n"+
			`{"op":"pkt","proto":"tcp","sport":1000,"dport":80,"flags":"S",`+c.packet+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		if err := scenario.Play(ops); (err == nil) != c.ok {
			t.Errorf("%s: error %v", c.packet, err)
		}
	}
}
