package netlab

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"lvsdr/scheduler"
)

// ServicePort is the port of a Topology's service.
const ServicePort = 8080

// net6 is the network of the IPv6 lab.
var net6 = netip.MustParsePrefix("fd00:1::/64")

// A Topology is the shape of a lab and of its service as a user gives it: by
// flags, and by a file of the same words. NewTopology makes one.
type Topology struct {
	Clients, Servers, MTU  int   // MTU in bytes
	Directors              int   // 2: a pair with VRRP
	Weights                []int // of the real servers; nil: 3,2,1 for three, else 1 each
	Scheduler, Persistence string
	Method, Tunnel         string
	TwoArmed, Routed, IPv6 bool
	// File is the name of a file with the words that Flags has; may be empty.
	File string

	flags *pflag.FlagSet
}

// NewTopology makes a Topology of the default shape.
func NewTopology() *Topology {
	t := &Topology{flags: pflag.NewFlagSet("topology", pflag.ContinueOnError)}
	fl := t.flags
	fl.IntVar(&t.Clients, "clients", 1, "number of clients")
	fl.IntVar(&t.Directors, "directors", 1, "number of directors; 2: a pair, with VRRP")
	fl.IntVar(&t.Servers, "servers", 3, "number of real servers")
	fl.IntSliceVar(&t.Weights, "weights", nil, "weights of the real servers (default 3,2,1 for three, else 1 each)")
	fl.StringVar(&t.Scheduler, "scheduler", "wrr", "lb_algo of the service")
	fl.StringVar(&t.Persistence, "persistence", "0", "persistence_timeout of the service, in `SECONDS`; 0: off")
	fl.StringVar(&t.Method, "method", "dr", "how the director sends to the real servers: dr, nat or tun")
	fl.StringVar(&t.Tunnel, "tunnel", "ipip", "`KIND` of the tunnels of --method tun: ipip, gre or gue")
	fl.BoolVar(&t.TwoArmed, "two-armed", false, "put the real servers into a network of their own, with a second interface of the director")
	fl.BoolVar(&t.Routed, "routed", false, "put the clients into a network of their own, behind a router")
	fl.BoolVarP(&t.IPv6, "ipv6", "6", false, "use IPv6 addresses")
	fl.IntVar(&t.MTU, "mtu", 1500, "MTU of all interfaces, in bytes")
	return t
}

// Flags are the flags that set all fields but File.
func (t *Topology) Flags() *pflag.FlagSet { return t.flags }

// A UsageError is a mistake of the user: a shape, a host or a fault that cannot
// be.
type UsageError struct{ Err error }

// Error is that of Err.
func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e UsageError) Unwrap() error { return e.Err }

// Given are the names of the flags that were given, as --NAME.
func (t *Topology) Given() []string {
	var all []string
	t.flags.VisitAll(func(f *pflag.Flag) {
		if f.Changed {
			all = append(all, "--"+f.Name)
		}
	})
	if t.File != "" {
		all = append(all, "--topology")
	}
	return all
}

// Hosts are the names of the lab's hosts, as lab shell takes them. It is to be
// called after Complete.
func (t *Topology) Hosts() []string {
	all := []string{"client"}
	if t.Clients > 1 {
		all = numbered(all, "client", t.Clients)
	}
	all = append(all, FirstDirector)
	if t.Directors > 1 {
		all = append(all, SecondDirector)
	}
	all = numbered(all, "rs", t.Servers)
	if t.Spec().hasRouter() {
		all = append(all, "router")
	}
	return all
}

// numbered is all with name1 to nameN behind it.
func numbered(all []string, name string, n int) []string {
	for i := range n {
		all = append(all, name+strconv.Itoa(i+1))
	}
	return all
}

// Complete reads the file, fills in the defaults and checks that the values go
// together; an error is a UsageError. It is to be called before Spec and Service.
func (t *Topology) Complete() error {
	err := t.readFile()
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return UsageError{err}
	}
	return nil
}

func (t *Topology) readFile() error {
	if t.File == "" {
		return nil
	}
	f, err := os.Open(t.File)
	if err != nil {
		return fmt.Errorf("read the topology: %w", err)
	}
	defer f.Close()
	return t.read(t.File, f)
}

// maxTopologyLine bounds a line of a topology file, in bytes.
const maxTopologyLine = 1 << 12

// read reads the flags from a file: the name of one and its value, one a line;
// a flag that is only on or off needs no value. What follows a # is a comment.
// Flags of the command line override the file.
func (t *Topology) read(name string, r io.Reader) error {
	commanded := map[string]bool{}
	t.flags.VisitAll(func(f *pflag.Flag) { commanded[f.Name] = f.Changed })
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
		f := t.flags.Lookup(words[0])
		switch {
		case f == nil:
			return fmt.Errorf("%s:%d: %q: no such word; there are %s", name, n, words[0], t.words())
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
func (t *Topology) words() string {
	var all []string
	t.flags.VisitAll(func(f *pflag.Flag) { all = append(all, f.Name) })
	return strings.Join(all, ", ")
}

// Limits that keep a lab reasonable.
const (
	minMTU    = 576 // RFC 791: what every host must take
	minMTU6   = 1280
	maxMTU    = 65535
	maxWeight = 65535
)

// check fills in the defaults and finds values that do not go together.
func (t *Topology) check() error {
	if t.flags.Changed("weights") && !t.flags.Changed("servers") {
		t.Servers = len(t.Weights)
	}
	if t.Directors < 1 || t.Directors > 2 {
		return fmt.Errorf("--directors %d: 1 or 2", t.Directors)
	}
	if t.Servers < 1 || t.Clients < 1 {
		return fmt.Errorf("--servers %d, --clients %d: at least one of each", t.Servers, t.Clients)
	}
	if t.Weights == nil {
		t.Weights = slices.Repeat([]int{1}, min(t.Servers, 1<<10)) // Spec.Check says how many there may be
		if t.Servers == 3 {
			t.Weights = []int{3, 2, 1}
		}
	}
	least := minMTU
	if t.IPv6 {
		least = minMTU6
	}
	method, err := parseMethod(t.Method)
	switch {
	case err != nil:
		return err
	case method != TUN && t.flags.Changed("tunnel"):
		return fmt.Errorf("--tunnel is for --method tun")
	}
	seconds, err := strconv.ParseUint(t.Persistence, 10, 31)
	switch {
	case len(t.Weights) != t.Servers:
		return fmt.Errorf("--weights has %d values for %d servers", len(t.Weights), t.Servers)
	case slices.Max(t.Weights) < 1:
		return fmt.Errorf("--weights: no server has a weight above 0")
	case slices.Min(t.Weights) < 0 || slices.Max(t.Weights) > maxWeight:
		return fmt.Errorf("--weights: a weight is from 0 to %d", maxWeight)
	case !slices.Contains(Schedulers(), t.Scheduler):
		return fmt.Errorf("--scheduler %q: there are %s", t.Scheduler, strings.Join(Schedulers(), ", "))
	case err != nil || seconds > 31*86400:
		return fmt.Errorf("--persistence %q: a number of seconds up to 31 days; 0: off", t.Persistence)
	case t.MTU < least || t.MTU > maxMTU:
		return fmt.Errorf("--mtu %d: from %d to %d", t.MTU, least, maxMTU)
	}
	return t.Spec().Check()
}

// Spec is the shape of the lab.
func (t *Topology) Spec() Spec {
	method, _ := parseMethod(t.Method) // check has looked
	spec := Spec{Clients: t.Clients, Directors: t.Directors, TwoArmed: t.TwoArmed, Routed: t.Routed, MTU: t.MTU, Method: method, Tunnel: t.Tunnel}
	for _, w := range t.Weights {
		spec.Servers = append(spec.Servers, ServerSpec{Weight: w})
	}
	if t.IPv6 {
		spec.Net = net6
	}
	return spec
}

// Service is the lab's service.
func (t *Topology) Service() Service {
	return Service{Port: ServicePort, Scheduler: t.Scheduler, Persistence: t.Persistence}
}

// Schedulers are those that a lab's service may have.
func Schedulers() []string { return scheduler.Names() }
