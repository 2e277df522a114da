package control

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"lvsdr/arp"
	"lvsdr/conntrack"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// deafSender sends nowhere.
type deafSender struct{}

func (deafSender) Send(int32, []byte) error { return nil }

// testManager is a manager without sockets that has a configuration in force.
func testManager(t *testing.T, text string) *manager {
	t.Helper()
	m := &manager{log: slog.New(slog.DiscardHandler), started: time.Now(),
		down: map[string]error{}, downChecks: map[string]error{}, ports: map[int]*ports{}, cfg: loadText(t, text), plan: planOf(t, text)}
	var err error
	if m.director, err = dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: conntrack.MinLimit}}); err != nil {
		t.Fatal(err)
	}
	if m.arp, err = arp.New(arp.Config{Sender: deafSender{}}); err != nil {
		t.Fatal(err)
	}
	m.checks = check.New(check.Config{OnChange: m.checked})
	t.Cleanup(m.checks.Close)
	if err := m.setChecks(m.cfg, m.plan); err != nil {
		t.Fatal(err)
	}
	m.admin = director.New(m.director, func() int64 { return 0 })
	if err := apply(m.director, m.plan.wanted(m.up), 0); err != nil {
		t.Fatal(err)
	}
	return m
}

// The ports went from the map without the lock while the control socket, which
// does not wait for its last requests, walked through it.
func TestStatusIsAskedWhileTheDirectorEnds(t *testing.T) {
	m := testManager(t, service("192.168.1.11"))
	for i := range 1000 {
		m.ports[i] = &ports{}
	}
	var asking sync.WaitGroup
	asked := make(chan struct{})
	asking.Go(func() {
		m.Status()
		close(asked)
		for range 200 {
			m.Status()
		}
	})
	<-asked
	if err := m.close(); err != nil {
		t.Error(err)
	}
	asking.Wait()
	if n := len(m.Status().Ports); n != 0 {
		t.Errorf("%d ports are left", n)
	}
}

// A report that was on its way when a reload took the checks from a server made
// it down for ever: nobody was left to report that it is up.
func TestAReportAboutAServerThatIsNotCheckedAnyMoreChangesNothing(t *testing.T) {
	m := testManager(t, service("192.168.1.11"))
	name := m.plan.services[0].servers[0].name
	m.checked(check.Change{ID: name + " TCP_CHECK#1", Result: check.Result{Err: errors.New("connection refused")}})
	if !m.up(name) || len(m.down) != 0 {
		t.Errorf("down: %v", m.down)
	}
	if s := m.director.Services(); len(s[0].Servers) != 1 {
		t.Errorf("servers: %+v", s[0].Servers)
	}
}

func TestAReportAboutACheckedServerCounts(t *testing.T) {
	m := testManager(t, service("192.168.1.11 TCP_CHECK {;connect_port 1;warmup 3600;}"))
	name := m.plan.services[0].servers[0].name
	m.checked(check.Change{ID: name + " TCP_CHECK#1", Result: check.Result{Err: errors.New("connection refused")}})
	if m.up(name) || len(m.director.Services()[0].Servers) != 0 {
		t.Errorf("%s is not taken out", name)
	}
	m.checked(check.Change{ID: name + " TCP_CHECK#1", Up: true})
	if !m.up(name) || len(m.director.Services()[0].Servers) != 1 {
		t.Errorf("%s is not put back", name)
	}
}

// A change that was on its way when a reload moved the server to another
// interface gave it the MAC address it had on the old one.
func TestANeighbourChangeIsForItsInterfaceOnly(t *testing.T) {
	m := testManager(t, service("192.168.1.11"))
	mac := func() frame.MAC { return m.director.Services()[0].Servers[0].MAC }
	change := arp.Change{IP: netip.MustParseAddr("192.168.1.11"), Ifindex: int32(eth1.Index), New: frame.MAC{2, 0, 0, 0, 0, 9}}
	m.neighbour(change)
	if mac() != (frame.MAC{}) {
		t.Errorf("the server on eth0 has the MAC address %v of one on eth1", mac())
	}
	change.Ifindex = int32(eth0.Index)
	m.neighbour(change)
	if mac() != change.New {
		t.Errorf("the server has the MAC address %v, want %v", mac(), change.New)
	}
}

// A configuration without lvs_timeouts left those of the one before it in force,
// also of one that was refused half-way.
func TestTimeoutsAreThoseOfTheConfigurationAlone(t *testing.T) {
	d := testManager(t, service("192.168.1.11")).director
	setTimeouts(d, keepalived.Timeouts{TCP: 60, UDP: 5})
	want := conntrack.DefaultTimeouts()
	want.Set(60, 0, 5)
	if got := d.Timeouts(); got != want {
		t.Errorf("timeouts %+v, want %+v", got, want)
	}
	setTimeouts(d, keepalived.Timeouts{})
	if got := d.Timeouts(); got != conntrack.DefaultTimeouts() {
		t.Errorf("timeouts %+v, want the defaults", got)
	}
}

func TestTheDirectorForgetsTheNeighboursOfAnEarlierConfiguration(t *testing.T) {
	m := testManager(t, service("192.168.1.11", "192.168.1.12"))
	for addr, at := range m.plan.servers {
		m.neighbour(arp.Change{IP: addr, Ifindex: int32(at.link.Index), New: frame.MAC{2, 0, 0, 0, 0, 9}})
	}
	m.forgetNeighbours(planOf(t, service("192.168.1.12")))
	for _, s := range m.director.Services()[0].Servers {
		if known := s.MAC != (frame.MAC{}); known != (s.Config.Addr == frame.AddrFrom(netip.MustParseAddr("192.168.1.12"))) {
			t.Errorf("%s has the MAC address %v", s.Config.Addr, s.MAC)
		}
	}
}
