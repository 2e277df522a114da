package ipvsadm

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/control/api"
)

// tableSize is the number of buckets that the first line of a listing tells.
// The kernel's default is told, because our table grows by itself.
const tableSize = 4096

// namesFor are the names to list by: none with -n.
func (i *Interpreter) namesFor(q *request) *Names {
	if q.given[numeric] {
		return &Names{}
	}
	return &i.Names
}

// list prints what -L asks for.
func (i *Interpreter) list(ctx context.Context, out *strings.Builder, q *request) error {
	switch {
	case q.given[connection]:
		return i.listConns(ctx, out, q)
	case q.given[timeout]:
		t, err := i.Admin.Timeouts(ctx)
		if err == nil {
			fmt.Fprintf(out, "Timeout (tcp tcpfin udp): %d %d %d\n", t.TCP, t.TCPFin, t.UDP)
		}
		return err
	case q.given[daemon]:
		return i.listDaemons(ctx, out)
	}
	services, err := i.services(ctx, q)
	if err != nil {
		return err
	}
	if !q.given[serviceAddress] {
		fmt.Fprintf(out, "IP Virtual Server version 1.2.1 (size=%d)\n", tableSize)
	}
	l := lister{names: i.namesFor(q), exact: q.given[exact]}
	c := columnsFor(q)
	out.WriteString(c.header)
	for k := range services {
		s := &services[k]
		out.WriteString(c.service(&l, s))
		for j := range s.Servers {
			out.WriteString(c.server(&l, s, &s.Servers[j]))
		}
	}
	return nil
}

// listDaemons prints the daemons of connection sync that run.
func (i *Interpreter) listDaemons(ctx context.Context, out *strings.Builder) error {
	all, err := i.Admin.Daemons(ctx)
	for _, d := range all {
		fmt.Fprintf(out, "%s sync daemon (mcast=%s, syncid=%d, maxlen=%d, group=%s, port=%d, ttl=%d)\n",
			d.Role, d.Interface, d.SyncID, d.MaxLen, d.Group, d.Port, d.TTL)
	}
	return err
}

// services are the services that a listing is of, with their servers; with
// --nosort they are as the director gives them, the servers newest first.
func (i *Interpreter) services(ctx context.Context, q *request) ([]api.Service, error) {
	var keys []api.ServiceKey
	if q.given[serviceAddress] {
		keys = append(keys, q.service.ServiceKey)
	}
	var all []api.Service
	for s, err := range i.Admin.Services(ctx, keys...) {
		switch {
		case errors.Is(err, api.ErrNoService):
			return nil, &refusal{ExitList, err.Error()}
		case err != nil:
			return nil, err
		}
		if !q.given[noSort] {
			mergeSort(s.Servers, compareServers)
		}
		all = append(all, s)
	}
	if !q.given[noSort] {
		mergeSort(all, compareServices)
	}
	return all, nil
}

// A lister knows how numbers and names are printed.
type lister struct {
	names *Names
	exact bool
}

// service is the start of the lines of a service.
func (l *lister) service(k *api.ServiceKey) string {
	switch {
	case k.FWMark != 0 && k.IPv6:
		return fmt.Sprintf("FWM  %d IPv6", int32(k.FWMark))
	case k.FWMark != 0:
		return fmt.Sprintf("FWM  %d", int32(k.FWMark))
	}
	return fmt.Sprintf("%-4s %s", protoName(k.Protocol), l.names.text(k.Protocol, k.Address, k.Port, serviceWidth))
}

// server is the start of the lines of a server.
func (l *lister) server(s *api.Service, r *api.Server) string {
	return fmt.Sprintf("  -> %-28s", l.names.text(s.Protocol, r.Address, r.Port, serverWidth))
}

// number is a number nine wide: one that would not fit is shortened, unless it
// is to be exact.
func (l *lister) number(n uint64) string {
	switch {
	case l.exact || n < 1e8:
		return fmt.Sprintf(" %8d", n)
	case n < 1e9:
		return fmt.Sprintf("%8dK", n/1e3)
	case n < 1e11:
		return fmt.Sprintf("%8dM", n/1e6)
	case n < 1e14:
		return fmt.Sprintf("%8dG", n/1e9)
	}
	return fmt.Sprintf("%8dT", n/1e12)
}

// Flags returns the text of a listing after a service's scheduler: the
// scheduler's flags, persistence and one-packet scheduling.
func Flags(c *api.ServiceConfig) string {
	var words []string
	if c.Flags != "" {
		words = append(words, "("+schedulerFlags(c)+")")
	}
	if c.Persistence > 0 {
		words = append(words, fmt.Sprintf("persistent %d", c.Persistence))
		if m := maskText(c.Netmask); m != "" {
			words = append(words, "mask "+m)
		}
	}
	if c.OnePacket {
		words = append(words, "ops")
	}
	return strings.Join(words, " ")
}

// schedulerFlags are the flags that a listing names: sh and mh have no name for
// the third one.
func schedulerFlags(c *api.ServiceConfig) string {
	if c.Scheduler != "sh" && c.Scheduler != "mh" {
		return c.Flags
	}
	return strings.TrimSuffix(strings.TrimSuffix(c.Flags, "flag-3"), ",")
}

// maskText is a mask as it is printed, empty if it is the whole address.
func maskText(m netip.Addr) string {
	switch n, bits := net.IPMask(m.AsSlice()).Size(); {
	case !m.IsValid(), n == bits && bits > 0:
		return ""
	case m.Is6():
		return strconv.Itoa(n)
	}
	return m.String()
}
