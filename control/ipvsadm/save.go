package ipvsadm

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"lvsdr/control/api"
)

// save prints the commands that make the services and servers there are. Like
// ipvsadm's, they say nothing of thresholds and timeouts.
func (i *Interpreter) save(ctx context.Context, out *strings.Builder, q *request) error {
	names := i.namesFor(q)
	services, err := i.services(ctx, q)
	for k := range services {
		s := &services[k]
		service := serviceArgs(names, &s.ServiceKey)
		fmt.Fprintf(out, "-A %s -s %s%s\n", service, s.Scheduler, serviceOptions(&s.ServiceConfig))
		for j := range s.Servers {
			r := &s.Servers[j]
			server := names.text(s.Protocol, r.Address, r.Port, serverWidth)
			fmt.Fprintf(out, "-a %s -r %s %s -w %d%s\n", service, server, methodOption(r.Method), r.Effective, encapOptions(r.Encap))
		}
	}
	return err
}

// methodOption is the option of a forwarding method.
func methodOption(method string) string {
	switch method {
	case api.Tunnel:
		return "-i"
	case api.Masquerade:
		return "-m"
	}
	return "-g"
}

// encapOptions are the options of a tunnel.
func encapOptions(e api.Encap) string {
	switch s := " --tun-type " + e.Kind; e.Kind {
	case "":
		return ""
	case "ipip":
		return s
	case "gue":
		return s + fmt.Sprintf(" --tun-port %d --tun-%s", e.Port, cmp.Or(e.Checksum, "nocsum"))
	default:
		return s + " --tun-" + cmp.Or(e.Checksum, "nocsum")
	}
}

// serviceArgs are the arguments that name a service.
func serviceArgs(names *Names, k *api.ServiceKey) string {
	option := "-t"
	switch {
	case k.FWMark != 0 && k.IPv6:
		return fmt.Sprintf("-f %d -6", int32(k.FWMark))
	case k.FWMark != 0:
		return fmt.Sprintf("-f %d", int32(k.FWMark))
	case k.Protocol == "udp":
		option = "-u"
	case k.Protocol == "sctp":
		option = "--sctp-service"
	}
	return option + " " + names.text(k.Protocol, k.Address, k.Port, serviceWidth)
}

// serviceOptions are the arguments behind the scheduler's.
func serviceOptions(c *api.ServiceConfig) string {
	var s string
	if c.Persistence > 0 {
		s += fmt.Sprintf(" -p %d", c.Persistence)
		if m := maskText(c.Netmask); m != "" {
			s += " -M " + m
		}
	}
	if c.OnePacket {
		s += " -o"
	}
	if c.Flags != "" {
		s += " -b " + schedulerFlags(c)
	}
	return s
}
