package scenario

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// The sessions of ipvsadm were recorded with a kernel that also masquerades,
// tunnels and runs sync daemons. What a line has to do with those is left out of
// the comparison: commands with -m and -i and later ones about their servers, the
// lines of these in listings; where packets went to their services, what those
// have counted; and in timeouts-daemon the commands to daemons. These are the
// lines of the files that something is left out of.
var leftOut = map[string]string{
	"edit":              "8-11 13 15-21 23 25 27 29 31 33 35 37-39 52-53",
	"lists-connections": "11-14 16 18 20 23-30 32-35 37-38 40-44 49-51 53-55 58",
	"lists-empty":       "",
	"lists-full":        "11-14 16 18 20 23-41 51-61 70-85 94-101",
	"long-options":      "4-5 10-13 17-21 24 28",
	"names":             "3-4 9-15",
	"numbers":           "",
	"save-restore":      "11-14 16 18 20 23-24 27-31 51-52",
	"sorting":           "13-14 17-18 21-22 25-26 29-30 33-45",
	"stats":             "3 7-94 98 100-105 107-108 110 112-113 119-120 122",
	"timeouts-daemon":   "20 22-33 38-40 48 50-52",
	"tunnels":           "4-21 24-44",
	"wrong-servers":     "31 55 57 60 62 90 96-97 103-106",
	"wrong-syntax":      "",
}

// TestSessions plays the recorded sessions on the core, and through the control
// socket.
func TestSessions(t *testing.T) {
	files, err := filepath.Glob("../../control/ipvsadm/testdata/sessions/*.jsonl")
	if err != nil || len(files) != len(leftOut) {
		t.Fatalf("%d sessions, %v", len(files), err)
	}
	for _, through := range []struct {
		name string
		make func(*testing.T) func(api.Admin) api.Admin
	}{{"core", func(*testing.T) func(api.Admin) api.Admin { return func(a api.Admin) api.Admin { return a } }}, {"socket", throughSocket}} {
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".jsonl")
			t.Run(through.name+"/"+name, func(t *testing.T) {
				want, got := readFile(t, file), readFile(t, file)
				if err := PlayThrough(got, through.make(t)); err != nil {
					t.Fatal(err)
				}
				var left []int
				o := others{servers: map[[2]string]bool{}, clients: map[string]bool{}}
				for i, w := range want {
					why, diff := o.compare(w, got[i])
					if diff != "" {
						t.Errorf("line %d: %s", i+1, diff)
					}
					if why {
						left = append(left, i+1)
					}
				}
				if s := ranges(left); s != leftOut[name] {
					t.Errorf("something was left out of the lines %q, want %q", s, leftOut[name])
				}
			})
		}
	}
}

// ranges writes numbers that follow each other as 3-7.
func ranges(numbers []int) string {
	var all []string
	for i := 0; i < len(numbers); {
		first := numbers[i]
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		if last := numbers[i-1]; last > first {
			all = append(all, fmt.Sprintf("%d-%d", first, last))
		} else {
			all = append(all, fmt.Sprint(first))
		}
	}
	return strings.Join(all, " ")
}

// throughSocket makes a client of a director's control socket.
func throughSocket(t *testing.T) func(api.Admin) api.Admin {
	return func(a api.Admin) api.Admin {
		socket := filepath.Join(t.TempDir(), "sock")
		l, err := api.Listen(socket)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- api.Serve(ctx, l, api.Backend{Admin: a}) }()
		c := api.NewClient(socket)
		t.Cleanup(func() {
			c.Close()
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		return c
	}
}

// others have to do with servers that are not reached by Direct Routing.
type others struct {
	servers map[[2]string]bool // service and server, as they are listed without names
	clients map[string]bool    // whose packets went to services with such servers
}

// compare says how ours differs from what was recorded, and whether something
// was left out.
func (o *others) compare(want, got *Op) (left bool, diff string) {
	if want.Session == nil {
		return o.packet(want, got)
	}
	w, g := *want.Session, *got.Session
	args, text := strings.Fields(w.Cmd), w.Cmd+"\n"+w.Stdin
	for line := range strings.Lines(text) {
		left = o.note(strings.Fields(line)) || left
	}
	if left || aboutDaemon(&w) {
		if w.Exit == ipvsadmUsage && w != g {
			diff = fmt.Sprintf("%s: %+v, recorded %+v", w.Cmd, g, w)
		}
		return w != g, diff
	}
	if len(args) == 0 || strings.HasPrefix(args[0], "-L") || strings.HasPrefix(args[0], "-l") || strings.HasPrefix(args[0], "-S") || strings.HasPrefix(args[0], "--list") || strings.HasPrefix(args[0], "--save") {
		full := w.Stdout
		w.Stdout, g.Stdout = o.without(w.Stdout), o.without(g.Stdout)
		left = w.Stdout != full
		if slices.ContainsFunc([]string{"-Lnc", "-Lc", "-c", "--connection", "--nosort"}, func(s string) bool { return slices.Contains(args, s) }) {
			w.Stdout, g.Stdout = sortedText(w.Stdout), sortedText(g.Stdout)
		}
	}
	if w != g {
		diff = fmt.Sprintf("%s: exit code %d, %q\n%s\nrecorded: %d, %q\n%s", w.Cmd, g.Exit, g.Stderr, g.Stdout, w.Exit, w.Stderr, w.Stdout)
	}
	return left, diff
}

const ipvsadmUsage = 2

// note reads a command. It reports whether it is about a server that is not
// reached by Direct Routing, or was not before.
func (o *others) note(args []string) bool {
	var service, server string
	method := false
	for i, a := range args {
		next := ""
		if i+1 < len(args) {
			next = args[i+1]
		}
		switch a {
		case "-t", "--tcp-service":
			service = "TCP " + canonical(next, "")
		case "-u", "--udp-service":
			service = "UDP " + canonical(next, "")
		case "-f", "--fwmark-service":
			service = "FWM " + next + service
		case "-6":
			service += " IPv6"
		case "-r", "--real-server":
			server = next
		case "-i", "-m", "--ipip", "--masquerading":
			method = true
		}
	}
	if server == "" {
		return method
	}
	_, port, _ := strings.Cut(service, " ")
	if port = port[strings.LastIndex(port, ":")+1:]; strings.HasPrefix(service, "FWM") {
		port = "0"
	}
	key := [2]string{service, canonical(server, port)}
	if method {
		o.servers[key] = true
	}
	return o.servers[key]
}

// has reports whether a service has, or had, such servers.
func (o *others) has(service string) bool {
	for k := range o.servers {
		if k[0] == service {
			return true
		}
	}
	return false
}

// canonical is an address with its port, or with the one given, without names.
func canonical(s, port string) string {
	s = strings.NewReplacer("vip1", "10.0.0.1", "rs1", "10.2.0.11", "rs2", "10.2.0.12", ":https", ":443", ":http", ":80", ":www", ":80", ":domain", ":53").Replace(s)
	if a, err := netip.ParseAddr(s); err == nil && port != "" {
		return netip.MustParseAddrPort(netip.AddrPortFrom(a, 1).String()).Addr().String() + ":" + port
	}
	return s
}

// without leaves what has to do with those servers out of a listing.
func (o *others) without(text string) string {
	var b strings.Builder
	service := ""
	for line := range strings.Lines(text) {
		if words := strings.Fields(canonical(line, "")); !o.leaves(words, &service) {
			b.WriteString(line)
		}
	}
	return b.String()
}

// leaves reports whether a line of a listing is left out. service is the one that
// servers belong to.
func (o *others) leaves(words []string, service *string) bool {
	switch {
	case len(words) < 2:
		return false
	case len(words) == 6 && len(words[1]) == len("mm:ss") && words[1][2] == ':': // a connection
		client := words[3][:strings.LastIndex(words[3], ":")]
		return o.clients[client] || o.has(words[0]+" "+words[4])
	case slices.Contains([]string{"TCP", "UDP", "SCTP", "FWM"}, words[0]):
		*service = words[0] + " " + words[1]
		if len(words) > 2 && words[2] == "IPv6" {
			*service += " IPv6"
		}
		return o.packets() && o.has(*service)
	case words[0] == "->":
		return o.servers[[2]string{*service, words[1]}] || o.packets() && o.has(*service)
	case words[0] == "-a":
		k := others{servers: map[[2]string]bool{}}
		k.note(append(slices.Clone(words), "-m"))
		for key := range k.servers {
			return o.servers[key]
		}
	}
	return false
}

// packets reports whether packets went to such services: all counts of them are
// others then.
func (o *others) packets() bool { return len(o.clients) > 0 }

// packet compares what became of a packet.
func (o *others) packet(want, got *Op) (left bool, diff string) {
	if want.Op != "pkt" {
		return false, ""
	}
	service := fmt.Sprintf("%s %s", strings.ToUpper(want.Proto), netip.AddrPortFrom(want.Dst, want.DPort))
	if want.Mark != 0 {
		if service = fmt.Sprintf("FWM %d", want.Mark); want.Dst.Is6() {
			service += " IPv6"
		}
	}
	if o.has(service) {
		o.clients[want.Src.String()], o.clients["["+want.Src.String()+"]"] = true, true
		return true, ""
	}
	if want.To != got.To && !strings.HasPrefix(want.To, "proto:") { // that was not understood by the recorder
		diff = fmt.Sprintf("to %s, recorded %s", got.To, want.To)
	}
	return false, diff
}

// aboutDaemon reports whether a command has to do with a sync daemon that there
// is, or was to be.
func aboutDaemon(s *Session) bool {
	asked := strings.HasPrefix(s.Cmd, "--start-daemon") || strings.HasPrefix(s.Cmd, "--stop-daemon")
	return asked && (s.Exit == 0 || s.Exit == 255 && !strings.HasPrefix(s.Stderr, "Try")) || strings.Contains(s.Stdout, "sync daemon")
}

// sortedText sorts the services of a listing, with their servers, and the
// connections: the kernel lists them in the order of its hash tables.
func sortedText(text string) string {
	lines := strings.Split(text, "\n")
	return strings.Join(ordered(lines), "\n")
}
