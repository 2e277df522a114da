package ipvsadm

import (
	"fmt"
	"strings"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// save prints the commands that make the services and servers there are. Like
// ipvsadm's, they say nothing of thresholds and timeouts.
func (i *Interpreter) save(out *strings.Builder, q *request) {
	names := i.namesFor(q)
	for _, s := range i.services(true) {
		service := serviceArgs(names, s.Config.Key)
		fmt.Fprintf(out, "-A %s -s %s%s\n", service, s.Config.Scheduler, serviceOptions(&s.Config))
		for _, r := range s.Servers {
			server := names.text(s.Config.Key.Proto, r.Config.Addr, r.Config.Port, serverWidth)
			fmt.Fprintf(out, "-a %s -r %s -g -w %d\n", service, server, r.Config.Weight)
		}
	}
}

// serviceArgs are the arguments that name a service.
func serviceArgs(names *Names, k dataplane.ServiceKey) string {
	option := "-t"
	switch {
	case k.Mark != 0 && k.IPv6:
		return fmt.Sprintf("-f %d -6", k.Mark)
	case k.Mark != 0:
		return fmt.Sprintf("-f %d", k.Mark)
	case k.Proto == frame.ProtoUDP:
		option = "-u"
	case k.Proto == frame.ProtoSCTP:
		option = "--sctp-service"
	}
	return option + " " + names.text(k.Proto, k.Addr, k.Port, serviceWidth)
}

// serviceOptions are the arguments behind the scheduler's.
func serviceOptions(c *dataplane.ServiceConfig) string {
	var s string
	if c.Persistence > 0 {
		s += fmt.Sprintf(" -p %d", c.Persistence/time.Second)
		if m := maskText(c.Mask); m != "" {
			s += " -M " + m
		}
	}
	if c.OnePacket {
		s += " -o"
	}
	if flags := c.Flags.Text(c.Scheduler); flags != "" {
		s += " -b " + flags
	}
	return s
}
