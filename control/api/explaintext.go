package api

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// WriteText writes what was explained for people.
func (x *Explained) WriteText(out io.Writer) error {
	w := newTable(out)
	from := HostPort(x.Client, x.ClientPort)
	if x.AnyPort {
		from = x.Client.String() + ", any port"
	}
	fmt.Fprintf(w, "%s from %s to %s, next packet: %s\n\n", strings.ToUpper(x.Protocol), from, HostPort(x.Address, x.Port), x.Packet)
	fmt.Fprintf(w, "service\t%s\n", x.serviceText())
	if x.AnyPort {
		fmt.Fprintln(w, "connection\tnot looked for: no client port was given, a new connection is explained")
	} else {
		fmt.Fprintf(w, "connection\t%s\n", x.Connection.connectionText())
	}
	if x.Service != nil {
		fmt.Fprintf(w, "template\t%s\n", x.templateText())
		state := "not asked"
		if x.Asked {
			state = x.Scheduler
		}
		fmt.Fprintf(w, "scheduler\t%s: %s\n", x.Service.Scheduler, state)
	}
	fmt.Fprintf(w, "decision\t%s (%s): %s\n", x.Verdict, x.Reason, x.Meaning)
	fmt.Fprintf(w, "server\t%s\n", x.Server.chosenText())
	if x.Anew != nil {
		to := "no server"
		if x.Anew.Server != nil {
			to = HostPort(x.Anew.Server.Address, x.Anew.Server.Port)
		}
		fmt.Fprintf(w, "\tthe connection is closing: a SYN from this port instead is %s (%s), to %s\n", x.Anew.Verdict, x.Anew.Reason, to)
	}
	if err := w.Flush(); err != nil || x.Service == nil {
		return err
	}
	return x.Service.writeCandidates(out)
}

// writeCandidates writes the servers among which a scheduler chooses.
func (s *Service) writeCandidates(out io.Writer) error {
	w := newTable(out)
	fmt.Fprint(w, "\nSERVER\tWEIGHT\tACTIVE\tINACTIVE\tPERSISTENT\tSTATE\n")
	for i := range s.Servers {
		r := &s.Servers[i]
		fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%s\n", HostPort(r.Address, r.Port), r.Effective, r.Active, r.Inactive, r.Persistent, r.StateText())
	}
	return w.Flush()
}

// serviceText says which service it is, or why there is none.
func (x *Explained) serviceText() string {
	switch s := x.Service; {
	case s != nil:
		return fmt.Sprintf("%s, %s%s, %s", s.ServiceKey, s.Scheduler, flagText(x.Flags), s.PersistenceText())
	case !x.OurVIP:
		return fmt.Sprintf("none: %s is not a virtual address of this director; its services: %s", x.Address, strings.Join(x.Elsewhere, ", "))
	case len(x.Elsewhere) == 0:
		return "none at all"
	}
	return fmt.Sprintf("none for %s port %d; on %s there are: %s", x.Protocol, x.Port, x.Address, strings.Join(x.Elsewhere, ", "))
}

func flagText(flags string) string {
	if flags == "" {
		return ""
	}
	return " (" + flags + ")"
}

func (c *Conn) connectionText() string {
	if c == nil {
		return "none known from this port"
	}
	return fmt.Sprintf("%s, to %s%s, ends in %s without another packet", c.State, c.Server, c.removedText(), secondsText(c.Expires))
}

func (c *Conn) removedText() string {
	if c.Removed {
		return " (removed from the service)"
	}
	return ""
}

func (x *Explained) templateText() string {
	switch t := x.Template; {
	case t != nil:
		return t.Client.String() + " " + t.bindingText()
	case x.Service.Persistence == 0:
		return "none: the service is not persistent"
	}
	return "none: the client is new to the service, or its time is up"
}

// bindingText is where a template leads its clients, and for how long.
func (c *Conn) bindingText() string {
	return fmt.Sprintf("goes to %s%s for %s more, %d connections use it", c.Server, c.removedText(), secondsText(c.Expires), c.Connections)
}

// secondsText is a time for people.
func secondsText(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

// chosenText is the server that a packet goes to; nil: none.
func (s *Server) chosenText() string {
	if s == nil {
		return "none"
	}
	mac := "MAC address " + s.MAC
	if s.MAC == "" {
		mac = "MAC address unknown"
	}
	return fmt.Sprintf("%s, weight %d, %d active, %d inactive; %s, by %s", HostPort(s.Address, s.Port), s.Effective, s.Active, s.Inactive, mac, s.Interface)
}
