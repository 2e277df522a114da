package main_test

import (
	"testing"

	"lvsdr/control/api"
)

// serversUp wants all servers of the first service to be up, with their MAC addresses.
func serversUp(t *testing.T, st *api.Status) {
	t.Helper()
	for _, s := range st.Services[0].Servers {
		if !s.Up || s.MAC == "" || s.Effective == 0 {
			t.Errorf("server %s: up %v, MAC %q, weight %d", s.Address, s.Up, s.MAC, s.Effective)
		}
	}
}
