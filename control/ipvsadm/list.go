package ipvsadm

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
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
func (i *Interpreter) list(out *strings.Builder, q *request) error {
	switch {
	case q.given[connection]:
		i.listConns(out, q)
		return nil
	case q.given[timeout]:
		t := i.Director.Timeouts()
		fmt.Fprintf(out, "Timeout (tcp tcpfin udp): %d %d %d\n",
			t.TCP[conntrack.Established], t.TCP[conntrack.FinWait], t.UDP)
		return nil
	case q.given[daemon]:
		return nil // there is none
	}
	services := i.services(!q.given[noSort])
	if q.given[serviceAddress] {
		services = slices.DeleteFunc(services, func(s dataplane.ServiceStatus) bool { return s.Config.Key != q.service.Key })
		if len(services) == 0 {
			return &refusal{ExitList, dataplane.ErrNoService.Error()}
		}
	} else {
		fmt.Fprintf(out, "IP Virtual Server version 1.2.1 (size=%d)\n", tableSize)
	}
	l := lister{names: i.namesFor(q), counters: i.Counters, exact: q.given[exact]}
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

// services are all services, in the order of their keys: those of addresses
// before those by mark, IPv4 before IPv6. Their servers are in the order of their
// addresses, or, where they are not to be sorted, the newest first.
func (i *Interpreter) services(sorted bool) []dataplane.ServiceStatus {
	all := i.Director.Services()
	for _, s := range all {
		if sorted {
			slices.SortFunc(s.Servers, func(a, b dataplane.ServerStatus) int {
				return cmp.Or(slices.Compare(a.Config.Addr[:], b.Config.Addr[:]), cmp.Compare(a.Config.Port, b.Config.Port))
			})
		}
	}
	return all
}

// A lister knows how numbers and names are printed.
type lister struct {
	names    *Names
	counters *Estimator
	exact    bool
}

// service is a service as a line begins with it.
func (l *lister) service(k dataplane.ServiceKey) string {
	switch {
	case k.Mark != 0 && k.IPv6:
		return fmt.Sprintf("FWM  %d IPv6", k.Mark)
	case k.Mark != 0:
		return fmt.Sprintf("FWM  %d", k.Mark)
	}
	return fmt.Sprintf("%-4s %s", ProtoName(k.Proto), l.names.text(k.Proto, k.Addr, k.Port, serviceWidth))
}

// server is a server as a line begins with it.
func (l *lister) server(s *dataplane.ServiceStatus, r *dataplane.ServerStatus) string {
	return fmt.Sprintf("  -> %-28s", l.names.text(s.Config.Key.Proto, r.Config.Addr, r.Config.Port, serverWidth))
}

// traffic holds the counters and rates of a service, or of a server of it.
func (l *lister) traffic(c Counted, now dataplane.Traffic) (dataplane.Traffic, Rate) {
	if l.counters == nil {
		return now, Rate{}
	}
	return l.counters.Traffic(c), l.counters.Rate(c)
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
func Flags(c *dataplane.ServiceConfig) string {
	var words []string
	if flags := c.Flags.Text(c.Scheduler); flags != "" {
		words = append(words, "("+flags+")")
	}
	if c.Persistence > 0 {
		words = append(words, fmt.Sprintf("persistent %d", c.Persistence/time.Second))
		if m := maskText(c.Mask); m != "" {
			words = append(words, "mask "+m)
		}
	}
	if c.OnePacket {
		words = append(words, "ops")
	}
	return strings.Join(words, " ")
}

// maskText is a mask as it is printed, empty if it is the whole address.
func maskText(m frame.Addr) string {
	switch n, _ := net.IPMask(m[:]).Size(); {
	case m == (frame.Addr{}), n == 128:
		return ""
	case !m.Is4():
		return strconv.Itoa(n)
	case m.As4() == [4]byte{255, 255, 255, 255}:
		return ""
	}
	return m.String()
}
