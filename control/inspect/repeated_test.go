package inspect

import "testing"

// SYNs that clients sent again are shown for each server: of one that is down too, as long as it
// has connections.
func TestRepeatedSYNsAreShown(t *testing.T) {
	r := newRig(t)
	repeated := func(when string, want map[string]uint64) {
		t.Helper()
		for _, s := range r.Status().Services[0].Servers {
			if s.RepeatedSYNs != want[s.Address.String()] {
				t.Errorf("%s: %d of %v, want %d", when, s.RepeatedSYNs, s.Address, want[s.Address.String()])
			}
		}
	}
	r.send(1000, 80, "S")
	r.send(1001, 80, "S")
	repeated("before any", nil)
	for range 3 {
		r.send(1000, 80, "S")
	}
	r.send(1001, 80, "S")
	r.send(1001, 80, "A")
	r.send(1001, 80, "S") // of an open connection
	first, second := rs2, rs1
	if r.Status().Services[0].Servers[0].RepeatedSYNs == 3 {
		first, second = rs1, rs2
	}
	want := map[string]uint64{first: 3, second: 1}
	repeated("after four", want)
	r.down()
	repeated("with one down", want)
}
