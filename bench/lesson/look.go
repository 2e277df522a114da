package lesson

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

// A lessonShow is a lab in which a lesson is given.
type lessonShow struct {
	*netlab.Site
	report
	number int             // of the lesson
	pcap   string          // folder, may be empty
	proof  string          // lines: what the frames have shown so far
	stand  *netlab.Classic // in the director's place, may be nil
}

// What is wrong with a lesson that does not come out.
const (
	noProblem = "the problem does not show: "
	noHelp    = "the remedy does not help: "
)

// problem notes what proves that there is the problem, or that there is none.
func (s *lessonShow) problem(right bool, format string, args ...any) {
	s.note("Before: ", noProblem, right, format, args)
}

// remedied notes what proves that the remedy helped, or that it did not.
func (s *lessonShow) remedied(right bool, format string, args ...any) {
	s.note("After:  ", noHelp, right, format, args)
}

func (s *lessonShow) note(when, wrong string, right bool, format string, args []any) {
	text := fmt.Sprintf(format, args...)
	s.expect(right, "%s%s", wrong, strings.ReplaceAll(text, "\n", " "))
	if s.proof != "" {
		s.proof += "\n"
	}
	s.proof += when + strings.ReplaceAll(text, "\n", "\n        ") // as wide as when
}

// say writes text, and an empty line.
func (s *lessonShow) say(format string, args ...any) { fmt.Fprintf(s.out, format+"\n\n", args...) }

// A look is the capture of a lesson's requests.
type look struct {
	vip         netip.Addr
	first, last uint32 // the ports of the requests' connections
	tally       netlab.Tally
	packets     []netlab.Packet // on all hosts, in the order of time
}

// watch captures on all hosts, and on lo of some, while do runs. It keeps the
// captures, if they are to be kept, by that name.
func (s *lessonShow) watch(name string, do func(*look, netlab.Captures) error, lo ...*netlab.Node) (_ *look, err error) {
	captures, err := s.CaptureAll(netlab.CaptureConfig{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, captures.Stop()) }()
	for _, n := range lo {
		one, err := n.Capture(netlab.Loopback, netlab.CaptureConfig{})
		if err != nil {
			return nil, err
		}
		captures = append(captures, one)
	}
	l := &look{vip: s.Spec.VIP, first: s.LastPort() + 1}
	if err := do(l, captures); err != nil {
		return nil, err
	}
	l.last = s.LastPort()
	for _, f := range captures.Frames() {
		l.packets = append(l.packets, netlab.PacketOf(f))
	}
	s.expect(captures.Lost() == 0, "%d frames were not captured", captures.Lost())
	if s.pcap == "" {
		return l, nil
	}
	return l, captures.Keep(filepath.Join(s.pcap, fmt.Sprintf("lesson%d", s.number), name), s.Comment)
}

// lessonRequests is how many requests a lesson makes to show shares.
const lessonRequests = 60

// requests watches requests of from, one after the other, until one is not
// answered.
func (s *lessonShow) requests(ctx context.Context, name string, from *netlab.Node) (*look, error) {
	return s.watch(name, func(l *look, _ netlab.Captures) error {
		l.tally.ByServer = map[string]int{}
		for l.tally.Total() < lessonRequests && l.tally.Errors == 0 {
			l.tally.Add(netlab.Get(ctx, s.Client(from), s.URL, 1, 1))
		}
		return ctx.Err()
	}, from)
}

// client is the client's port of a packet of one of the look's connections, 0 of
// any other.
func (l *look) client(p *netlab.Packet) uint16 {
	n := p.SrcPort
	if n == netlab.ServicePort {
		n = p.DstPort
	}
	if p.Proto != frame.ProtoTCP || uint32(n) < l.first || uint32(n) > l.last {
		return 0
	}
	return n
}

// connections are the clients' ports of those connections of which a packet is
// as wanted, in their order.
func (l *look) connections(wanted func(p *netlab.Packet) bool) []uint16 {
	var all []uint16
	for i := range l.packets {
		p := &l.packets[i]
		if n := l.client(p); n != 0 && wanted(p) && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// servedBy are the connections that a real server accepted: its SYN ACK as the
// VIP was seen where it was sent.
func (l *look) servedBy(n *netlab.Node) []uint16 {
	return l.connections(func(p *netlab.Packet) bool {
		return p.Host == n.Name() && p.Outgoing && p.IsFrom(l.vip) && p.SrcPort == netlab.ServicePort && p.TCP(frame.SYN|frame.ACK)
	})
}

// begun are the connections whose SYN to the VIP left a host by its interface to
// the network, from these addresses.
func (l *look) begun(at *netlab.Node, from netip.Addr, to *netlab.Node) []uint16 {
	return l.connections(func(p *netlab.Packet) bool {
		return leaves(p, at) && p.IsTo(l.vip) && p.IsFrom(from) && p.TCP(frame.SYN) && (to == nil || p.To() == frame.MAC(to.MAC))
	})
}

// leaves reports whether p was seen where it leaves n for the network.
func leaves(p *netlab.Packet, n *netlab.Node) bool {
	return p.Host == n.Name() && p.Ifname == netlab.Ifname && p.Outgoing
}

// find are the packets as wanted. What a host sends to itself is seen twice on
// lo, and taken once.
func (l *look) find(wanted func(p *netlab.Packet) bool) []netlab.Packet {
	var all []netlab.Packet
	for i := range l.packets {
		if p := &l.packets[i]; (p.Ifname != netlab.Loopback || p.Outgoing) && wanted(p) {
			all = append(all, *p)
		}
	}
	return all
}

// handshake are the SYNs and SYN ACKs of a connection, wherever they were seen.
func (l *look) handshake(port uint16) []netlab.Packet {
	return l.find(func(p *netlab.Packet) bool { return l.client(p) == port && p.Flags&frame.SYN != 0 })
}

// pings are the echo requests and replies.
func (l *look) pings() []netlab.Packet {
	return l.find(func(p *netlab.Packet) bool {
		text := p.What()
		return text == "ICMP echo request" || text == "ICMP echo reply"
	})
}

// print prints packets with these columns, and an empty line.
func (s *lessonShow) print(packets []netlab.Packet, columns ...string) error {
	if err := s.WritePackets(s.out, s.width, packets, columns...); err != nil {
		return err
	}
	fmt.Fprintln(s.out)
	return nil
}

// widest is how wide the output of commands is at most, in characters.
const widest = 96

// fold breaks lines that are too wide for width columns between two words; 0: no
// screen.
func fold(text string, width int) string {
	if width == 0 {
		width = widest
	}
	width = min(width, widest)
	var b strings.Builder
	for line := range strings.Lines(text) {
		for len(line) > width+1 {
			at := strings.LastIndexByte(line[:width], ' ')
			if strings.TrimSpace(line[:max(at, 0)]) == "" {
				break // one word
			}
			b.WriteString(line[:at] + "\n")
			line = "      " + line[at+1:]
		}
		b.WriteString(line)
	}
	return b.String()
}

// shares shows how many of the connections each real server accepted.
func (s *lessonShow) shares(who string, l *look) {
	total := l.tally.Total()
	fmt.Fprintf(s.out, "%d requests from %s\n", total, who)
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	for _, n := range s.Servers {
		got := len(l.servedBy(n))
		fmt.Fprintf(w, "  %s\tweight %d\t%s %2d of %d\n", n.Name(), n.Weight, s.bar(got, total), got, total)
	}
	_ = w.Flush() // as for the lines around: the reader has gone
	fmt.Fprintln(s.out)
}

// byShares is the same in words: rs1 30, rs2 20, rs3 10.
func (s *lessonShow) byShares(l *look) string {
	text := ""
	for i, n := range s.Servers {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", n.Name(), len(l.servedBy(n)))
	}
	return text
}

// balanced reports whether all requests were answered, and each connection was
// accepted by one real server, in shares as the weights: but for the first pass
// of wrr, and the one that is under way.
func (s *lessonShow) balanced(l *look) bool {
	total, weights, served := l.tally.Total(), 0, 0
	for _, n := range s.Servers {
		weights += n.Weight
	}
	fair := true
	for _, n := range s.Servers {
		got, want := len(l.servedBy(n)), total*n.Weight/weights
		served += got
		fair = fair && got > 0 && got-want <= weights && want-got <= weights
	}
	return fair && l.tally.Errors == 0 && served == total
}

// allBy is the real server that accepted all connections; nil: there is none, or
// not all requests were answered.
func (s *lessonShow) allBy(l *look) *netlab.Node {
	total, served := l.tally.Total(), 0
	var all *netlab.Node
	for _, n := range s.Servers {
		got := len(l.servedBy(n))
		served += got
		if got == total {
			all = n
		}
	}
	if served != total || total == 0 || l.tally.Errors > 0 {
		return nil
	}
	return all
}

// services shows the part of lvsdr status that is about the service, without
// some of its columns, and gives its number of connections.
func (s *lessonShow) services(ctx context.Context) (connections uint64, templates int, err error) {
	st, err := s.Running.Status(ctx)
	if err != nil {
		return 0, 0, err
	}
	fmt.Fprintf(s.out, "director# lvsdr status        (in part)\n")
	for _, v := range st.Services {
		fmt.Fprintf(s.out, "%s on %s, %s, %s: %d connections\n",
			v.ServiceKey, v.Interface, v.Scheduler, v.PersistenceText(), v.Traffic.Conns)
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprint(w, "  SERVER\tWEIGHT\tMAC\tPERSISTENT\tCONNECTIONS\tSTATE\n")
		for _, r := range v.Servers {
			templates += r.Persistent
			fmt.Fprintf(w, "  %s\t%d\t%s\t%d\t%d\t%s\n", api.HostPort(r.Address, r.Port), r.Weight, r.MAC, r.Persistent, r.Traffic.Conns, r.StateText())
		}
		if err := w.Flush(); err != nil {
			return 0, 0, err
		}
		connections += v.Traffic.Conns
	}
	fmt.Fprintln(s.out)
	return connections, templates, nil
}
