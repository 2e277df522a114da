package api

import (
	"fmt"
	"strings"
)

// The words for what a server gets. Each begins the StateText of its servers, and
// has at most eight characters.
const (
	StateUp       = "up"
	StateDown     = "down"     // its checks fail
	StateLeftOut  = "left out" // this host cannot reach it: its interface is down, or there is none
	StateNoMAC    = "no MAC"   // it does not answer ARP, or solicitations
	StateFull     = "full"     // it has reached its upper threshold
	StateQuiesced = "quiesced" // weight 0
	StateRemoved  = "removed"  // from the service
	StateStandby  = "standby"  // the service has not its quorum
)

// NotMade starts the Check of a server that is up for want of news: this host
// cannot make its checks.
const NotMade = "not made: "

// NotChecked says why this host cannot make the server's checks; false: it can, or
// the server is down.
func (s *Server) NotChecked() (reason string, ok bool) {
	reason, ok = strings.CutPrefix(s.Check, NotMade)
	return reason, ok && s.Up
}

// StateWord is whether a server gets new connections, in one of the words above.
func (s *Server) StateWord() string {
	word, _ := s.state()
	return word
}

// StateText is StateWord and why.
func (s *Server) StateText() string {
	word, why := s.state()
	switch {
	case why == "":
		return word
	case word == StateUp:
		return word + ", " + why
	}
	return word + ": " + why
}

// state is whether a server gets new connections, in a word, and why.
func (s *Server) state() (word, why string) {
	switch {
	case s.Removed && s.Active+s.Inactive > 0:
		return StateRemoved, "packets of its connections are dropped"
	case s.Removed && s.Drained:
		return StateRemoved, "drained"
	case s.Removed:
		return StateRemoved, "from the service"
	case s.Problem != "":
		why, _, _ := strings.Cut(s.Problem, "; ") // the remedy is among the problems
		return StateLeftOut, why
	case !s.Up:
		return StateDown, s.Check
	case s.MAC == "" && s.Method != Local:
		return StateNoMAC, s.unanswered()
	case s.Overloaded:
		return StateFull, fmt.Sprintf("upper threshold %d", s.Upper)
	case s.Standby:
		return StateStandby, "the service has not enough servers"
	case s.Effective == 0 && s.Drained:
		return StateQuiesced, "drained"
	case s.Effective == 0:
		return StateQuiesced, "weight 0"
	case s.Check == "none":
		return StateUp, "not checked"
	}
	if _, ok := s.NotChecked(); ok {
		return StateUp, "check not made"
	}
	return StateUp, ""
}

// unanswered says which question the server does not answer.
func (s *Server) unanswered() string {
	answer := "ARP answer"
	if s.Address.Is6() {
		answer = "neighbour advertisement"
	}
	if s.Interface == "" {
		return "no " + answer
	}
	return "no " + answer + " on " + s.Interface
}
