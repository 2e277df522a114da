package site

import (
	"strings"

	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
)

// A NoticeKind says what changed.
type NoticeKind uint8

// The kinds of notice.
const (
	ServerUp    NoticeKind = iota // all checks of a real server are good
	ServerDown                    // one of them is not
	ServiceUp                     // a service has its quorum
	ServiceDown                   // it has lost it
)

var noticeNames = [...]string{"server-up", "server-down", "service-up", "service-down"}

// String is the kind in lower case, such as "server-up".
func (k NoticeKind) String() string {
	if int(k) < len(noticeNames) {
		return noticeNames[k]
	}
	return "notice?"
}

// A Notice is a change that people and programs want to hear of.
type Notice struct {
	Kind    NoticeKind
	Service dataplane.ServiceKey
	// Server is the real server of ServerUp and ServerDown. One whose checks are
	// shared by several services is told of once, with the first of them.
	Server dataplane.ServerConfig
	// Name identifies the subject: [ADDR]:proto:PORT of a service, and for a
	// server [ADDR]:proto:PORT of VS [ADDR]:proto:PORT.
	Name   string
	Reason string // why a server is down
	Alert  bool   // a mail is to be sent
	// ByFile says that a start or a reload has brought or removed the subject. Programs are told;
	// in the log and among the events that is the reload itself.
	ByFile bool
	// Command is to be run, for the file asks for that; zero: nothing is.
	Command keepalived.Command
}

// Line is the notice as keepalived writes it to FIFOs, such as
// "RS [192.0.2.11]:tcp:80 [192.0.2.1]:tcp:80 UP".
func (n *Notice) Line() string {
	state := " DOWN"
	if n.Kind == ServerUp || n.Kind == ServiceUp {
		state = " UP"
	}
	if n.Kind == ServerUp || n.Kind == ServerDown {
		return "RS " + strings.Replace(n.Name, " of VS ", " ", 1) + state
	}
	return "VS " + n.Name + state
}

// serviceNotice tells that f has its quorum, or not.
func serviceNotice(f *fileService, up bool) Notice {
	n := Notice{Kind: ServiceDown, Service: f.config.Key, Name: f.source.Name(), Alert: f.source.Alert, Command: f.source.QuorumDown}
	if up {
		n.Kind, n.Command = ServiceUp, f.source.QuorumUp
	}
	return n
}

// stopping is why servers are down at the end.
const stopping = "the director stops"

// Farewell returns the notices of the end: all that is up of the services with
// omega goes down, servers before their services.
func (s *State) Farewell() []Notice {
	var all []Notice
	for i, p := range s.plan.probed {
		if s.plan.services[p.of[0]].source.Omega && s.serves(p, i) {
			all = append(all, p.notices(true, false, stopping)...)
		}
	}
	for _, f := range s.plan.services {
		if f.source.Omega {
			all = append(all, serviceNotice(f, false))
		}
	}
	return all
}
