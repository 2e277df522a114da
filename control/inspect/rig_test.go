package inspect

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/health"
	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/notify"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

const (
	vip    = "192.168.1.100"
	client = "10.0.0.7"
	rs1    = "192.168.1.11"
	rs2    = "192.168.1.12"
	second = int64(time.Second)
)

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

// config has a service that rotates, one that is persistent, and one of UDP. The
// second server is checked.
const config = `
virtual_server 192.168.1.100 80 {
    lb_algo rr
    lb_kind DR
    protocol TCP
    persistence_timeout 0
    real_server 192.168.1.11 80 {
        weight 3
    }
    real_server 192.168.1.12 80 {
        TCP_CHECK {
        }
    }
}
virtual_server 192.168.1.100 443 {
    lb_algo rr
    lb_kind DR
    protocol TCP
    real_server 192.168.1.11 443 {
    }
}
virtual_server 192.168.1.100 53 {
    lb_algo rr
    lb_kind DR
    protocol UDP
    persistence_timeout 0
    real_server 192.168.1.11 53 {
    }
}
`

// ports answers an Inspector's questions about interfaces.
type ports struct{}

func (ports) Stats() map[string]dataplane.NICStats {
	return map[string]dataplane.NICStats{"eth0": {Received: 7, Sent: 5}}
}
func (ports) Name(i int) string { return map[int]string{2: "eth0"}[i] }

// A rig is an Inspector of a director that nothing runs.
type rig struct {
	*testing.T
	*Inspector
	view    View
	now     int64
	scratch *dataplane.Scratch
	log     []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: 1 << 12}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, now: 1000 * second, scratch: d.NewScratch(0)}
	r.Inspector = &Inspector{TakenOver: func() *api.TakenOver { return nil }, Engine: d, View: func() *View { return &r.view }, Now: func() int64 { return r.now },
		Wall: func(at int64) time.Time { return time.Unix(0, at).UTC() }, NICs: ports{},
		ARP: func() map[string]uint64 { return map[string]uint64{"answered": 4} },
		Check: func(id string) (check.State, bool) {
			return check.State{ID: id, Kind: "TCP_CHECK", Attempts: 9, Took: time.Second / 4, LastError: "refused"}, strings.Contains(id, rs2)
		},
		Notified: func() notify.Stats { return notify.Stats{Run: 7, Failed: 2, Dropped: 1, Lines: 30, LostLine: 4} },
		Log:      func(text string, attrs ...any) { r.log = append(r.log, text+" "+fmt.Sprint(attrs...)) }}
	r.Admin = director.New(d, r.Now)
	cfg, _, err := keepalived.Load("test.conf", keepalived.Options{IPv6: true, Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(config)), nil },
	}})
	if err != nil {
		t.Fatal(err)
	}
	eth0 := hostnet.Link{Name: "eth0", Index: 2, MAC: frame.MAC{2, 0, 0, 0, 0, 2}, MTU: 1500, Up: true, Kind: "device"}
	r.view = View{State: site.New(site.Options{}), Version: "test", Started: time.Unix(1, 0), Reloads: 2, Refused: 1, Workers: 3, Active: true, Local: "off", Problems: []string{"a problem"}}
	r.apply(site.Loaded{Config: cfg, Host: &hostnet.Snapshot{Links: []hostnet.Link{eth0},
		Addrs:  []hostnet.Addr{{Link: 2, Prefix: netip.MustParsePrefix("192.168.1.10/24")}},
		Routes: []hostnet.Route{{To: netip.MustParsePrefix("192.168.1.0/24"), Link: 2, Source: ip("192.168.1.10")}}}})
	for _, a := range []string{rs1, rs2} {
		r.apply(site.Neighbour{Addr: ip(a), Ifindex: 2, MAC: frame.MAC{2, 0, 0, 0, 1, 1}})
		d.SetNeighbour(frame.AddrFrom(ip(a)), frame.MAC{2, 0, 0, 0, 1, 1}, dataplane.Link{Index: 2, MAC: eth0.MAC, MTU: 1500})
	}
	d.SetVIPs([]frame.Addr{frame.AddrFrom(ip(vip))})
	return r
}

// apply makes the State the one after an event, and the engine's services those of
// its table.
func (r *rig) apply(e site.Event) {
	r.Helper()
	next, _, err := r.view.State.Apply(e)
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range site.Diff(r.view.State.Table(), next.Table()) {
		k := e.Service.Key
		switch e.Op {
		case site.AddService:
			err = r.Engine.AddService(e.Service)
		case site.DelService:
			err = r.Engine.DelService(k, r.now)
		case site.AddServer:
			err = r.Engine.AddServer(k, e.Server)
		case site.DelServer:
			err = r.Engine.DelServer(k, e.Server.Addr, e.Server.Port, r.now)
		default:
			err = fmt.Errorf("%v: not foreseen", e.Op)
		}
		if err != nil {
			r.Fatal(err)
		}
	}
	r.view.State = next
}

// send has the director decide about a client's segment with these flags.
func (r *rig) send(port, to uint16, flags string) {
	b := dataplane.NewBatch()
	b.In = 2
	data := build.TCP{Src: netip.AddrPortFrom(ip(client), port), Dst: netip.AddrPortFrom(ip(vip), to), Flags: flags}.Bytes()
	b.Packets = append(b.Packets, dataplane.Packet{Data: data})
	r.Engine.Process(r.scratch, b, r.now)
}

// question is about the client and a port of the VIP.
func question(port, to uint16) api.Question {
	return api.Question{Client: ip(client), ClientPort: port, VIP: ip(vip), Port: to}
}

// down says that the checks of the second server fail.
func (r *rig) down() {
	r.apply(site.Checked{ID: r.view.State.Checks()[0].ID, Result: health.Result{Reason: "connection refused"}})
}
