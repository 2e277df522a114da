package health

// A Quorum says when a service has enough servers.
type Quorum struct {
	Weight     int64 // that must be up; 0 means 1
	Hysteresis int64 // less than Weight; the quorum is regained that much above Weight, and lost that much below
}

// A Service is the health of a service: whether it has its quorum. Its live
// weight is the sum of the weights of its servers that are up.
//
//	       live weight = 0, or < Weight − Hysteresis
//	      ┌──────────────────────────────────────────┐
//	      │                                          ▼
//	quorum up                                   quorum down
//	      ▲                                          │
//	      └──────────────────────────────────────────┘
//	           live weight ≥ Weight + Hysteresis
//
// With a sorry server, that one alone serves while the quorum is down.
type Service struct {
	quorum Quorum
	down   bool
}

// NewService is a service in its start state: the quorum is up if the live
// weight would regain it.
func NewService(q Quorum, live int64) Service {
	return Service{quorum: q, down: true}.Live(live)
}

// Inherited is a service of which another process knew whether it had its quorum: Renew says
// which one that is.
func Inherited(up bool) Service { return Service{down: !up} }

// Renew is s with another quorum: after a reload.
func (s Service) Renew(q Quorum) Service {
	s.quorum = q
	return s
}

// Live is s with a live weight.
func (s Service) Live(live int64) Service {
	needed := s.quorum.Weight - s.quorum.Hysteresis
	if s.down {
		needed = s.quorum.Weight + s.quorum.Hysteresis
	}
	s.down = live == 0 || live < needed
	return s
}

// Panics reports whether so few of all servers are up that health is to be ignored: less
// than threshold percent; 0: never.
func Panics(threshold, up, all int) bool { return 100*up < threshold*all }

// Up reports whether the service has its quorum.
func (s Service) Up() bool { return !s.down }
