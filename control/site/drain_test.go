package site

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/control/health"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// A drainStory is a site whose table is looked at as "SERVER*WEIGHT ...", sorted as
// it is.
type drainStory struct {
	*testing.T
	s *State
}

func newDrainStory(t *testing.T, text string) *drainStory {
	d := &drainStory{t, New(Options{})}
	d.load(text)
	return d
}

func (d *drainStory) load(text string) {
	d.Helper()
	d.apply(Loaded{Config: config(d, text), Host: network()})
}

func (d *drainStory) apply(e Event) (err error) {
	d.s, _, err = d.s.Apply(e)
	return err
}

// edit asks for an edit of server 192.168.1.NUMBER in the service of web.
func (d *drainStory) edit(op Op, number string, weight int) error {
	k := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(netip.MustParseAddr("192.168.1.100")), Port: 80}
	return d.apply(Admin{[]Edit{{Op: op, Service: dataplane.ServiceConfig{Key: k, Scheduler: "rr"},
		Server: dataplane.ServerConfig{Addr: frame.AddrFrom(netip.MustParseAddr("192.168.1." + number)), Port: 80, Weight: weight}}}})
}

// check is the outcome of the checks of server NUMBER.
func (d *drainStory) check(number string, up bool) {
	for _, c := range d.s.Checks() {
		if strings.HasPrefix(c.ID, "[192.168.1."+number+"]") {
			r := health.Result{Up: up, Reason: "refused"}
			_ = d.apply(Checked{ID: c.ID, Result: r})
		}
	}
}

func (d *drainStory) table() string {
	var all []string
	for s := range d.s.Table().All() {
		for _, r := range s.Servers {
			all = append(all, fmt.Sprintf("%s*%d", strings.TrimPrefix(r.Config.Addr.String(), "192.168.1."), r.Config.Weight))
		}
	}
	return strings.Join(all, " ")
}

const drainChecks = " TCP_CHECK { ; connect_port 1 ; }"

// A drained server gets weight 0 and keeps it, whatever its health and the file do;
// undone, it has what it is due.
func TestADrainedServerStaysDrained(t *testing.T) {
	two := web("11 weight 3;"+drainChecks, "12 weight 2;"+drainChecks)
	for _, c := range []struct {
		law  string
		do   func(d *drainStory)
		want string
	}{
		{"it has weight 0", func(*drainStory) {}, "12*2 11*0"},
		{"after its check failed it is not there", func(d *drainStory) { d.check("11", false) }, "12*2"},
		{"after a flap it has weight 0 again", func(d *drainStory) { d.check("11", false); d.check("11", true) }, "11*0 12*2"},
		{"a reload of the same file leaves it", func(d *drainStory) { d.load(two) }, "12*2 11*0"},
		{"a reload with another weight leaves it", func(d *drainStory) { d.load(strings.Replace(two, "weight 3", "weight 7", 1)) }, "12*2 11*0"},
		{"a reload with more servers leaves it", func(d *drainStory) { d.load(web("11 weight 3;"+drainChecks, "12 weight 2;"+drainChecks, "13")) }, "13*1 12*2 11*0"},
		{"drained twice it is drained once", func(d *drainStory) { _ = d.edit(Drain, "11", 0) }, "12*2 11*0"},
		{"undone it has its weight", func(d *drainStory) { _ = d.edit(Undrain, "11", 0) }, "12*2 11*3"},
		{"undone after a reload it has the new weight", func(d *drainStory) {
			d.load(strings.Replace(two, "weight 3", "weight 7", 1))
			_ = d.edit(Undrain, "11", 0)
		}, "12*2 11*7"},
		{"undone while it is down it is not there", func(d *drainStory) { d.check("11", false); _ = d.edit(Undrain, "11", 0) }, "12*2"},
		{"drained while down it comes back with weight 0", func(d *drainStory) {
			_ = d.edit(Undrain, "11", 0)
			d.check("11", false)
			_ = d.edit(Drain, "11", 0)
			d.check("11", true)
		}, "11*0 12*2"},
		{"removed it is gone", func(d *drainStory) { _ = d.edit(DelServer, "11", 0) }, "12*2"},
		{"removed it does not come back with its health", func(d *drainStory) {
			_ = d.edit(DelServer, "11", 0)
			d.check("11", false)
			d.check("11", true)
		}, "12*2"},
		{"nor with a reload", func(d *drainStory) {
			_ = d.edit(DelServer, "11", 0)
			d.load(strings.Replace(two, "weight 3", "weight 7", 1))
		}, "12*2"},
		{"undone after the removal it is back", func(d *drainStory) { _ = d.edit(DelServer, "11", 0); _ = d.edit(Undrain, "11", 0) }, "11*3 12*2"},
		{"an edit ends the draining", func(d *drainStory) { _ = d.edit(EditServer, "11", 5) }, "12*2 11*5"},
		{"an edit that is refused does not", func(d *drainStory) { _ = d.edit(EditServer, "11", -1) }, "12*2 11*0"},
		{"after an edit its health follows the file", func(d *drainStory) {
			_ = d.edit(EditServer, "11", 5)
			d.check("11", false)
			d.check("11", true)
		}, "11*3 12*2"},
		{"a file without it ends it", func(d *drainStory) {
			d.load(web("12 weight 2;" + drainChecks))
			d.load(two)
		}, "11*3 12*2"},
		{"a service that is removed takes it along", func(d *drainStory) {
			_ = d.edit(DelService, "11", 0)
			d.load(strings.ReplaceAll(two, "lb_algo rr", "lb_algo wrr"))
		}, "12*2 11*3"},
		{"a weight that ipvsadm gave is drained, too", func(d *drainStory) {
			_ = d.edit(EditServer, "12", 9)
			_ = d.edit(Drain, "12", 0)
		}, "12*0 11*0"},
	} {
		d := newDrainStory(t, two)
		if err := d.edit(Drain, "11", 0); err != nil {
			t.Fatal(err)
		}
		c.do(d)
		if got := d.table(); got != c.want {
			t.Errorf("%s: %s, want %s", c.law, got, c.want)
		}
	}
}

// A server that ipvsadm added is drained too, and has its weight again when that is
// undone.
func TestAServerOfIpvsadmIsDrained(t *testing.T) {
	d := newDrainStory(t, web("11"))
	for i, c := range []struct {
		op     Op
		number string
		weight int
		want   string
	}{
		{AddServer, "14", 6, "14*6 11*1"},
		{Drain, "14", 0, "14*0 11*1"},
		{Undrain, "14", 0, "14*6 11*1"},
		{Drain, "14", 0, "14*0 11*1"},
		{DelServer, "14", 0, "11*1"},
		{AddServer, "14", 2, "14*2 11*1"},
	} {
		if err := d.edit(c.op, c.number, c.weight); err != nil {
			t.Errorf("edit %d: %v", i, err)
		}
		if got := d.table(); got != c.want {
			t.Errorf("edit %d: %s, want %s", i, got, c.want)
		}
	}
}

// What cannot be drained is refused, and nothing changes.
func TestDrainsThatMakeNoSenseAreRefused(t *testing.T) {
	d := newDrainStory(t, web("11"))
	was := d.table()
	for _, c := range []struct {
		op     Op
		number string
		want   error
	}{{Drain, "19", dataplane.ErrNoServer}, {Undrain, "11", ErrNotDrained}, {Undrain, "19", ErrNotDrained}} {
		if err := d.edit(c.op, c.number, 0); !errors.Is(err, c.want) || d.table() != was {
			t.Errorf("%v %s: %v, want %v; %s", c.op, c.number, err, c.want, d.table())
		}
	}
	k := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(netip.MustParseAddr("192.168.1.101")), Port: 80}
	if err := d.apply(Admin{[]Edit{{Op: Drain, Service: dataplane.ServiceConfig{Key: k}}}}); !errors.Is(err, dataplane.ErrNotDefined) {
		t.Errorf("no service: %v", err)
	}
}

// Drained servers do not count for the quorum: the sorry server serves beside them,
// which keep their connections.
func TestASorryServerServesWhileAllOthersAreDrained(t *testing.T) {
	d := newDrainStory(t, vs("192.168.1.100 80", "sorry_server 192.168.1.99 80", "192.168.1.11 80", "192.168.1.12 80"))
	for _, c := range []struct {
		op           Op
		number, want string
	}{
		{Drain, "11", "12*1 11*0"}, {Drain, "12", "99*1 12*0 11*0"}, {Undrain, "11", "12*0 11*1"}, {Undrain, "12", "12*1 11*1"},
	} {
		if err := d.edit(c.op, c.number, 0); err != nil {
			t.Fatal(err)
		}
		if got := d.table(); got != c.want {
			t.Errorf("%v %s: %s, want %s", c.op, c.number, got, c.want)
		}
	}
}

// A view says that a server is drained, also when it was removed.
func TestAViewShowsWhatIsDrained(t *testing.T) {
	d := newDrainStory(t, web("11", "12"))
	_ = d.edit(Drain, "11", 0)
	look := func() (all string) {
		for v := range d.s.Views() {
			for _, r := range v.Servers {
				all += fmt.Sprintf("%s %v %v;", strings.TrimPrefix(r.Config.Addr.String(), "192.168.1."), r.Drained, r.In)
			}
		}
		return all
	}
	if got := look(); got != "11 true true;12 false true;" {
		t.Error(got)
	}
	_ = d.edit(DelServer, "11", 0)
	if got := look(); got != "11 true false;12 false true;" {
		t.Error(got)
	}
}

// A service that ipvsadm removes takes its drains along: its servers count for its quorum from then on, and not only after
// the next reload. The news say so at once.
func TestARemovedServiceCountsItsDrainedServersAgain(t *testing.T) {
	for _, c := range []struct {
		law   string
		lines string
		drain []string
		up    bool // with the drains
		again bool // when they are forgotten
	}{
		{"one of two, and both are needed", "quorum 2", []string{"11"}, false, true},
		{"both of two, and one is needed", "quorum 1", []string{"11", "12"}, false, true},
		{"one of two, and one is needed", "quorum 1", []string{"11"}, true, true},
		{"more are needed than there are, which means all", "quorum 3", []string{"11"}, false, true},
		{"with a sorry server", "quorum 2;sorry_server 192.168.1.99 80", []string{"12"}, false, true},
	} {
		d := newDrainStory(t, vs("192.168.1.100 80", c.lines, "192.168.1.11 80", "192.168.1.12 80"))
		up := func() (is bool) {
			for _, x := range d.s.demands.All() {
				is = x.health.Up()
			}
			return is
		}
		for _, n := range c.drain {
			if err := d.edit(Drain, n, 0); err != nil {
				t.Fatal(err)
			}
		}
		if up() != c.up {
			t.Errorf("%s: drained, the quorum is met: %v", c.law, up())
		}
		e := Admin{[]Edit{{Op: DelService, Service: dataplane.ServiceConfig{Key: tcp("192.168.1.100", 80)}}}}
		next, notices, err := d.s.Apply(e)
		if err != nil {
			t.Fatal(err)
		}
		d.s = next
		if up() != c.again || d.s.drains.Len() != 0 {
			t.Errorf("%s: the service is removed, the quorum is met: %v, %d drains", c.law, up(), d.s.drains.Len())
		}
		if told := len(notices) > 0; told != (c.up != c.again) {
			t.Errorf("%s: notices %+v", c.law, notices)
		}
		if d.table() != "" {
			t.Errorf("%s: the table has %s", c.law, d.table())
		}
		lawOfState(t, d.s)
	}
}
