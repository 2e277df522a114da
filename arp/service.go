package arp

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lvsdr/dataplane/frame"
)

// Config has the collaborators and settings of a Service.
type Config struct {
	// Sender transmits the frames. It is required.
	Sender Sender
	// Events is told what an operator should know, the same kind about the same
	// subject at most once a minute; nil: no events. It is called from Run's
	// goroutine without any lock held and must not block: while it does, nothing
	// is answered.
	Events func(Event)
	// Changed is told of every change of a target's usable MAC address, in order
	// and without omission; nil: no reports. It is called as Events is, and for
	// one change before it, and must not block either.
	Changed func(Change)
	// Announce are the times of the announcements; the zero value means the
	// defaults.
	Announce AnnounceTimes
	// Standing has the VIPs and MAC addresses of a process before this one.
	Standing Standing
	// InboxSlots is the number of frames that may wait, rounded up to a power
	// of 2; default 1024.
	InboxSlots int
	// Now is the monotonic clock: the time since any fixed instant, never
	// running backwards. Default: the time since New.
	Now func() time.Duration
}

// A Service answers ARP and Neighbor Discovery for the VIPs, announces them, and
// keeps the MAC addresses of the targets. It starts without any of them. All
// methods may be called at any time from any goroutine, also from Events and
// Changed.
type Service struct {
	cfg   Config
	inbox *Inbox
	kick  chan struct{} // holds a token when something was set that Run must see
	count counters
	asked atomic.Bool // and not answered yet

	// sending is held for a whole turn of Run with what it sends, and by
	// SetVIPs: when that returns, no frame of an earlier decision is on its way
	// any more. It is locked before mu.
	sending sync.Mutex

	mu        sync.Mutex // guards what follows; nothing is sent or told under it
	vips      []VIP
	targets   []Target
	view      *view // of the above and the resolver's MAC addresses
	announcer *announcer
	resolver  *resolver
	limiter   limiter
	output    output
}

// An output holds what a turn has decided and not yet done.
type output struct {
	packets []outgoing
	events  []Event
	changes []Change
}

// An outgoing is a packet to be sent, and the counter it is counted under.
type outgoing struct {
	ifindex int32
	packet  Packet
	counter int
}

// New makes a Service. It does nothing until Run is called.
func New(cfg Config) (*Service, error) {
	if cfg.Sender == nil {
		return nil, errors.New("arp service: no sender")
	}
	if cfg.Now == nil {
		start := time.Now()
		cfg.Now = func() time.Duration { return time.Since(start) }
	}
	s := &Service{
		cfg:       cfg,
		inbox:     newInbox(cmp.Or(cfg.InboxSlots, 1024)),
		kick:      make(chan struct{}, 1),
		view:      newView(nil, nil),
		announcer: newAnnouncer(cfg.Announce),
		resolver:  newResolver(),
		limiter:   limiter{last: make(map[subject]lastEvent)},
	}
	s.announcer.stand(cfg.Standing.VIPs)
	s.resolver.stand(cfg.Standing.Known)
	return s, nil
}

// Inbox is where the packet path puts every ARP frame it receives, and every
// solicitation and advertisement of Neighbor Discovery. It has to receive the
// solicited-node groups of the IPv6 VIPs.
func (s *Service) Inbox() *Inbox { return s.inbox }

// SetVIPs replaces the VIPs; of two with one address and interface the last
// counts. One that becomes active is looked for at once, and announced if no other
// host has it. When SetVIPs returns, no
// frame is sent any more that speaks for a VIP that is not active or not there;
// it waits for frames that are being sent. If one cannot be served, the error
// says so and nothing is changed. It does not keep vips.
func (s *Service) SetVIPs(vips []VIP) error {
	for _, v := range vips {
		if err := v.check(); err != nil {
			return err
		}
	}
	s.sending.Lock()
	defer s.sending.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.vips = slices.Clone(vips)
	s.announcer.set(vips, now)
	s.changed(s.resolver.setOwn(s.ownMACs(), now), now)
	s.renew()
	return nil
}

// SetTargets replaces the targets; of two with one address and interface the
// last counts. Those that stay keep their MAC address. If one cannot be asked
// for, the error says so and nothing is changed. It does not keep targets.
func (s *Service) SetTargets(targets []Target) error {
	for _, t := range targets {
		if err := t.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.targets = slices.Clone(targets)
	s.changed(s.resolver.set(targets, s.ownMACs(), now), now)
	s.renew()
	return nil
}

// ownMACs are this host's MAC addresses.
func (s *Service) ownMACs() []frame.MAC {
	own := make([]frame.MAC, 0, len(s.vips)+len(s.targets))
	for _, v := range s.vips {
		own = append(own, v.MAC)
	}
	for _, t := range s.targets {
		own = append(own, t.SourceMAC)
	}
	return own
}

// renew makes the view anew and wakes Run.
func (s *Service) renew() {
	s.view = newView(s.vips, s.ownMACs())
	s.view.quiet = s.announcer.quiet
	for _, n := range s.resolver.neighbours(0) {
		s.view.learn(known{place{n.Ifindex, n.IP}, n.MAC, n.Name})
	}
	s.wake()
}

// Neighbours are the targets as known now, ordered by interface and address.
func (s *Service) Neighbours() []Neighbour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolver.neighbours(s.cfg.Now())
}

// Believed is the MAC address that is in use for the target ip on the interface ifindex;
// zero: none. sure is false while the target has been asked and has not answered yet, or
// cannot be asked because its interface is down.
func (s *Service) Believed(ifindex int32, ip netip.Addr) (mac frame.MAC, sure bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolver.believed(ifindex, ip)
}

// A Holder is another host that has a VIP.
type Holder struct {
	VIP     netip.Addr
	Ifindex int32
	MAC     frame.MAC
}

// Unannounced are the active VIPs that are not announced: how many are still looked
// for, and those that are held because another host has them, in order.
func (s *Service) Unannounced() (looked int, held []Holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for at := range s.announcer.quiet {
		if v := s.announcer.vips[at]; v.phase == looking {
			looked++
		} else {
			held = append(held, Holder{at.addr, at.ifindex, v.other})
		}
	}
	slices.SortFunc(held, func(a, b Holder) int { return place{a.Ifindex, a.VIP}.compare(place{b.Ifindex, b.VIP}) })
	return looked, held
}

// Stats are the counters so far. They are read one by one, not all at one
// instant.
func (s *Service) Stats() Stats {
	st := s.count.load()
	st.traffic[inboxFull] = s.inbox.full.Load()
	return st
}

// Run does the work until ctx is done, and returns its error then. Only one Run
// may be under way.
func (s *Service) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		timer.Reset(s.turn())
		s.asked.Store(false)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.inbox.ready:
		case <-s.kick:
		}
	}
	return ctx.Err()
}

// Ask asks whether Run still makes turns, see Answered. It waits for nothing.
func (s *Service) Ask() {
	s.asked.Store(true)
	s.wake()
}

// Answered reports whether Run has ended a turn since the last Ask, if there was one.
func (s *Service) Answered() bool { return !s.asked.Load() }

// wake has Run make a turn.
func (s *Service) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Bounds of one turn.
const (
	maxTurn = 64        // frames; then the timers have their turn
	maxWait = time.Hour // nothing is due at all
)

// turn takes frames from the inbox, does what is due, tells what there is to
// tell, and returns how long nothing will be due.
func (s *Service) turn() time.Duration {
	s.sending.Lock()
	out, wait := s.decide()
	for _, p := range out.packets {
		s.send(p)
	}
	s.sending.Unlock()
	if s.cfg.Changed != nil {
		for _, c := range out.changes {
			s.cfg.Changed(c)
		}
	}
	if s.cfg.Events != nil {
		for _, e := range out.events {
			s.cfg.Events(e)
		}
	}
	return wait
}

// send transmits o and counts it.
func (s *Service) send(o outgoing) {
	if s.cfg.Sender.Send(o.ifindex, o.packet.Frame()) != nil {
		o.counter = sendErrors
	}
	s.count.traffic[o.counter].Add(1)
}

// decide takes frames from the inbox and what is due by the clock, and gives
// what has to be done about them, and how long nothing will be due.
func (s *Service) decide() (output, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	more := s.receive(now)
	s.speak(now)
	wait := maxWait
	for _, next := range []func() (time.Duration, bool){s.announcer.next, s.resolver.next} {
		if at, ok := next(); ok {
			wait = min(wait, max(at-now, 0))
		}
	}
	if more {
		wait = 0
	}
	out := s.output
	s.output = output{}
	return out, wait
}

// receive handles the frames that wait, at most maxTurn, and reports whether
// there may be more.
func (s *Service) receive(now time.Duration) bool {
	var buf [maxFrame]byte
	for range maxTurn {
		n, ifindex, ok := s.inbox.take(&buf)
		if !ok {
			return false
		}
		s.count.frames[s.handle(buf[:n], ifindex, now)].Add(1)
	}
	return true
}

// handle does everything about one frame and returns what became of it.
func (s *Service) handle(b []byte, ifindex int32, now time.Duration) reason {
	p, r := parse(b)
	if r != undecided {
		return r
	}
	if p.mismatch() {
		s.count.traffic[mismatched].Add(1)
	}
	if !s.view.own[p.Src] {
		if c, ok := s.resolver.learn(ifindex, p.SenderIP, p.SenderMAC, p.Weak, now); ok {
			s.changed([]Change{c}, now)
		}
		for _, e := range s.resolver.takeRefused() {
			s.tell(e, now)
		}
	}
	a := decide(s.view, &input{ifindex, p})
	if a.event.Kind == Conflict && a.vip.Elected.on() && !s.announcer.lasts(a.vip.place(), p.SenderMAC, now) {
		a.event = Event{} // one of the two does not know of the election yet
	}
	s.tell(a.event, now)
	if a.answer != nil {
		s.say(ifindex, *a.answer, answersSent)
	}
	if a.used {
		s.announcer.used(a.vip.place(), p.SenderMAC, now)
	}
	if a.defend {
		if d, ok := s.announcer.defend(a.vip, now); ok {
			s.say(ifindex, d.packet(), defences)
		}
	}
	return a.reason
}

// isServer reports whether the host at mac, which uses v, is a real server.
func (s *Service) isServer(v VIP, mac frame.MAC) bool {
	_, ok := s.view.serverAt(mac, v)
	return ok
}

// speak says what is due by the clock.
func (s *Service) speak(now time.Duration) {
	for _, a := range s.announcer.take(now, s.isServer) {
		c := announced
		if a.kind == announceCheck {
			c = checksSent
		}
		s.say(a.vip.Ifindex, a.packet(), c)
	}
	for _, e := range s.announcer.takeEvents() {
		s.tell(e, now)
	}
	asks, changes := s.resolver.take(now)
	for _, a := range asks {
		s.say(a.ifindex, a.packet, asked)
	}
	s.changed(changes, now)
}

// say keeps p to be sent and counted under c.
func (s *Service) say(ifindex int32, p Packet, c int) {
	s.output.packets = append(s.output.packets, outgoing{ifindex, p, c})
}

// changed brings changes into the view, and keeps them to be told, to Changed
// and as events.
func (s *Service) changed(changes []Change, now time.Duration) {
	for _, c := range changes {
		at := place{c.Ifindex, c.IP}
		s.view.forget(known{at, c.Old, c.Name})
		s.view.learn(known{at, c.New, c.Name})
		s.output.changes = append(s.output.changes, c)
		s.tell(c.event(), now)
	}
}

// tell keeps e to be told, unless there is none or it was told lately.
func (s *Service) tell(e Event, now time.Duration) {
	if e.Kind == NoEvent {
		return
	}
	if !s.limiter.pass(&e, now) {
		s.count.traffic[suppressed].Add(1)
		return
	}
	e.Text = e.text()
	s.output.events = append(s.output.events, e)
}
