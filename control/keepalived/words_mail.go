package keepalived

import (
	"net"
	"strconv"
	"strings"
	"time"
)

// A Mail says where mails about changes go (smtp_server and the words around it).
type Mail struct {
	Server  string        // host:port; empty: there is none
	Helo    string        // this host's name there; empty: localhost
	Timeout time.Duration // of a conversation; 0: 30 s
	From    string
	To      []string
}

const defaultMailPort = "25"

// mailWords are the words of global_defs about mails.
func mailWords() []word {
	alert := func(name string, field func(*reader) **bool) word {
		return word{name: name, max: 1, soft: true, set: func(r *reader, n *Node) {
			if v, ok := r.boolArg(n); ok {
				*field(r) = &v
			}
		}}
	}
	return []word{
		{name: "notification_email", max: anyArgs, set: (*reader).setReceivers, block: &block{name: "notification_email", data: true}},
		{name: "notification_email_from", min: 1, max: 1, text: true, soft: true, set: func(r *reader, n *Node) { r.global.Mail.From = strings.Clone(n.Args[0]) }},
		{name: "smtp_server", min: 1, max: 2, set: (*reader).setMailServer},
		{name: "smtp_helo_name", min: 1, max: 1, text: true, soft: true, set: func(r *reader, n *Node) { r.global.Mail.Helo = strings.Clone(n.Args[0]) }},
		{name: "smtp_connect_timeout", min: 1, max: 1, set: func(r *reader, n *Node) {
			if v, ok := r.numberArg(n, 1, 4294); ok {
				r.global.Mail.Timeout = time.Duration(v) * time.Second
			}
		}},
		alert("smtp_alert", func(r *reader) **bool { return &r.alerts }),
		alert("smtp_alert_checker", func(r *reader) **bool { return &r.alertsOfChecks }),
		{name: "no_checker_emails", max: 1, soft: true, set: func(r *reader, n *Node) { r.boolArg(n) }},
	}
}

func (r *reader) setReceivers(n *Node) {
	for _, line := range n.Children {
		r.global.Mail.To = append(r.global.Mail.To, strings.Clone(line.Keyword))
	}
	if len(n.Children) == 0 {
		r.add(n, Warning, "has no address in it")
	}
}

func (r *reader) setMailServer(n *Node) {
	if err := isMailServer(n.Args); err != nil {
		r.add(n, Warning, "%v; the line is left out", err)
		return
	}
	port := defaultMailPort
	if len(n.Args) > 1 {
		v, err := parseNumber(n.Args[1], 1, 65535)
		if err != nil {
			r.add(n, Warning, "port: %v; the line is left out", err)
			return
		}
		port = strconv.Itoa(int(v))
	}
	r.global.Mail.Server = net.JoinHostPort(strings.Clone(n.Args[0]), port)
}

// alertWord is smtp_alert of a service or a real server.
func alertWord() []word {
	return []word{{name: "smtp_alert", max: 1, soft: true, set: inherited(func(t *tuning) **bool { return &t.alert })}}
}

// alert reports whether mails are sent about a service or server that has t. As with
// keepalived a server does not inherit that from its service, and where nothing says it
// servers have it and services have not.
func (r *reader) alert(t tuning, otherwise bool) bool {
	return or(first(first(t.alert, r.alertsOfChecks), r.alerts), otherwise)
}
