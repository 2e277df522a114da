package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lvsdr/bench/netlab"
	"lvsdr/scheduler"
)

// labPort is the port of the lab's service.
const labPort = 8080

// net6 is the network of the IPv6 lab.
var net6 = netip.MustParsePrefix("fd00:1::/64")

// A labSpec is the shape of a lab and of its service, from flags and a file. The
// values are those of the flags.
type labSpec struct {
	clients, servers, mtu  int
	weights                []int
	scheduler, persistence string
	twoArmed, routed, ipv6 bool

	flags    *pflag.FlagSet // those above
	topology string         // name of the file, may be empty
}

// labFlags adds the flags of a labSpec to cmd. Its complete must be called
// before it is used.
func labFlags(cmd *cobra.Command) *labSpec {
	s := newLabSpec()
	fl := cmd.Flags()
	fl.AddFlagSet(s.flags)
	fl.StringVar(&s.topology, "topology", "", "read these flags from `FILE`, one a line without dashes, as in: clients 2")
	return s
}

// newLabSpec makes a labSpec with its flags.
func newLabSpec() *labSpec {
	s := &labSpec{flags: pflag.NewFlagSet("topology", pflag.ContinueOnError)}
	fl := s.flags
	fl.IntVar(&s.clients, "clients", 1, "number of clients")
	fl.IntVar(&s.servers, "servers", 3, "number of real servers")
	fl.IntSliceVar(&s.weights, "weights", nil, "weights of the real servers (default 3,2,1 for three, else 1 each)")
	fl.StringVar(&s.scheduler, "scheduler", "wrr", "lb_algo of the service")
	fl.StringVar(&s.persistence, "persistence", "0", "persistence_timeout of the service, in `SECONDS`; 0: off")
	fl.BoolVar(&s.twoArmed, "two-armed", false, "put the real servers into a network of their own, with a second interface of the director")
	fl.BoolVar(&s.routed, "routed", false, "put the clients into a network of their own, behind a router")
	fl.BoolVarP(&s.ipv6, "ipv6", "6", false, "use IPv6 addresses")
	fl.IntVar(&s.mtu, "mtu", 1500, "MTU of all interfaces, in bytes")
	return s
}

// given are the names of the flags that were given, as --NAME.
func (s *labSpec) given() []string {
	var all []string
	s.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			all = append(all, "--"+f.Name)
		}
	})
	if s.topology != "" {
		all = append(all, "--topology")
	}
	return all
}

// complete reads the file, fills in the defaults and checks that the values go
// together. An error is the user's.
func (s *labSpec) complete() error {
	if s.topology != "" {
		f, err := os.Open(s.topology)
		if err != nil {
			return exitError{usageCode, fmt.Errorf("read the topology: %w", err)}
		}
		defer f.Close()
		if err := s.read(s.topology, f); err != nil {
			return exitError{usageCode, err}
		}
	}
	if err := s.check(); err != nil {
		return exitError{usageCode, err}
	}
	return nil
}

// maxTopologyLine bounds a line of a topology file, in bytes.
const maxTopologyLine = 1 << 12

// read reads the flags from a file: the name of one and its value, one a line;
// a flag that is only on or off needs no value. What follows a # is a comment.
// Flags of the command line hold against the file.
func (s *labSpec) read(name string, r io.Reader) error {
	commanded := map[string]bool{}
	s.flags.VisitAll(func(f *pflag.Flag) { commanded[f.Name] = f.Changed })
	first := map[string]int{} // lines
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTopologyLine)
	n := 1
	for ; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		f := s.flags.Lookup(words[0])
		switch {
		case f == nil:
			return fmt.Errorf("%s:%d: %q: no such word; there are %s", name, n, words[0], s.words())
		case first[f.Name] > 0:
			return fmt.Errorf("%s:%d: %q: given before, in line %d", name, n, words[0], first[f.Name])
		case len(words) > 2:
			return fmt.Errorf("%s:%d: %q: one word too many", name, n, words[2])
		case len(words) == 1 && f.NoOptDefVal == "":
			return fmt.Errorf("%s:%d: %q: no value", name, n, words[0])
		}
		first[f.Name] = n
		if commanded[f.Name] {
			continue
		}
		value := f.NoOptDefVal
		if len(words) == 2 {
			value = words[1]
		}
		if err := f.Value.Set(value); err != nil {
			return fmt.Errorf("%s:%d: %q: not a value of %s: %w", name, n, value, words[0], err)
		}
		f.Changed = true
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, n, err)
	}
	return nil
}

// words are the flags' names.
func (s *labSpec) words() string {
	var all []string
	s.flags.VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	return strings.Join(all, ", ")
}

// Limits that keep a lab and its show reasonable.
const (
	minMTU    = 576 // RFC 791: what every host must take
	minMTU6   = 1280
	maxMTU    = 65535
	maxWeight = 65535
)

// check fills in the defaults and finds values that do not go together.
func (s *labSpec) check() error {
	if s.flags.Changed("weights") && !s.flags.Changed("servers") {
		s.servers = len(s.weights)
	}
	if s.servers < 1 || s.clients < 1 {
		return fmt.Errorf("--servers %d, --clients %d: at least one of each", s.servers, s.clients)
	}
	if s.weights == nil {
		s.weights = slices.Repeat([]int{1}, min(s.servers, 1<<10)) // netlab says how many there may be
		if s.servers == 3 {
			s.weights = []int{3, 2, 1}
		}
	}
	least := minMTU
	if s.ipv6 {
		least = minMTU6
	}
	seconds, err := strconv.ParseUint(s.persistence, 10, 31)
	switch {
	case len(s.weights) != s.servers:
		return fmt.Errorf("--weights has %d values for %d servers", len(s.weights), s.servers)
	case slices.Max(s.weights) < 1:
		return fmt.Errorf("--weights: no server has a weight above 0")
	case slices.Min(s.weights) < 0 || slices.Max(s.weights) > maxWeight:
		return fmt.Errorf("--weights: a weight is from 0 to %d", maxWeight)
	case !slices.Contains(scheduler.Names(), s.scheduler):
		return fmt.Errorf("--scheduler %q: there are %s", s.scheduler, strings.Join(scheduler.Names(), ", "))
	case err != nil || seconds > 31*86400:
		return fmt.Errorf("--persistence %q: a number of seconds up to 31 days; 0: off", s.persistence)
	case s.mtu < least || s.mtu > maxMTU:
		return fmt.Errorf("--mtu %d: from %d to %d", s.mtu, least, maxMTU)
	}
	return s.spec().Check()
}

// spec is the shape of the lab.
func (s *labSpec) spec() netlab.Spec {
	spec := netlab.Spec{Clients: s.clients, TwoArmed: s.twoArmed, Routed: s.routed, MTU: s.mtu}
	for _, w := range s.weights {
		spec.Servers = append(spec.Servers, netlab.ServerSpec{Weight: w})
	}
	if s.ipv6 {
		spec.Net = net6
	}
	return spec
}

// service is the lab's service.
func (s *labSpec) service() netlab.Service {
	return netlab.Service{Port: labPort, Scheduler: s.scheduler, Persistence: s.persistence}
}
