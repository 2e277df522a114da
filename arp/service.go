package arp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lvsdr/dataplane/frame"
)

// Config is what a Service is made of.
type Config struct {
	// Sender transmits the frames. It is required.
	Sender Sender
	// Events is told what an operator should know, the same kind about the same
	// subject at most once a minute; nil: nobody is. It is called from Run's
	// goroutine without any lock held and should not take long.
	Events func(Event)
	// Changed is told of every change of a real server's usable MAC address, in
	// order and without omission; nil: nobody is. It is called as Events is,
	// and for one change before it.
	Changed func(Change)
	// Joiner makes the interfaces receive the groups of IPv6 VIPs. Default: the
	// Sender if it is a Joiner, as a PacketSender is, else nobody does it and it
	// must be seen to elsewhere, see Groups.
	Joiner Joiner
	// Announce are the times of the announcements; the zero value means the
	// defaults.
	Announce AnnounceTimes
	// InboxSlots is the number of frames that may wait, rounded up to a power
	// of 2; default 1024.
	InboxSlots int
	// Now is the monotonic clock: the time since any fixed instant, never
	// running backwards. Default: the time since New.
	Now func() time.Duration
}

// A Service answers ARP and Neighbor Discovery for the VIPs, announces them, and keeps the MAC
// addresses of the real servers. It begins without any of them, and not
// active. All methods may be called at any time from any goroutine.
type Service struct {
	cfg   Config
	inbox *Inbox
	kick  chan struct{} // holds a token when something was set that Run must see
	count counters

	// mu guards what follows, and is held while frames are sent: so when
	// SetActive(false) returns, none is on its way any more.
	mu        sync.Mutex
	active    bool
	vips      []VIP
	targets   []Target
	view      *View // of the above and the resolver's MAC addresses
	announcer *Announcer
	resolver  *Resolver
	limiter   limiter
	events    []Event  // not yet told
	changes   []Change // not yet told
}

// counters are Stats as they are kept.
type counters struct {
	frames     [NumReasons]atomic.Uint64
	mismatched atomic.Uint64
	answers    atomic.Uint64
	announced  atomic.Uint64
	checks     atomic.Uint64
	defences   atomic.Uint64
	asks       atomic.Uint64
	sendErrors atomic.Uint64
	suppressed atomic.Uint64
}

// Stats are the counters of a Service since New.
type Stats struct {
	Frames     [NumReasons]uint64 // frames taken from the inbox, by what became of them
	InboxFull  uint64             // frames turned away by the inbox
	Mismatched uint64             // of Frames, with an Ethernet source that is not the sender's MAC

	Answers    uint64 // replies sent
	Announced  uint64 // announcements sent, defences not included
	Checks     uint64 // questions about our own VIPs sent
	Defences   uint64 // announcements sent because of a conflict
	Asks       uint64 // requests for real servers sent
	SendErrors uint64 // frames the Sender refused; not in the five above

	EventsSuppressed uint64 // events that were held back
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
	if cfg.Joiner == nil {
		cfg.Joiner, _ = cfg.Sender.(Joiner)
	}
	return &Service{
		cfg:       cfg,
		inbox:     newInbox(cmp.Or(cfg.InboxSlots, 1024)),
		kick:      make(chan struct{}, 1),
		view:      NewView(false, nil, nil, nil),
		announcer: NewAnnouncer(cfg.Announce),
		resolver:  NewResolver(),
		limiter:   limiter{last: make(map[subject]lastEvent)},
	}, nil
}

// Inbox is where the packet path puts every ARP frame it receives, and every
// other one that is ndp.Wanted.
func (s *Service) Inbox() *Inbox { return s.inbox }

// SetVIPs replaces the VIPs; of two with one address and interface the last
// counts. New ones are announced at once if the Service is active. The groups of
// IPv6 ones are joined, also while it is not. If one cannot be served, the error
// says so and nothing is changed. It does not keep vips.
func (s *Service) SetVIPs(vips []VIP) error {
	for _, v := range vips {
		if err := v.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cfg.Joiner != nil {
		if err := s.cfg.Joiner.Join(Groups(vips)); err != nil {
			return fmt.Errorf("receive what is asked of the vips: %w", err)
		}
	}
	now := s.cfg.Now()
	s.vips = slices.Clone(vips)
	s.announcer.SetVIPs(vips, now)
	s.changed(s.resolver.Set(s.targets, s.ownMACs(), now), now)
	s.renew()
	return nil
}

// SetRealServers replaces the real servers; of two with one address and
// interface the last counts. Those that stay keep their MAC address. If one
// cannot be asked for, the error says so and nothing is changed. It does not
// keep targets.
func (s *Service) SetRealServers(targets []Target) error {
	for _, t := range targets {
		if err := t.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	s.targets = slices.Clone(targets)
	s.changed(s.resolver.Set(targets, s.ownMACs(), now), now)
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

// SetActive says whether this host speaks for the VIPs. Becoming active, it
// announces them at once. When SetActive(false) returns, no frame that speaks
// for a VIP is sent any more; the real servers are still asked for.
func (s *Service) SetActive(active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = active
	s.announcer.SetActive(active, s.cfg.Now())
	s.renew()
}

// renew makes the view anew and wakes Run.
func (s *Service) renew() {
	var known []Known
	for _, n := range s.resolver.Neighbours(0) {
		if n.MAC != (frame.MAC{}) {
			known = append(known, Known{Addr: n.IP, MAC: n.MAC, Name: n.Name})
		}
	}
	s.view = NewView(s.active, s.vips, known, s.ownMACs())
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Neighbours is what is known of the real servers, ordered by interface and
// address.
func (s *Service) Neighbours() []Neighbour {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolver.Neighbours(s.cfg.Now())
}

// Stats are the counters so far. They are read one by one, not all at one
// instant.
func (s *Service) Stats() Stats {
	c := &s.count
	st := Stats{
		InboxFull:        s.inbox.full.Load(),
		Mismatched:       c.mismatched.Load(),
		Answers:          c.answers.Load(),
		Announced:        c.announced.Load(),
		Checks:           c.checks.Load(),
		Defences:         c.defences.Load(),
		Asks:             c.asks.Load(),
		SendErrors:       c.sendErrors.Load(),
		EventsSuppressed: c.suppressed.Load(),
	}
	for r := range st.Frames {
		st.Frames[r] = c.frames[r].Load()
	}
	return st
}

// Run does the work until ctx is done, and returns its error then. Only one Run
// may be under way.
func (s *Service) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		wait := s.turn()
		timer.Reset(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-s.inbox.ready:
		case <-s.kick:
		}
	}
	return ctx.Err()
}

// Bounds of one turn.
const (
	maxTurn = 64        // frames; then the timers have their turn
	maxWait = time.Hour // nothing is due at all
)

// turn takes frames from the inbox, does what is due, tells what there is to
// tell, and returns how long nothing will be due.
func (s *Service) turn() time.Duration {
	s.mu.Lock()
	now := s.cfg.Now()
	more := s.receive(now)
	s.speak(now)
	wait := maxWait
	for _, next := range []func() (time.Duration, bool){s.announcer.Next, s.resolver.Next} {
		if at, ok := next(); ok {
			wait = min(wait, max(at-now, 0))
		}
	}
	events, changes := s.events, s.changes
	s.events, s.changes = nil, nil
	s.mu.Unlock()

	if s.cfg.Changed != nil {
		for _, c := range changes {
			s.cfg.Changed(c)
		}
	}
	if s.cfg.Events != nil {
		for _, e := range events {
			s.cfg.Events(e)
		}
	}
	if more {
		return 0
	}
	return wait
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
func (s *Service) handle(b []byte, ifindex int32, now time.Duration) Reason {
	in, r := Parse(b, ifindex)
	if r != Undecided {
		return r
	}
	if in.Mismatch() {
		s.count.mismatched.Add(1)
	}
	if !s.view.own[in.Src] {
		learn := s.resolver.Learn
		if in.Weak {
			learn = s.resolver.LearnWeakly
		}
		if c, ok := learn(ifindex, in.SenderIP, in.SenderMAC, now); ok {
			s.changed([]Change{c}, now)
			s.renew()
		}
	}
	a := Decide(s.view, &in)
	s.tell(a.Event, now)
	if a.Answer != nil {
		s.send(ifindex, *a.Answer, &s.count.answers)
	}
	if a.Defend {
		if d, ok := s.announcer.Defend(a.VIP, now); ok {
			s.send(ifindex, d.Packet(), &s.count.defences)
		}
	}
	return a.Reason
}

// speak sends what is due by the clock.
func (s *Service) speak(now time.Duration) {
	for _, a := range s.announcer.Due(now) {
		n := &s.count.announced
		if a.Kind == Check {
			n = &s.count.checks
		}
		s.send(a.VIP.Ifindex, a.Packet(), n)
	}
	asks, changes := s.resolver.Due(now)
	for _, a := range asks {
		s.send(a.Ifindex, a.Packet, &s.count.asks)
	}
	if len(changes) > 0 {
		s.changed(changes, now)
		s.renew()
	}
}

// send transmits p and counts it under n.
func (s *Service) send(ifindex int32, p Packet, n *atomic.Uint64) {
	if s.cfg.Sender.Send(ifindex, p.Frame()) != nil {
		n = &s.count.sendErrors
	}
	n.Add(1)
}

// changed keeps changes to be told, to Changed and as events.
func (s *Service) changed(changes []Change, now time.Duration) {
	for _, c := range changes {
		s.changes = append(s.changes, c)
		s.tell(c.event(), now)
	}
}

// tell keeps e to be told, unless there is none or it was told lately.
func (s *Service) tell(e Event, now time.Duration) {
	if e.Kind == NoEvent {
		return
	}
	if !s.limiter.pass(&e, now) {
		s.count.suppressed.Add(1)
		return
	}
	e.Text = e.text()
	s.events = append(s.events, e)
}
