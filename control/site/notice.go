package site

import (
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
}
