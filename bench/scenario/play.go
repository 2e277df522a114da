package scenario

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/control/ipvsadm"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// Limits of what a scenario may ask for.
const (
	tableLimit = 1 << 16
	maxSleepMs = int64(400 * 24 * time.Hour / time.Millisecond)
)

// sumInterval is how often the kernel of the recordings sums up its counters: two
// seconds of 100 jiffies, for which its timers take the next multiple of eight.
const sumInterval = 2080e6 // ns

// The director's side of the frames of a scenario.
var (
	directorMAC = frame.MAC{2, 0, 0, 0, 0, 1}
	clientMAC   = frame.MAC{2, 0, 0, 0, 0, 2}
)

const (
	clientSide  = 1 // interface indexes
	serversSide = 2
)

// A player is a director on a virtual clock.
type player struct {
	d       *dataplane.Director
	scratch *dataplane.Scratch
	batch   *dataplane.Batch
	now     int64 // ns
	link    dataplane.Link
	// servers names the MAC addresses given to real servers.
	servers  map[frame.MAC]netip.Addr
	director *director.Director // with the counters as of the last even second
	adm      ipvsadm.Interpreter
	named    ipvsadm.Interpreter // the same, for sessions: it knows the machine's names
	ids      uint16              // of IP packets
	sync     syncDaemons
	origins  bool // conns say who made an entry
	forward  bool // the host routes
	detail   bool // what left is noted
	tunPorts map[uint16]bool
	own      map[frame.Addr]bool // the host's addresses
	kernel   Kernel              // nil: the director sees all frames
}

// Play plays ops from their start and fills in the results, in place of whatever
// results they had. The error names the first line (an *OpError) that asks for
// what cannot be played.
func Play(ops []*Op) error { return PlayThrough(ops, func(a api.Admin) api.Admin { return a }) }

// PlayThrough is Play with an ipvsadm that does not reach the director itself,
// but what through makes of it, such as a client of its control socket.
func PlayThrough(ops []*Op, through func(api.Admin) api.Admin) error {
	return playWith(ops, through, func(*dataplane.Director) Kernel { return nil })
}

// playWith is PlayThrough with a Kernel beside the director, or nil.
func playWith(ops []*Op, through func(api.Admin) api.Admin, beside func(*dataplane.Director) Kernel) error {
	if len(ops) == 0 {
		return errors.New("play: an empty scenario")
	}
	d, err := dataplane.New(dataplane.Config{
		Conns:    conntrack.Config{Limit: tableLimit},
		Tunables: dataplane.DefaultTunables(),
		Limits:   dataplane.Limits{Resets: 1e9, ICMP: 1e9, Echoes: 1e9, Source: 1e9},
	})
	if err != nil {
		return err
	}
	p := &player{d: d, scratch: d.NewScratch(0), batch: dataplane.NewBatch(), servers: map[frame.MAC]netip.Addr{}}
	p.director = director.New(d, func() int64 { return p.now })
	p.director.Devices = syncNetwork(ops[0])
	p.origins, p.forward, p.detail, p.tunPorts = ops[0].Sync, ops[0].Forward, ops[0].Detail, tunPorts(ops)
	p.adm = ipvsadm.Interpreter{Admin: through(p.director), Name: "/sbin/ipvsadm"}
	p.named = p.adm
	p.named.Names = machineNames()
	p.link = dataplane.Link{Index: serversSide, MAC: directorMAC, MTU: 1500}
	if m := ops[0].RSMTU; m != 0 {
		p.link.MTU = m
	}
	own := vips(ops)
	d.SetVIPs(own)
	p.d.SetInterfaces([]dataplane.Interface{
		{Index: clientSide, MAC: directorMAC, MTU: 1500, Own4: frame.AddrFrom(ownAddr)},
		{Index: serversSide, MAC: directorMAC, MTU: p.link.MTU, Own4: frame.AddrFrom(ownServer4), Own6: frame.AddrFrom(ownServer6)},
	})
	p.own = map[frame.Addr]bool{frame.AddrFrom(ownAddr): true, frame.AddrFrom(ownServer4): true, frame.AddrFrom(ownServer6): true}
	for _, a := range own {
		p.own[a] = true
	}
	p.kernel = beside(d)
	for i, op := range ops {
		op.TMs = p.now / 1e6
		if err := p.play(op); err != nil {
			return &OpError{i + 1, op.Op, err}
		}
		p.gather()
		if p.kernel != nil {
			p.kernel.Tick(p.now)
		}
	}
	return nil
}

// syncNetwork are the interfaces for daemons of connection sync: s0, where a scenario has
// it.
func syncNetwork(header *Op) func(name string) (mtu int) {
	return func(name string) int {
		if header.Sync && name == "s0" {
			return 1500
		}
		return 0
	}
}

// An OpError is an operation that cannot be played.
type OpError struct {
	N   int // which operation, from 1
	Op  string
	Err error
}

// Error names the operation and what is wrong.
func (e *OpError) Error() string { return fmt.Sprintf("operation %d (%s): %v", e.N, e.Op, e.Err) }

// Unwrap returns the cause.
func (e *OpError) Unwrap() error { return e.Err }

// vips are the addresses the director owns in a scenario: all that packets go
// to and all of services.
func vips(ops []*Op) []frame.Addr {
	var all []frame.Addr
	for _, op := range ops {
		if op.Dst.IsValid() && op.From == "" {
			all = append(all, frame.AddrFrom(op.Dst))
		}
		if op.Svc != nil && op.Svc.VIP.IsValid() {
			all = append(all, frame.AddrFrom(op.Svc.VIP))
		}
	}
	return all
}

func (p *player) play(op *Op) error {
	switch op.Op {
	case "scenario":
		p.playAs(op.Kernel)
		op.Source, op.Frames = nil, nil
	case "note":
	case "sysctl":
		op.Err = ""
		return p.sysctl(op)
	case "timeouts":
		p.d.SetTimeouts(op.TCP, op.TCPFin, op.UDP)
	case "add-service", "edit-service", "del-service", "add-server", "edit-server", "del-server":
		return p.admin(op)
	case "pkt":
		return p.packet(op)
	case "sleep":
		return p.sleep(op.Ms)
	case "conns":
		op.Conns = p.conns()
		n := len(op.Conns)
		op.NConns = &n
	case "services":
		op.Services = p.services(op.WithStats)
	case "":
		p.session(op)
	case "ipvsadm":
		r := p.command(&p.adm, strings.Fields(op.IPVSAdm), "")
		op.Exit, op.Err = r.Exit, strings.TrimSuffix(r.Err, "\n")
		op.Text = strings.Split(strings.TrimSuffix(r.Out, "\n"), "\n")
		p.followDaemons()
	case "sync-read":
		op.Msgs, p.sync.sent = p.sync.sent, nil
	case "sync-send":
		return p.receive(op.Hex)
	default:
		return errors.New("no such operation")
	}
	return nil
}

// playAs makes the director do as the named kernel does, such as "Linux
// 6.12.117", where kernels differ. Without a name that is understood it is the
// kernel of the recordings, 6.1.
func (p *player) playAs(kernel string) {
	major, minor := 6, 1
	if _, err := fmt.Sscanf(kernel, "Linux %d.%d", &major, &minor); err != nil {
		major, minor = 6, 1
	}
	t := p.d.Tunables()
	t.LateThresholds = major < 6 || major == 6 && minor < 12
	p.d.SetTunables(t)
}

// sleep lets time pass, with the counters summed up in between. After a while
// without packets sums and rates no longer change, and what is left is skipped.
func (p *player) sleep(ms int64) error {
	if ms < 0 || ms > maxSleepMs || p.now/1e6+ms > maxSleepMs {
		return fmt.Errorf("%d ms is negative, or the scenario is longer than %d days", ms, maxSleepMs/86400000)
	}
	const settled = 200 // sums after which no average is left
	end := p.now + ms*1e6
	for n := 0; n < settled; n++ {
		sum := p.now - p.now%sumInterval + sumInterval
		if sum > end {
			break
		}
		p.pass(sum)
		p.director.Tick()
	}
	p.pass(end)
	return nil
}

// pass goes from one expiry to the next, so that nothing ends late.
func (p *player) pass(end int64) {
	for {
		next, ok := p.d.NextExpiry(p.now)
		if !ok || next > end {
			break
		}
		p.now = next
		p.d.Sweep(p.now, p.d.Chunks())
		p.gather()
	}
	p.now = end
	p.d.Sweep(p.now, p.d.Chunks())
}

// packet sends one packet, as one or two frames, and says what became of it.
func (p *player) packet(op *Op) error {
	p.ids++
	id := cmp.Or(op.ID, p.ids)
	frames, err := op.frames(id)
	if err != nil {
		return err
	}
	op.Result = Result{}
	p.batch.In = clientSide
	if op.From == "rs" {
		p.batch.In = serversSide
		p.fromServer(op, frames)
	}
	n := 0
	for _, f := range frames {
		if p.forwarded(op, f) {
			n++
			p.left(op, f, serversSide, id, false)
			continue
		}
		pkt := &p.batch.Packets[0]
		if pkt.Verdict == dataplane.Forward {
			n++
			p.left(op, pkt.Data, pkt.Out, id, false)
		} else if n == 0 {
			op.To, op.Reason = "drop", pkt.Reason.String()
			if p.hosts(pkt) {
				n += p.route(op, pkt.Data, id)
			}
		}
		for _, r := range p.batch.Replies {
			if r.Out == serversSide || op.From == "rs" {
				n++
			}
			p.left(op, r.Data, r.Out, id, answers(pkt, r.Out, p.batch.In))
		}
	}
	if n > 1 {
		op.NFrames = n
	}
	return nil
}

// left notes where frame f went, which left by interface out, or that it is an answer to the
// sender.
func (p *player) left(op *Op, f []byte, out int32, id uint16, answer bool) {
	p.note(op, f, out, id)
	switch {
	case answer:
		op.answered(f)
		return
	case out == serversSide:
		op.To, op.Reason = p.serverAt(f).String(), ""
	default:
		op.To, op.Reason = "client", ""
	}
	if op.TTL != 0 {
		var h frame.Header
		frame.Parse(f, &h)
		op.TTLOut = h.TTL
	}
}

// answered reads what the director answered.
func (op *Op) answered(f []byte) {
	var h frame.Header
	frame.Parse(f, &h)
	rest := f[h.L4:]
	switch {
	case h.Proto == frame.ProtoTCP:
		op.To = "rst"
		return
	case h.Kind == frame.IPv4 && h.ICMPType == 0, h.Kind == frame.IPv6 && h.ICMPType == 129:
		op.To = "echo-reply"
	case h.Kind == frame.IPv6:
		op.To = fmt.Sprintf("icmp6:%d/%d", h.ICMPType, h.ICMPCode)
		if h.ICMPType == 2 {
			op.MTUOut = int(binary.BigEndian.Uint32(rest[4:]))
		}
	default:
		op.To = fmt.Sprintf("icmp:%d/%d", h.ICMPType, h.ICMPCode)
		if h.ICMPType == 3 && h.ICMPCode == 4 {
			op.MTUOut = int(binary.BigEndian.Uint16(rest[6:]))
		}
	}
	op.ReplySrc = h.Src.String()
}

func (p *player) conns() []Conn {
	all := []Conn{}
	for c, err := range p.director.Conns(context.Background()) {
		if err != nil {
			panic(err) // a director in this process has no errors here
		}
		out := Conn{Proto: cmp.Or(strings.ToUpper(c.Protocol), "IP"), Src: c.Client.String(), SPort: c.ClientPort,
			VIP: c.Address.String(), VPort: c.Port, RS: c.Server.String(), RPort: c.ServerPort,
			State: c.State, Expires: int64(c.Expires)}
		if c.Invalid {
			out.VPort, out.RPort = 65535, 65535
		}
		if p.origins {
			out.Origin = "LOCAL"
			if c.Synced {
				out.Origin = "SYNC"
			}
		}
		all = append(all, out)
	}
	slices.SortFunc(all, compareConns)
	return all
}

func (p *player) services(stats bool) []ServiceDump {
	all := []ServiceDump{}
	for s, err := range p.director.Services(context.Background()) {
		if err != nil {
			panic(err) // a director in this process has no errors here
		}
		out := ServiceDump{Port: s.Port, FWMark: s.FWMark, Sched: s.Scheduler, Flags: ipvsadm.Flags(&s.ServiceConfig), Servers: []ServerDump{}}
		if s.FWMark == 0 {
			out.Proto, out.VIP = s.Protocol, s.Address.String()
		}
		if stats {
			out.Stats = trafficDump(s.Listed)
		}
		for _, r := range s.Servers {
			sd := ServerDump{Addr: r.Address.String(), Port: r.Port, Weight: r.Weight,
				Active: r.Active, Inactive: r.Inactive, Persist: r.Persistent}
			if m := api.MethodColumn(r.Method); m != "Route" {
				sd.Method = m
			}
			if stats {
				sd.Stats = trafficDump(r.Listed)
			}
			out.Servers = append(out.Servers, sd)
		}
		all = append(all, out)
	}
	return all
}

func trafficDump(t api.Listed) []uint64 { return []uint64{t.Conns, t.Packets, t.Bytes} }
