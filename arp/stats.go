package arp

import "sync/atomic"

// Stats are the counters of a Service since New.
type Stats struct {
	frames  [numReasons]uint64
	traffic [numTraffic]uint64
}

// What is counted beside the reasons.
const (
	mismatched = iota
	inboxFull
	answersSent
	announced
	checksSent
	defences
	asked
	sendErrors
	suppressed

	numTraffic
)

// traffic are the counters beside those of the reasons.
var traffic = [numTraffic]counter{
	mismatched:  {"sender-mismatch", "frames above whose Ethernet source is not the sender's MAC address"},
	inboxFull:   {"inbox-full", "frames lost because the inbox was full"},
	answersSent: {"answers-sent", "replies sent"},
	announced:   {"announcements-sent", "gratuitous ARP and unsolicited advertisements sent, defences not included"},
	checksSent:  {"checks-sent", "requests for our own VIPs sent, to see who else answers"},
	defences:    {"defences-sent", "announcements sent because of a conflict"},
	asked:       {"requests-sent", "requests for MAC addresses of real servers and gateways sent"},
	sendErrors:  {"send-errors", "frames that could not be sent; not in the five above"},
	suppressed:  {"events-suppressed", "log events that were held back because they repeat"},
}

// Map are the counters that are not zero, by the names of Counters.
func (s *Stats) Map() map[string]uint64 {
	m := make(map[string]uint64)
	for r, n := range s.frames {
		if n > 0 {
			m[reasons[r].name] = n
		}
	}
	for c, n := range s.traffic {
		if n > 0 {
			m[traffic[c].name] = n
		}
	}
	return m
}

// counters are Stats as they are kept.
type counters struct {
	frames  [numReasons]atomic.Uint64
	traffic [numTraffic]atomic.Uint64
}

// load is a copy of c. The counters are read one by one, not all at one
// instant.
func (c *counters) load() Stats {
	var s Stats
	for r := range s.frames {
		s.frames[r] = c.frames[r].Load()
	}
	for i := range s.traffic {
		s.traffic[i] = c.traffic[i].Load()
	}
	return s
}
