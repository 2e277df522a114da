package dataplane_test

import (
	"slices"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// A naive director decides by the rules one after the other, over plain lists.
// It shares with the real one the schedulers and the state machines, which are
// compared with their definitions elsewhere. It never counts ahead: a
// server's connections are counted in the list of entries whenever asked for.
type naive struct {
	services    map[dataplane.ServiceKey]*naiveService
	servers     []*naiveServer // removed ones that are remembered, too
	entries     []*naiveEntry
	tunables    dataplane.Tunables
	deaf        map[byte]bool // servers without MAC address
	now         int64
	resumeUntil int64
	passed      int // new connections since drop_packet refused one
	// purge is when the connections of the servers in purged end, which were
	// removed; 0: never.
	purge  int64
	purged map[*naiveServer]bool
}

type naiveService struct {
	cfg   dataplane.ServiceConfig
	list  []*naiveServer // the newest first
	sched scheduler.Scheduler
	conns uint64
}

type naiveServer struct {
	scheduler.Dest
	n            byte
	key          dataplane.ServiceKey
	in           *naiveService
	upper, lower int
	conns        uint64
	since        int64 // removed and without entries since
}

type naiveEntry struct {
	key                       conntrack.Key
	server                    *naiveServer
	state                     conntrack.State
	expires, timeout          int64 // ns; timeout of templates
	by                        *naiveEntry
	retired, invalid, assured bool
}

// A packet holds the fields that a naive director looks at.
type packet struct {
	src, dst       frame.Addr
	sport, dport   uint16
	proto          frame.Proto
	flags          uint8
	chunk          int // of SCTP; -1: none
	ttl            uint8
	mark           uint32
	tooLong, df    bool
	flagLetters    string
	payload        int
	destinationVIP bool
}

func newNaive() *naive {
	return &naive{services: map[dataplane.ServiceKey]*naiveService{}, deaf: map[byte]bool{}, tunables: dataplane.DefaultTunables()}
}

// tick is the last 10 ms.
func (m *naive) tick() int64 { return m.now / 10e6 * 10e6 }

// count is a server's connections, active and not, and its templates.
func (m *naive) count(s *naiveServer) (active, inactive, templates int) {
	for _, e := range m.entries {
		switch {
		case e.server != s:
		case e.key.Template:
			templates++
		case e.active():
			active++
		default:
			inactive++
		}
	}
	return active, inactive, templates
}

// active says which connections are: those of TCP and SCTP that are open, and
// of TCP those that are being opened.
func (e *naiveEntry) active() bool {
	switch e.key.Proto {
	case frame.ProtoTCP:
		return e.state == conntrack.Established || e.state == conntrack.SynSent || e.state == conntrack.SynRecv || e.state == conntrack.SynAck
	case frame.ProtoSCTP:
		return e.state == conntrack.SCTPEstablished
	}
	return false
}

func (m *naive) overload(s *naiveServer) {
	if a, i, _ := m.count(s); s.upper > 0 && a+i >= s.upper {
		s.Overloaded = true
	}
}

func (m *naive) relieve(s *naiveServer) {
	a, i, _ := m.count(s)
	n := a + i
	if s.upper == 0 || s.lower > 0 && n < s.lower || s.lower == 0 && 4*n < 3*s.upper {
		s.Overloaded = false
	}
}

func (m *naive) insert(k conntrack.Key, s *naiveServer, by *naiveEntry) *naiveEntry {
	e := &naiveEntry{key: k, server: s, by: by}
	m.entries = append(m.entries, e)
	m.overload(s)
	return e
}

func (m *naive) drop(e *naiveEntry) {
	m.entries = slices.DeleteFunc(m.entries, func(x *naiveEntry) bool { return x == e })
	m.relieve(e.server)
}

func (m *naive) find(k conntrack.Key) *naiveEntry {
	for _, e := range m.entries {
		if e.key == k && !e.retired && !e.invalid {
			return e
		}
	}
	return nil
}

func (m *naive) connsOf(t *naiveEntry) int {
	n := 0
	for _, e := range m.entries {
		if e.by == t {
			n++
		}
	}
	return n
}

// sweep ends what is due now. Where a template and its last connections end at
// one moment, alive says what came first.
func (m *naive) sweep(alive func(*naiveEntry) bool) {
	for _, s := range m.servers {
		if a, i, t := m.count(s); s.in == nil && a+i+t > 0 {
			s.since = m.now
		}
	}
	m.sweepPurged()
	had := map[*naiveEntry]int{}
	for _, e := range m.entries {
		if e.by != nil {
			had[e.by]++
		}
	}
	for _, templates := range []bool{false, true} {
		for _, e := range slices.Clone(m.entries) {
			if e.expires > m.now || e.key.Template != templates {
				continue
			}
			if has := m.connsOf(e); has > 0 || had[e] > 0 && alive(e) {
				e.timeout = 60e9
				for e.expires <= m.now {
					e.expires += 60e9
				}
				continue
			}
			m.drop(e)
		}
	}
	m.servers = slices.DeleteFunc(m.servers, func(s *naiveServer) bool {
		a, i, t := m.count(s)
		return s.in == nil && a+i+t == 0 && m.now-s.since >= 120e9
	})
}

// sweepPurged ends the connections of removed servers, and then their templates that
// have none, if that is due; servers that came back keep theirs.
func (m *naive) sweepPurged() {
	if m.purge == 0 || m.purge > m.now {
		return
	}
	for _, templates := range []bool{false, true} {
		for _, e := range slices.Clone(m.entries) {
			if m.purged[e.server] && e.server.in == nil && e.key.Template == templates && m.connsOf(e) == 0 {
				m.drop(e)
			}
		}
	}
	m.purge, m.purged = 0, nil
}

// serves reports whether there is a service of the family.
func (m *naive) serves(ipv6 bool) bool {
	for k := range m.services {
		if k.Mark != 0 && k.IPv6 == ipv6 || k.Mark == 0 && k.Addr.Is4() != ipv6 {
			return true
		}
	}
	return false
}

// lookup finds the service: by mark; by address and port; FTP's, for its data
// connections; that of all ports.
func (m *naive) lookup(p *packet) *naiveService {
	mark := dataplane.ServiceKey{Mark: p.mark, IPv6: !p.dst.Is4()}
	if p.mark != 0 && m.services[mark] != nil {
		return m.services[mark]
	}
	at := func(port uint16) *naiveService {
		return m.services[dataplane.ServiceKey{Proto: p.proto, Addr: p.dst, Port: port}]
	}
	if s := at(p.dport); s != nil {
		return s
	}
	if s := at(21); s != nil && p.proto == frame.ProtoTCP && (p.dport == 20 || p.dport >= 1024) {
		return s
	}
	return at(0)
}

// own returns the answer of the director's own stack to p.
func (m *naive) own(p *packet, served bool) dataplane.Reason {
	switch {
	case !p.destinationVIP:
		return dataplane.NotOurs
	case p.proto == frame.ProtoSCTP:
		return dataplane.ProtocolIgnored
	case p.proto == frame.ProtoUDP:
		return dataplane.UnreachableNoService
	case p.flags&frame.RST != 0:
		return dataplane.ResetIgnored
	case served:
		return dataplane.ResetNoConnection
	}
	return dataplane.ResetNoService
}

// decide is the whole decision about p.
func (m *naive) decide(p *packet) (dataplane.Reason, byte) {
	if !m.serves(!p.dst.Is4()) {
		return m.own(p, false), 0
	}
	k := conntrack.Key{Client: p.src, Virtual: p.dst, ClientPort: p.sport, VirtualPort: p.dport, Proto: p.proto}
	reason := dataplane.Hit
	e := m.find(k)
	var old *naiveEntry
	if e != nil && m.leaves(e, p) {
		e.retired, e.expires = true, m.tick()+10e6
		old, e = e, nil
	}
	if e == nil {
		var once *naiveServer
		e, once, reason = m.schedule(k, p)
		if old != nil && e == nil {
			m.shows(old, reason)
		}
		if once != nil {
			return m.deliver(once, p, reason)
		} else if e == nil {
			return reason, 0
		}
	}
	if e.server.in == nil {
		return dataplane.ServerRemoved, 0
	}
	e.expires = m.tick() + 300e9
	switch p.proto {
	case frame.ProtoTCP:
		e.state = conntrack.NextTCP(e.state, p.flags, m.tunables.SecureTCP == 3)
		e.expires = m.tick() + int64(conntrack.DefaultTimeouts().TCP[e.state])*1e9
	case frame.ProtoSCTP:
		if p.chunk >= 0 {
			e.state = conntrack.NextSCTP(e.state, uint8(p.chunk))
		}
		e.expires = m.tick() + int64(conntrack.DefaultTimeouts().SCTP[e.state])*1e9
	}
	if e.by != nil && e.stateName() == "ESTABLISHED" {
		e.by.assured = true
	}
	return m.deliver(e.server, p, reason)
}

// shows has old, which p put away without a new connection in its place, found
// until the next tick. A reset that answers p closes it.
func (m *naive) shows(old *naiveEntry, reason dataplane.Reason) {
	old.retired = false
	if reason == dataplane.ResetNoConnection || reason == dataplane.ResetNoService {
		old.state, old.expires = conntrack.Close, m.tick()+10e9
	}
}

// stateName is the state of a connection in words.
func (e *naiveEntry) stateName() string {
	switch e.key.Proto {
	case frame.ProtoUDP:
		return "UDP"
	case frame.ProtoSCTP:
		return []string{"NONE", "INIT1", "INIT", "ESTABLISHED", "SHUTDOWN", "REJECTED", "CLOSED"}[e.state]
	}
	return e.state.String()
}

// deliver says whether p gets to s.
func (m *naive) deliver(s *naiveServer, p *packet, reason dataplane.Reason) (dataplane.Reason, byte) {
	switch {
	case p.ttl <= 1:
		return dataplane.TimeExceeded, 0
	case p.tooLong && p.df:
		return dataplane.FragmentationNeeded, 0
	case m.deaf[s.n]:
		return dataplane.NoMAC, 0
	case p.tooLong:
		return dataplane.Fragmented, 0
	}
	return reason, s.n
}

// leaves reports whether p does not go on with the connection e.
func (m *naive) leaves(e *naiveEntry, p *packet) bool {
	if m.tunables.ExpireNodestConn && e.server.in == nil {
		return true
	}
	if p.proto != frame.ProtoTCP || p.flags&frame.SYN == 0 {
		return false
	}
	if m.tunables.ExpireNodestConn && e.server.Weight == 0 {
		return true
	}
	switch e.state {
	case conntrack.SynSent, conntrack.SynRecv, conntrack.SynAck: // it is not open yet
		if m.tunables.RescheduleSYN && e.server.in == nil && p.flags&(frame.ACK|frame.RST) == 0 {
			return true
		}
	}
	if e.by != nil {
		return false
	}
	closed := e.state == conntrack.TimeWait || e.state == conntrack.Close
	switch m.tunables.ConnReuseMode {
	case 0:
		return false
	case 1:
		return closed
	}
	return closed || e.state == conntrack.FinWait
}

// begins reports whether p may be the first of a connection, or, if sloppy says so, in
// the middle of one.
func (m *naive) begins(p *packet, tcp, sctp bool) bool {
	switch {
	case p.sport == 20:
		return false
	case p.proto == frame.ProtoTCP:
		return p.flags&frame.RST == 0 && (p.flags&frame.SYN != 0 || tcp)
	case p.proto == frame.ProtoSCTP:
		return p.chunk == frame.SCTPInit || sctp && p.chunk >= 0 && p.chunk != frame.SCTPAbort
	}
	return true
}

// sheds is drop_packet, in mode 3: the table is never nearly full here.
func (m *naive) sheds() bool {
	if m.tunables.DropPacket != 3 {
		return false
	}
	m.passed++
	if m.passed < m.tunables.AMDropRate {
		return false
	}
	m.passed = 0
	return true
}

// schedule gives a new connection, or the server for p alone.
func (m *naive) schedule(k conntrack.Key, p *packet) (*naiveEntry, *naiveServer, dataplane.Reason) {
	s := m.lookup(p)
	begun := m.begins(p, m.tunables.SloppyTCP, m.tunables.SloppySCTP)
	resumed := !begun && m.now < m.resumeUntil && m.begins(p, true, true)
	if s == nil || !begun && !resumed {
		return nil, nil, m.own(p, s != nil)
	}
	if m.sheds() {
		return nil, nil, dataplane.Shed
	}
	server, by, reason := m.choose(s, p)
	if server == nil {
		return nil, nil, reason
	}
	if resumed {
		reason = dataplane.Resumed
	}
	s.conns++
	server.conns++
	e := m.insert(k, server, by)
	if s.cfg.OnePacket && p.proto == frame.ProtoUDP {
		m.drop(e)
		return nil, server, reason
	}
	return e, nil, reason
}

// choose gives the server of a new connection, and the template by which.
func (m *naive) choose(s *naiveService, p *packet) (*naiveServer, *naiveEntry, dataplane.Reason) {
	switch {
	case s.cfg.Persistence > 0:
		return m.persist(s, p)
	case s.cfg.Key.Mark == 0 && s.cfg.Key.Port != p.dport:
		return nil, nil, m.own(p, true)
	}
	server := m.pick(s, p)
	if server == nil {
		return nil, nil, dataplane.UnreachableNoServer
	}
	return server, nil, dataplane.Scheduled
}

func (m *naive) persist(s *naiveService, p *packet) (*naiveServer, *naiveEntry, dataplane.Reason) {
	tk := conntrack.Key{Client: p.src, Virtual: p.dst, VirtualPort: p.dport, Proto: p.proto, Template: true}
	if s.cfg.Mask != (frame.Addr{}) {
		for i := range tk.Client {
			if !p.src.Is4() || i >= 12 {
				tk.Client[i] &= s.cfg.Mask[i]
			}
		}
	}
	if s.cfg.Key.Port == 0 || s.cfg.Key.Port == 21 {
		tk.VirtualPort = 0
	}
	if n := s.cfg.Key.Mark; n != 0 {
		tk.Virtual, tk.VirtualPort, tk.Proto = frame.AddrFrom4([4]byte{0, 0, byte(n >> 8), byte(n)}), 0, 0
		if s.cfg.Key.IPv6 {
			tk.Virtual = frame.Addr{2: byte(n >> 8), 3: byte(n)}
		}
	}
	reason := dataplane.Persistent
	t := m.find(tk)
	if t != nil && (t.server.in == nil || m.tunables.ExpireQuiescentTemplate && t.server.Weight == 0) {
		t.invalid = true
		t = nil
	}
	if t == nil {
		server := m.pick(s, p)
		if server == nil && s.cfg.Key.Port == 21 && p.dport != 21 {
			return nil, nil, m.own(p, false)
		} else if server == nil {
			return nil, nil, dataplane.UnreachableNoServer
		}
		t = m.insert(tk, server, nil)
		t.timeout = int64(s.cfg.Persistence)
		reason = dataplane.Scheduled
	}
	t.expires = m.tick() + t.timeout
	return t.server, t, reason
}

// picks are the servers of s as the scheduler sees them at this moment.
func (m *naive) picks(s *naiveService) []*scheduler.Dest {
	all := make([]*scheduler.Dest, 0, len(s.list))
	for _, d := range s.list {
		d.Active, d.Inactive, d.Unreachable = 0, 0, m.deaf[d.n]
		all = append(all, &d.Dest)
	}
	for _, e := range m.entries {
		switch {
		case e.key.Template || e.server.in != s:
		case e.active():
			e.server.Active++
		default:
			e.server.Inactive++
		}
	}
	return all
}

func (m *naive) pick(s *naiveService, p *packet) *naiveServer {
	f := scheduler.Flow{Src: p.src, Dst: p.dst, SrcPort: p.sport, DstPort: p.dport, Flags: s.cfg.Flags, Now: m.now}
	if i := s.sched.Pick(m.picks(s), &f); i >= 0 {
		return s.list[i]
	}
	return nil
}

func (m *naive) setService(c dataplane.ServiceConfig, add bool) bool {
	s := m.services[c.Key]
	if (s == nil) != add {
		return false
	}
	if add {
		s = &naiveService{}
		m.services[c.Key] = s
	}
	if c.Scheduler != s.cfg.Scheduler {
		s.sched, _ = scheduler.New(c.Scheduler, m.picks(s))
	}
	s.cfg = c
	return true
}

func (m *naive) delService(k dataplane.ServiceKey) bool {
	s := m.services[k]
	if s == nil {
		return false
	}
	for len(s.list) > 0 {
		m.delServer(k, s.list[0].n)
	}
	delete(m.services, k)
	return true
}

// server is the index of server n in s.
func (s *naiveService) server(n byte) int {
	return slices.IndexFunc(s.list, func(d *naiveServer) bool { return d.n == n })
}

func (m *naive) configure(d *naiveServer, c dataplane.ServerConfig) {
	d.Weight, d.upper, d.lower = c.Weight, c.Upper, c.Lower
	if c.Weight > 0 {
		d.LastWeight = c.Weight
	}
	m.relieve(d)
	m.overload(d)
}

func (m *naive) addServer(k dataplane.ServiceKey, n byte, c dataplane.ServerConfig) bool {
	s := m.services[k]
	if s == nil || s.server(n) >= 0 || c.Lower > c.Upper {
		return false
	}
	i := slices.IndexFunc(m.servers, func(d *naiveServer) bool { return d.in == nil && d.key == k && d.n == n })
	if i < 0 {
		i = len(m.servers)
		m.servers = append(m.servers, &naiveServer{n: n, key: k, Dest: scheduler.Dest{Addr: serverOf(k, n), Port: k.Port}})
	}
	d := m.servers[i]
	d.in = s
	d.LastWeight = 0 // what it had before its removal is forgotten
	m.configure(d, c)
	s.list = slices.Insert(s.list, 0, d)
	s.sched.Update(m.picks(s), scheduler.Added, 0)
	return true
}

func (m *naive) editServer(k dataplane.ServiceKey, n byte, c dataplane.ServerConfig) bool {
	s := m.services[k]
	if s == nil || s.server(n) < 0 || c.Lower > c.Upper {
		return false
	}
	i := s.server(n)
	m.configure(s.list[i], c)
	s.sched.Update(m.picks(s), scheduler.Edited, i)
	return true
}

func (m *naive) delServer(k dataplane.ServiceKey, n byte) bool {
	s := m.services[k]
	if s == nil || s.server(n) < 0 {
		return false
	}
	i := s.server(n)
	d := s.list[i]
	s.list = slices.Delete(s.list, i, i+1)
	d.in, d.since = nil, m.now
	s.sched.Update(m.picks(s), scheduler.Removed, i)
	if a, i, t := m.count(d); m.tunables.ExpireNodestConn && a+i+t > 0 {
		if m.purge == 0 {
			m.purge, m.purged = m.tick()+10e6, map[*naiveServer]bool{}
		}
		m.purged[d] = true
	}
	return true
}

// next is the next moment at which something is due; 0: nothing ever.
func (m *naive) next() int64 {
	least := m.purge
	for _, e := range m.entries {
		if least == 0 || e.expires < least {
			least = e.expires
		}
	}
	return least
}

// expires is how long e has to live, as Director.Conns says it.
func (m *naive) left(e *naiveEntry) time.Duration { return time.Duration(e.expires - m.tick()) }
