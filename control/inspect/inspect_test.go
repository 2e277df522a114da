package inspect

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/hostnet"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

func TestStatusJoinsWhatIsConfiguredInForceAndCounted(t *testing.T) {
	r := newRig(t)
	r.down()
	r.apply(site.Admin{Edits: []site.Edit{{Op: site.AddService, Service: dataplane.ServiceConfig{
		Key: dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(ip(vip)), Port: 8080}, Scheduler: "wlc"}}}})
	r.send(1000, 80, "S")
	st := r.Status()
	if st.Version != "test" || st.PID == 0 || !st.Active || st.Reloads != 2 || st.Local != "off" || !slices.Equal(st.Problems, []string{"a problem"}) ||
		!st.Time.Equal(time.Unix(1000, 0)) || st.Ports["eth0"].Received != 7 || st.ARP["answered"] != 4 || st.Reasons["scheduled"] != 1 ||
		st.Verdicts["scheduled"] != "forward" || st.Table.Entries != 1 || st.Refused != 1 || st.Workers != 3 ||
		st.Notify != (api.Notifications{Run: 7, Failed: 2, Dropped: 1, Lines: 30, LostLines: 4}) {
		t.Errorf("%+v", st)
	}
	if len(st.Services) != 4 {
		t.Fatalf("services %+v", st.Services)
	}
	s := st.Services[0]
	if s.String() != "tcp 192.168.1.100:80" || s.Owner != api.OwnedByFile || s.Interface != "eth0" || s.Traffic.Conns != 1 || len(s.Servers) != 2 {
		t.Fatalf("first service %+v", s)
	}
	up, down := s.Servers[0], s.Servers[1]
	if up.Address != ip(rs1) || up.Weight != 3 || up.Effective != 3 || !up.Up || up.Check != "none" || up.MAC == "" || up.Interface != "eth0" || up.Inactive+up.Active != 1 {
		t.Errorf("a server that works: %+v", up)
	}
	if down.Address != ip(rs2) || down.Weight != 1 || down.Effective != 0 || down.Up || down.Check != "connection refused" || down.MAC == "" ||
		len(down.Checks) != 1 || down.Checks[0].Attempts != 9 || down.Checks[0].Took != 0.25 {
		t.Errorf("a server that does not: %+v", down)
	}
	if p := st.Services[1]; !p.PersistenceDefault || p.Persistence != 120 {
		t.Errorf("a service that says nothing of persistence: %+v", p)
	}
	if s := st.Services[3]; s.Owner != api.OwnedAtRuntime || s.Port != 8080 || len(s.Servers) != 0 {
		t.Errorf("a service of ipvsadm's: %+v", s)
	}
}

// A server that was removed, or that is down, while it has connections is shown with
// them, and one that this host cannot reach with the reason.
func TestServersThatGetNothingAreShownWithTheReason(t *testing.T) {
	r := newRig(t)
	r.send(1000, 80, "S")
	r.send(1001, 80, "S")
	r.send(1002, 80, "S")
	r.send(1003, 80, "S")
	r.down()
	extra := dataplane.ServerConfig{Addr: frame.AddrFrom(ip("192.168.1.13")), Port: 80, Method: dataplane.Direct, Weight: 100}
	key := dataplane.ServiceKey{Proto: frame.ProtoTCP, Addr: frame.AddrFrom(ip(vip)), Port: 80}
	r.apply(site.Admin{Edits: []site.Edit{{Op: site.AddServer, Service: dataplane.ServiceConfig{Key: key}, Server: extra}}})
	r.Engine.SetNeighbour(extra.Addr, frame.MAC{2, 0, 0, 0, 1, 3}, dataplane.Link{Index: 2, MAC: frame.MAC{2}, MTU: 1500})
	for port := uint16(2000); port < 2003; port++ {
		r.send(port, 80, "S")
	}
	r.apply(site.Admin{Edits: []site.Edit{{Op: site.DelServer, Service: dataplane.ServiceConfig{Key: key}, Server: extra}}})
	servers := r.Status().Services[0].Servers
	if len(servers) != 3 {
		t.Fatalf("servers %+v", servers)
	}
	down, gone := servers[1], servers[2]
	if down.Address != ip(rs2) || down.Up || down.Removed || down.Active+down.Inactive == 0 || down.Traffic.Conns == 0 || down.StateText() != "down: connection refused" {
		t.Errorf("the one that is down: %+v", down)
	}
	if gone.Address != ip("192.168.1.13") || !gone.Removed || gone.Active+gone.Inactive == 0 || gone.Weight != 0 || gone.StateWord() != api.StateRemoved {
		t.Errorf("the one that was removed: %+v", gone)
	}
	x, err := r.Explain(question(1, 80))
	if err != nil || len(x.Service.Servers) != 3 || x.Service.Servers[2].StateWord() != api.StateRemoved {
		t.Errorf("explained: %+v, %v", x, err)
	}
	r.apply(site.HostChanged{Host: &hostnet.Snapshot{}})
	for _, s := range r.Status().Services[0].Servers[:2] {
		if s.StateWord() != api.StateLeftOut || s.Problem == "" || s.Effective != 0 {
			t.Errorf("without an interface: %+v", s)
		}
	}
}

func TestExplainOfANewConnection(t *testing.T) {
	r := newRig(t)
	x, err := r.Explain(question(0, 80))
	if err != nil {
		t.Fatal(err)
	}
	if !x.AnyPort || x.ClientPort != anyPort || x.Packet != "SYN" || x.Protocol != "tcp" || x.Reason != "scheduled" || x.Server == nil || !x.Asked ||
		x.Server.Interface != "eth0" || x.Service == nil || x.Connection != nil {
		t.Errorf("%+v", x)
	}
	r.send(anyPort, 80, "S")
	r.send(anyPort+1, 80, "S")
	if x, err = r.Explain(question(0, 80)); err != nil || x.ClientPort != anyPort+2 || x.Connection != nil {
		t.Errorf("with connections from the first ports: %+v, %v", x, err)
	}
}

// The servers come in the scheduler's order, those not in use last, and what is
// configured of the chosen one is said too.
func TestExplainListsTheServersAsTheSchedulerSeesThem(t *testing.T) {
	r := newRig(t)
	x, err := r.Explain(question(1, 80))
	if err != nil || x.Service == nil {
		t.Fatal(err)
	}
	engine := r.Engine.Services()
	i := slices.IndexFunc(engine, func(s dataplane.ServiceStatus) bool { return s.Config.Key.Port == 80 })
	for j, s := range engine[i].Servers {
		if x.Service.Servers[j].Address != s.Config.Addr.IP() {
			t.Errorf("server %d is %s, the scheduler has %s", j, x.Service.Servers[j].Address, s.Config.Addr)
		}
	}
	r.down()
	if x, err = r.Explain(question(1, 80)); err != nil || x.Service.Servers[1].Address != ip(rs2) || x.Server.Address != ip(rs1) || x.Server.Weight != 3 {
		t.Errorf("with a server down: %+v, %v", x, err)
	}
}

func TestExplainOfAKnownConnection(t *testing.T) {
	r := newRig(t)
	r.send(1000, 80, "S")
	r.send(1000, 80, "A")
	x, err := r.Explain(question(1000, 80))
	if err != nil || x.AnyPort || x.Packet != "ACK" || x.Reason != "hit" || x.Connection == nil || x.Connection.State != "ESTABLISHED" || x.Anew != nil || x.Asked {
		t.Errorf("an open one: %+v, %v", x, err)
	}
	r.send(1000, 80, "FA")
	x, err = r.Explain(question(1000, 80))
	if err != nil || x.Packet != "ACK" || x.Connection == nil || x.Anew == nil || x.Anew.Packet != "SYN" {
		t.Errorf("a closing one: %+v, %v", x, err)
	}
}

func TestExplainChoosesTheProtocolOfTheService(t *testing.T) {
	r := newRig(t)
	for port, want := range map[uint16]string{53: "udp", 80: "tcp", 81: "tcp"} {
		if x, err := r.Explain(question(1, port)); err != nil || x.Protocol != want {
			t.Errorf("port %d: %+v, %v", port, x, err)
		}
	}
}

func TestExplainSaysWhatThereIsElsewhere(t *testing.T) {
	r := newRig(t)
	x, err := r.Explain(question(1, 81))
	if err != nil || x.Service != nil || x.Server != nil || !x.OurVIP || !slices.Equal(x.Elsewhere, []string{"tcp 192.168.1.100:80", "tcp 192.168.1.100:443", "udp 192.168.1.100:53"}) {
		t.Errorf("%+v, %v", x, err)
	}
	q := question(1, 80)
	q.VIP = ip("192.168.1.99")
	if x, err = r.Explain(q); err != nil || x.OurVIP || x.Reason != "not-ours" || len(x.Elsewhere) != 3 {
		t.Errorf("%+v, %v", x, err)
	}
}

func TestExplainRefusesWhatMakesNoSense(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		q    api.Question
		text string
	}{
		{api.Question{Client: ip(client)}, "needs a client and a service"},
		{api.Question{Client: ip("2001:db8::1"), VIP: ip(vip)}, "one address family"},
		{api.Question{VIP: ip(vip)}, "one address family"},
		{api.Question{Client: ip(client), VIP: ip(vip), Protocol: "icmp"}, "not tcp, udp or sctp"},
	} {
		if _, err := r.Explain(c.q); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%+v: %v", c.q, err)
		}
	}
}

func TestPersistenceSaysWhatBindsAClient(t *testing.T) {
	r := newRig(t)
	r.send(1000, 443, "S")
	r.send(1001, 443, "S")
	r.send(1002, 80, "S")
	all, err := r.Persistence(api.Question{Client: ip(client)})
	if err != nil || len(all.Services) != 3 {
		t.Fatalf("%+v, %v", all, err)
	}
	q := question(0, 443)
	p, err := r.Persistence(q)
	if err != nil || len(p.Services) != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	s := p.Services[0]
	if s.Template == nil || s.Template.Server != ip(rs1) || len(s.Connections) != 2 || !s.FromDefault || s.Persistence != 120 || s.Granularity != client+"/32" {
		t.Errorf("%+v", s)
	}
	q.Port = 81
	if _, err := r.Persistence(q); err == nil || !strings.Contains(err.Error(), "no service at") || !strings.Contains(err.Error(), "tcp 192.168.1.100:443") {
		t.Errorf("error %v", err)
	}
}

func TestATraceShowsTheFramesThatAreWanted(t *testing.T) {
	r := newRig(t)
	if _, err := r.Trace(api.TraceQuestion{Filter: "port"}); err == nil {
		t.Error("a filter that makes no sense was taken")
	}
	src, err := r.Trace(api.TraceQuestion{Filter: "reason scheduled"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Trace(api.TraceQuestion{}); !errors.Is(err, api.ErrBusy) {
		t.Errorf("a second trace: %v", err)
	}
	r.send(1000, 80, "S")
	r.send(1000, 81, "S")
	lines, err := src.Next(t.Context())
	if err != nil || len(lines) != 1 {
		t.Fatalf("%+v, %v", lines, err)
	}
	if l := lines[0]; l.In != "eth0" || l.Out != "eth0" || l.Protocol != "tcp" || l.Flags != "S" || l.Src != client || l.DstPort != 80 ||
		l.Reason != "scheduled" || l.Verdict != "forward" || l.Server == "" || !l.Time.Equal(time.Unix(1000, 0)) {
		t.Errorf("%+v", l)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
	src.Close()
	if src, err = r.Trace(api.TraceQuestion{}); err != nil {
		t.Errorf("after the first has ended: %v", err)
	} else {
		src.Close()
	}
	if len(r.log) != 4 {
		t.Errorf("log %q", r.log)
	}
}

func TestFlagsAreWrittenAsTcpdumpDoes(t *testing.T) {
	for flags, want := range map[uint8]string{frame.SYN: "S", frame.SYN | frame.ACK: "S.", frame.ACK: ".", frame.FIN | frame.ACK: "F.",
		frame.RST: "R", frame.PSH | frame.ACK | frame.URG: "PU.", 0: ""} {
		if got := flagsText(flags); got != want {
			t.Errorf("%08b: %q, want %q", flags, got, want)
		}
	}
}

// A server whose check this host cannot make stays as it was; the status says so
// from the second time on, one line for each cause.
func TestStatusTellsOfChecksThatCannotBeMade(t *testing.T) {
	for _, tt := range []struct {
		name     string
		notMade  int
		err      string
		down     bool
		check    string
		state    string
		problems []string
	}{
		{"made", 0, "", false, "ok", "up", nil},
		{"not made once", 1, "check not made: connect 192.168.1.12:80: bindto 10.0.0.1: no", false, "ok", "up", nil},
		{"not made again", 2, "check not made: connect 192.168.1.12:80: bindto 10.0.0.1: no", false, "not made: bindto 10.0.0.1: no", "up, check not made",
			[]string{rs2 + ":80: the health check cannot be made, and what was known before stays: bindto 10.0.0.1: no"}},
		{"not made for another reason", 9, "check not made: no descriptors", false, "not made: no descriptors", "up, check not made",
			[]string{rs2 + ":80: the health check cannot be made, and what was known before stays: no descriptors"}},
		{"not made, and down before", 9, "check not made: no descriptors", true, "connection refused", "down: connection refused", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.Check = func(id string) (check.State, bool) {
				return check.State{ID: id, Kind: "TCP_CHECK", Made: tt.notMade == 0, NotMade: tt.notMade, LastError: tt.err}, strings.Contains(id, rs2)
			}
			if tt.down {
				r.down()
			}
			st := r.Status()
			if s := st.Services[0].Servers[1]; s.Check != tt.check || s.StateText() != tt.state {
				t.Errorf("check %q, state %q", s.Check, s.StateText())
			}
			if want := append([]string{"a problem"}, tt.problems...); !slices.Equal(st.Problems, want) {
				t.Errorf("problems %q, want %q", st.Problems, want)
			}
		})
	}
}
