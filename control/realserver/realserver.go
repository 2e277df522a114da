package realserver

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
)

// A Result is the state of an item afterwards.
type Result string

// The results.
const (
	Set       Result = "set"        // it was changed
	AlreadySo Result = "already so" // nothing was to do
	LeftAlone Result = "left alone" // stop: somebody else has changed it
	Kept      Result = "kept"       // stop: another VIP needs it
	Failed    Result = "failed"
	NotTried  Result = "not tried" // because of a failure before it
)

// An Outcome is the result of start or stop for one item.
type Outcome struct {
	Item   string `json:"item"`
	Result Result `json:"result"`
	Was    string `json:"was"`
	Is     string `json:"is"`
	Note   string `json:"note,omitempty"` // why, or what to do
}

// String is the outcome as a line.
func (o Outcome) String() string {
	s := ""
	switch o.Result {
	case Set:
		s = fmt.Sprintf("set %s: was %s, is %s", o.Item, o.Was, o.Is)
	case AlreadySo:
		s = fmt.Sprintf("already so: %s is %s", o.Item, o.Is)
	case NotTried:
		s = fmt.Sprintf("not tried: %s", o.Item)
	case Failed:
		return "failed: " + o.Note
	default:
		s = fmt.Sprintf("%s: %s is %s", o.Result, o.Item, o.Is)
	}
	if o.Note != "" {
		s += "; " + o.Note
	}
	return s
}

// A Report is the result of start or stop for a VIP.
type Report struct {
	VIP      netip.Addr `json:"vip"`
	Notes    []string   `json:"notes,omitempty"`
	Outcomes []Outcome  `json:"outcomes"`
}

// OK reports whether nothing failed.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return o.Result == Failed || o.Result == NotTried })
}

// A Host makes the network namespace of the calling thread a real server, and
// keeps the records in a folder. It must be used from that namespace. Several
// processes may use the folder at a time.
type Host struct {
	kernel  kernel
	records records
	epoch   epoch
}

// Open opens netlink sockets, to be closed by Close. The folder is made when
// something is to be written; empty means DefaultDir, where the records that an
// earlier version has left in /run/lvsdr count too.
func Open(dir string) (*Host, error) {
	r := records{dir: dir}
	if dir == "" || dir == DefaultDir {
		r = records{dir: DefaultDir, old: oldDir}
	}
	e, err := now()
	if err != nil {
		return nil, err
	}
	k, err := openKernel()
	if err != nil {
		return nil, err
	}
	return &Host{kernel: k, records: r, epoch: e}, nil
}

// Close closes the netlink sockets.
func (h *Host) Close() { h.kernel.close() }

// SetUp makes the calling thread's network namespace the real server of o, and
// keeps no record: it is for namespaces that are thrown away. It balances no local
// clients.
func SetUp(o Options) error {
	k, err := openKernel()
	if err != nil {
		return err
	}
	defer k.close()
	v, err := k.look()
	if err != nil {
		return err
	}
	f, err := v.facts(o.VIP.Is6())
	if err != nil {
		return err
	}
	gs := goals(o, f)
	found, err := k.values(itemsOf(gs))
	if err != nil {
		return err
	}
	steps, _ := planStart(gs, found, nil, nil)
	_, err = k.do(steps)
	return err
}

func itemsOf(gs []goal) []Item {
	var all []Item
	for _, g := range gs {
		all = append(all, g.item)
	}
	return all
}

// Start makes the host the real server of o and reports each item. It adds to
// what an earlier start did and takes nothing back. An error means that nothing
// was changed; that an item failed is in the report.
func (h *Host) Start(o Options) (*Report, error) {
	failed := func(err error) error { return fmt.Errorf("start real server %s: %w", o.VIP, hint(err)) }
	if err := o.Check(); err != nil {
		return nil, failed(err)
	}
	v, err := h.kernel.look()
	if err != nil {
		return nil, failed(err)
	}
	o, gs, err := h.desired(o, v)
	if err != nil {
		return nil, failed(err)
	}
	if err := v.misplaced(o.VIP); err != nil {
		return nil, failed(err)
	}
	if err := v.clash(o); err != nil {
		return nil, failed(err)
	}
	if err := h.records.make(); err != nil {
		return nil, failed(err)
	}
	lock, err := h.records.lock()
	if err != nil {
		return nil, failed(err)
	}
	defer lock.Close()
	report := &Report{VIP: o.VIP, Notes: v.advice(o)}
	rec, note, err := h.own(o.VIP)
	if err != nil {
		return nil, failed(err)
	}
	if note != "" {
		report.Notes = append(report.Notes, note)
	}
	others, err := h.records.others(o.VIP, h.epoch)
	if err != nil {
		return nil, failed(err)
	}
	found, err := h.kernel.values(itemsOf(gs))
	if err != nil {
		return nil, failed(err)
	}
	if rec == nil {
		rec = &record{epoch: h.epoch, VIP: o.VIP}
	}
	rec.ask(o)
	var steps []step
	steps, rec.Changes = planStart(gs, found, rec.Changes, others)
	// First the record, then the changes: whatever happens between, it says
	// what was there before.
	if err := h.records.save(rec); err != nil {
		return nil, failed(err)
	}
	report.Outcomes, _ = h.kernel.do(steps) // they say what failed
	return report, nil
}

// ask adds to what the record's starts were asked for.
func (r *record) ask(o Options) {
	for _, p := range o.Balance {
		if !slices.Contains(r.Balance, p) {
			r.Balance = append(r.Balance, p)
		}
	}
	if len(o.Balance) > 0 {
		r.Interface, r.Source = o.Interface, o.Source
	}
	for _, t := range o.Tunnels {
		if !slices.Contains(r.Tunnels, t) {
			r.Tunnels = append(r.Tunnels, t)
		}
	}
}

// hint adds the remedy to a missing privilege.
func hint(err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("%w; %s", err, privilege)
	}
	return err
}

// desired fills in o's interface and source and says what is to be set for it.
func (h *Host) desired(o Options, v view) (Options, []goal, error) {
	var err error
	if len(o.Balance) > 0 {
		if o, err = locate(o, v.net); err != nil {
			return o, nil, err
		}
	}
	f, err := v.facts(o.VIP.Is6())
	if err != nil {
		return o, nil, err
	}
	return o, goals(o, f), nil
}

// misplaced is an error where the host has the VIP, but not as a real server
// should: on another interface it would be answered for, and with a shorter
// prefix on lo its whole network would be this host.
func (v view) misplaced(vip netip.Addr) error {
	for _, a := range v.net.Addrs {
		link, _ := v.net.Link(a.Link)
		if a.Prefix.Addr() == vip && (link.Name != "lo" && !tunnelKind(link.Kind) || !a.Prefix.IsSingleIP()) {
			return fmt.Errorf("it is configured here as %s on %s; a real server has it as %s/%d on lo: ip addr del %[1]s dev %[2]s",
				a.Prefix, link.Name, vip, vip.BitLen())
		}
	}
	return nil
}

// own is the VIP's record, nil if there is none that can be believed; note says
// why one is not.
func (h *Host) own(vip netip.Addr) (r *record, note string, err error) {
	r, err = h.records.load(vip)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	case r.Boot != h.epoch.Boot:
		return nil, fmt.Sprintf("the record in %s is from before the last boot and is not believed", h.records.path(vip)), nil
	case r.epoch != h.epoch:
		return nil, fmt.Sprintf("the record in %s is of another network namespace and is not believed; give each a --state DIR of its own", h.records.path(vip)), nil
	}
	return r, "", nil
}

// do takes the steps in their order. A sysctl that fails does not keep the
// others from being set, but where arp_ignore is not set the VIP is not added
// either: the host would answer for it, in the director's place. What follows
// another failure is not tried: each of these steps relies on the one before. The error
// is the first failure.
func (k kernel) do(steps []step) (all []Outcome, first error) {
	loud, stopped := false, false
	for _, s := range steps {
		o := Outcome{Item: s.item.String(), Result: s.result, Was: s.was, Is: s.is}
		if s.item.Address.IsValid() && loud && s.result == Set {
			stopped = true
			o.Note = "without arp_ignore this host would answer ARP requests for the VIP"
		}
		switch {
		case s.result == LeftAlone:
			o.Note = fmt.Sprintf("somebody has changed it since; it was %s before the first start", s.before)
		case s.result == Kept:
			o.Note = "another VIP needs it"
		case s.result != Set:
		case stopped:
			o.Result, o.Is = NotTried, s.was
		default:
			got, err := k.set(s.item, s.is)
			o.Is = got
			if got != s.is && err == nil {
				o.Note = "the kernel keeps it as long as its module is loaded"
			}
			if err != nil {
				o.Result, o.Is, o.Note = Failed, s.was, err.Error()
				first = cmp.Or(first, err)
				loud = loud || s.item == conf4("all", "arp_ignore")
				stopped = s.item.Sysctl == ""
			}
		}
		all = append(all, o)
	}
	return all, first
}

// Stop restores, value by value, what the VIP's first start found. Without a
// record it changes nothing. The record is kept where something failed, so that
// stop can be tried again. An error means that nothing was changed.
func (h *Host) Stop(vip netip.Addr) (*Report, error) {
	failed := func(err error) error { return fmt.Errorf("stop real server %s: %w", vip, hint(err)) }
	report := &Report{VIP: vip, Outcomes: []Outcome{}}
	lock, err := h.records.lock()
	if err == nil {
		defer lock.Close()
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, failed(err)
	}
	rec, note, err := h.own(vip)
	if err != nil {
		return nil, failed(err)
	}
	if rec == nil {
		if note == "" {
			note = fmt.Sprintf("no start is recorded in %s", h.records.dir)
		}
		report.Notes = append(report.Notes, note+", so nothing is taken back")
		return report, nil
	}
	others, err := h.records.others(vip, h.epoch)
	if err != nil {
		return nil, failed(err)
	}
	v, err := h.kernel.look()
	if err != nil {
		return nil, failed(err)
	}
	found := map[Item]string{}
	for _, c := range rec.Changes {
		if found[c.Item], err = v.get(c.Item); err != nil {
			found[c.Item] = Absent // its interface has gone
		}
	}
	report.Outcomes, _ = h.kernel.do(planStop(rec.Changes, found, others)) // they say what failed
	if report.OK() {
		if err := h.records.remove(vip); err != nil {
			return nil, failed(err)
		}
	}
	return report, nil
}
