package api_test

import (
	"strings"
	"testing"

	"lvsdr/control/api"
)

// A server's state is a word and why, the same in all outputs. What has the greater
// effect is said first.
func TestTheStateOfAServerSaysWhyItGetsNothing(t *testing.T) {
	usable := api.Server{ServerConfig: api.ServerConfig{Address: addr("10.0.0.1"), Weight: 2, Upper: 3}, Effective: 2, Up: true, Check: "ok", MAC: "02:00:00:00:00:01", Interface: "eth1"}
	with := func(change func(*api.Server)) api.Server {
		s := usable
		change(&s)
		return s
	}
	all := func(changes ...func(*api.Server)) func(*api.Server) {
		return func(s *api.Server) {
			for _, c := range changes {
				c(s)
			}
		}
	}
	removed := func(s *api.Server) { s.Removed = true }
	leftOut := func(s *api.Server) { s.Problem, s.Interface, s.MAC, s.Effective = "eth1 is down", "", "", 0 }
	down := func(s *api.Server) { s.Up, s.Check, s.Effective = false, "connection refused", 0 }
	silent := func(s *api.Server) { s.MAC = "" }
	full := func(s *api.Server) { s.Overloaded = true }
	quiesced := func(s *api.Server) { s.Weight, s.Effective = 0, 0 }
	for _, c := range []struct {
		law, want string
		change    func(*api.Server)
	}{
		{"one that gets connections", "up", func(*api.Server) {}},
		{"one without a check", "up, not checked", func(s *api.Server) { s.Check = "none" }},
		{"one whose check this host cannot make", "up, check not made", func(s *api.Server) { s.Check = api.NotMade + "no route" }},
		{"one whose check fails", "down: connection refused", down},
		{"one that does not answer ARP", "no MAC: no ARP answer on eth1", silent},
		{"one that does not answer solicitations", "no MAC: no neighbour advertisement on eth1", all(silent, func(s *api.Server) { s.Address = addr("fd00::1") })},
		{"one that was never asked", "no MAC: no ARP answer", all(silent, func(s *api.Server) { s.Interface = "" })},
		{"a local one needs no MAC address", "up", all(silent, func(s *api.Server) { s.Method = api.Local })},
		{"one at its threshold", "full: upper threshold 3", full},
		{"one of weight 0", "quiesced: weight 0", quiesced},
		{"one of weight 0 by ipvsadm", "quiesced: weight 0", func(s *api.Server) { s.Effective = 0 }},
		{"one whose service has not its quorum", "standby: the service has not enough servers", func(s *api.Server) { s.Standby, s.Effective = true, 0 }},
		{"the remedy is left to the problems", "left out: eth1 is down", func(s *api.Server) { s.Problem = "eth1 is down; bring it up" }},
		{"one that was removed and has nothing", "removed: from the service", removed},
		{"one whose interface is down is not said not to answer ARP", "left out: eth1 is down", all(leftOut, silent)},
		{"one whose interface is down fails its checks, too", "left out: eth1 is down", all(down, leftOut)},
		{"one that was removed is nothing else", "removed: packets of its connections are dropped", all(removed, full, quiesced, func(s *api.Server) { s.Inactive = 1 })},
		{"a full one of weight 0 is full", "full: upper threshold 3", all(full, quiesced)},
		{"one that is down does not answer ARP, either", "down: connection refused", all(down, silent, full)},
	} {
		s := with(c.change)
		got, word := s.StateText(), s.StateWord()
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.law, got, c.want)
		}
		if len(word) > 8 || !strings.HasPrefix(got, word) {
			t.Errorf("%s: the word is %q", c.law, word)
		}
	}
}
