//go:build long

package main_test

import (
	"strings"
	"testing"
)

// A check is also made by Direct Routing, to the address of a line; a server that has not
// the VIP is taken out.
func TestAMarkedServersCheckAsksForTheVIP(t *testing.T) {
	t.Parallel()
	lab, config := markLab(t)
	if err := lab.Servers[0].Command(t.Context(), "ip", "addr", "del", lab.Spec.VIP.String()+"/32", "dev", "lo").Run(); err != nil {
		t.Fatal(err)
	}
	d := direct(t, lab, config)
	s := awaitServer(t, d, 0, "down", isDown)
	if !strings.Contains(s.Check, lab.Spec.VIP.String()) {
		t.Errorf("the reason is %q", s.Check)
	}
	awaitServer(t, d, 1, "up", isUp)
}
