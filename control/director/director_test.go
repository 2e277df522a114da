package director_test

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/director"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/scheduler"
)

func TestEditsAreRefusedInTheKernelsWords(t *testing.T) {
	for _, test := range []struct {
		law  string
		edit api.Edit
		want error
		text string
	}{
		{"a service twice", api.Edit{Op: api.AddService, Service: service(web, "rr")}, api.ErrServiceExists, "Service already exists"},
		{"a scheduler that does not exist", api.Edit{Op: api.AddService, Service: service(mark, "nosuch")}, api.ErrScheduler, "Scheduler or persistence engine not found"},
		{"an edit of no service", api.Edit{Op: api.EditService, Service: service(mark, "rr")}, api.ErrNoService, "No such service"},
		{"the end of no service", api.Edit{Op: api.DelService, Service: service(mark, "")}, api.ErrNoService, "No such service"},
		{"counters of no service", api.Edit{Op: api.Zero, Service: service(mark, "")}, api.ErrNoService, "No such service"},
		{"a server of no service", api.Edit{Op: api.AddServer, Service: service(mark, ""), Server: server("10.0.0.1", 1)}, api.ErrNotDefined, "Service not defined"},
		{"a server twice", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: server("10.0.0.1", 1)}, api.ErrServerExists, "Destination already exists"},
		{"an edit of no server", api.Edit{Op: api.EditServer, Service: service(web, ""), Server: server("10.0.0.2", 1)}, api.ErrNoServer, "No such destination"},
		{"the end of no server", api.Edit{Op: api.DelServer, Service: service(web, ""), Server: server("10.0.0.2", 1)}, api.ErrNoServer, "No such destination"},
		{"thresholds the wrong way round", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: api.ServerConfig{Address: addr("10.0.0.2"), Upper: 1, Lower: 2}}, api.ErrRange, "Numerical result out of range"},
		{"a negative weight", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: server("10.0.0.2", -1)}, api.ErrRange, "Numerical result out of range"},
		{"a weight of more than 31 bits", api.Edit{Op: api.EditServer, Service: service(web, ""), Server: server("10.0.0.1", 1<<31)}, api.ErrRange, "Numerical result out of range"},
		{"a negative timeout", api.Edit{Op: api.SetTimeouts, Timeouts: api.Timeouts{UDP: -1}}, nil, "timeout -1: not 0 to 2678400 seconds"},
		{"a server that is no host", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: server("224.0.0.1", 1)}, api.ErrAddress, "Invalid operation.  Possibly wrong module version, address not unicast, ..."},
		{"a tunnel of no kind", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: api.ServerConfig{Address: addr("10.0.0.2"), Method: api.Tunnel, Encap: api.Encap{Kind: "sit"}}}, api.ErrUnsupported, "the forwarding method tunnel is not supported"},
		{"a tunnel's checksum that does not exist", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: api.ServerConfig{Address: addr("10.0.0.2"), Method: api.Tunnel, Encap: api.Encap{Kind: "gre", Checksum: "crc"}}}, api.ErrUnsupported, "the tunnel checksum crc is not supported"},
		{"a method that does not exist", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: api.ServerConfig{Address: addr("10.0.0.2"), Method: "magic"}}, api.ErrUnsupported, "the forwarding method magic is not supported"},
		{"an edit that does not exist", api.Edit{Op: "dance", Service: service(web, ""), Server: server("10.0.0.1", 1)}, api.ErrUnsupported, "the edit dance is not supported"},
		{"a protocol that does not exist", api.Edit{Op: api.AddService, Service: service(api.ServiceKey{Protocol: "icmp", Address: addr("192.0.2.1")}, "rr")}, nil, `protocol "icmp": not tcp, udp or sctp`},
		{"a service without address", api.Edit{Op: api.DelService, Service: service(api.ServiceKey{Protocol: "tcp"}, "")}, nil, "a service has an address without zone, or a firewall mark"},
		{"a server without address", api.Edit{Op: api.DelServer, Service: service(web, "")}, nil, "a real server has an address without zone"},
		{"a tunnel that does not exist", api.Edit{Op: api.AddServer, Service: service(web, ""), Server: api.ServerConfig{Address: addr("10.0.0.2"), Method: api.Tunnel, Encap: api.Encap{Kind: "vxlan"}}}, api.ErrUnsupported, "the forwarding method tunnel is not supported"},
		{"a persistence engine", api.Edit{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: mark, Scheduler: "rr", Engine: "sip"}}, api.ErrScheduler, "Scheduler or persistence engine not found"},
		{"a persistence engine of a service that is there", api.Edit{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: web, Scheduler: "rr", Engine: "sip"}}, api.ErrServiceExists, "Service already exists"},
		{"a flag of another scheduler", api.Edit{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: mark, Scheduler: "rr", Flags: "sh-port"}}, nil, "incompatible scheduler flag `sh-port'"},
		{"persistence for ever", api.Edit{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: mark, Scheduler: "rr", Persistence: 1 << 30}}, nil, "persistence 1073741824: not 0 to 2678400 seconds"},
		{"a mask of the other family", api.Edit{Op: api.AddService, Service: api.ServiceConfig{ServiceKey: mark, Scheduler: "rr", Persistence: 5, Netmask: addr("255.0.0.0")}}, nil, "netmask 255.0.0.0: not of the service's address family"},
	} {
		t.Run(test.law, func(t *testing.T) {
			d, engine := newDirector(t)
			must(t, d, api.Edit{Op: api.AddService, Service: service(web, "rr")}, api.Edit{Op: api.AddServer, Service: service(web, ""), Server: server("10.0.0.1", 1)})
			before := engine.Services()
			err := edit(t, d, test.edit)
			if err == nil || err.Error() != test.text || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("%v, want %s", err, test.text)
			}
			if after := engine.Services(); !reflect.DeepEqual(after, before) {
				t.Errorf("it was refused, and yet\n%+v\nbecame\n%+v", before, after)
			}
		})
	}
}

func TestOneRefusalDoesNotKeepTheOthersBack(t *testing.T) {
	d, engine := newDirector(t)
	refused, err := d.Edit(t.Context(), []api.Edit{
		{Op: api.AddService, Service: service(web, "rr")},
		{Op: api.AddService, Service: service(web, "rr")},
		{Op: api.AddServer, Service: service(web, ""), Server: server("10.0.0.1", 3)},
		{Op: api.AddService, Service: service(mark, "wlc")},
	})
	if err != nil || refused[0] != nil || !errors.Is(refused[1], api.ErrServiceExists) || refused[2] != nil || refused[3] != nil {
		t.Errorf("%v, %v", refused, err)
	}
	if all := engine.Services(); len(all) != 2 || len(all[0].Servers) != 1 {
		t.Errorf("%+v", all)
	}
}

func TestEditsDoWhatTheySay(t *testing.T) {
	d, _ := newDirector(t)
	must(t, d, api.Edit{Op: api.AddService, Service: service(web, "rr")}, api.Edit{Op: api.AddService, Service: service(mark, "rr")},
		api.Edit{Op: api.AddServer, Service: service(web, ""), Server: server("10.0.0.1", 1)}, api.Edit{Op: api.AddServer, Service: service(web, ""), Server: server("10.0.0.2", 1)},
		api.Edit{Op: api.EditServer, Service: service(web, ""), Server: api.ServerConfig{Address: addr("10.0.0.1"), Port: 80, Weight: 9, Upper: 5, Lower: 4}},
		api.Edit{Op: api.DelServer, Service: service(web, ""), Server: server("10.0.0.2", 0)},
		api.Edit{Op: api.EditService, Service: api.ServiceConfig{ServiceKey: web, Scheduler: "sh", Flags: "sh-port,flag-3", Persistence: 60, Netmask: addr("255.0.255.0")}},
		api.Edit{Op: api.DelService, Service: service(mark, "")},
		api.Edit{Op: api.SetTimeouts, Timeouts: api.Timeouts{TCP: 5, UDP: 7}})
	all, err := collect(d.Services(t.Context()))
	want := []api.Service{{ServiceConfig: api.ServiceConfig{ServiceKey: web, Scheduler: "sh", Flags: "sh-port,flag-3", Persistence: 60, Netmask: addr("255.0.255.0")},
		Servers: []api.Server{{ServerConfig: api.ServerConfig{Address: addr("10.0.0.1"), Port: 80, Method: api.Direct, Weight: 9, Upper: 5, Lower: 4}, Effective: 9, Up: true, Check: "none"}}}}
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("%+v, %v\nwant %+v", all, err, want)
	}
	if timeouts, err := d.Timeouts(t.Context()); err != nil || timeouts != (api.Timeouts{TCP: 5, TCPFin: 120, UDP: 7}) {
		t.Errorf("%+v, %v", timeouts, err)
	}
	must(t, d, api.Edit{Op: api.Flush})
	if all, err := collect(d.Services(t.Context())); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestServicesAreListedByTheirKeys(t *testing.T) {
	d, _ := newDirector(t)
	must(t, d, api.Edit{Op: api.AddService, Service: service(web, "rr")}, api.Edit{Op: api.AddService, Service: service(mark, "wlc")})
	if all, err := collect(d.Services(t.Context(), mark)); err != nil || len(all) != 1 || all[0].Scheduler != "wlc" {
		t.Errorf("%+v, %v", all, err)
	}
	other := mark
	other.IPv6 = false
	if all, err := collect(d.Services(t.Context(), mark, other)); !errors.Is(err, api.ErrNoService) {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := collect(d.Services(t.Context(), api.ServiceKey{Protocol: "icmp"})); err == nil || !strings.Contains(err.Error(), "not tcp, udp or sctp") {
		t.Errorf("error %v", err)
	}
	for range d.Services(t.Context()) {
		break
	}
}

// A key and a configuration are the same after the way through the engine.
func TestConfigurationsGoThroughTheEngineUnchanged(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	v4, v6 := func() frame.Addr { return frame.AddrFrom4([4]byte{10, byte(random.IntN(256)), 0, 1}) }, func() frame.Addr { return frame.Addr{0xfd, byte(random.IntN(256)), 15: 1} }
	for range 2000 {
		k := dataplane.ServiceKey{Mark: random.Uint32() | 1, IPv6: random.IntN(2) == 0}
		if random.IntN(3) > 0 {
			k = dataplane.ServiceKey{Proto: []frame.Proto{frame.ProtoTCP, frame.ProtoUDP, frame.ProtoSCTP}[random.IntN(3)], Addr: v4(), Port: uint16(random.IntN(1 << 16))}
			if random.IntN(2) == 0 {
				k.Addr = v6()
			}
		}
		if back, err := director.Key(director.WireKey(k)); err != nil || back != k {
			t.Fatalf("%+v became %+v, %v", k, back, err)
		}
		c := dataplane.ServiceConfig{Key: k, Scheduler: []string{"rr", "sh", "mh", "wlc"}[random.IntN(4)], OnePacket: random.IntN(2) == 0}
		c.Flags = scheduler.Flags(random.IntN(8)) << 3
		wire := director.WireServiceConfig(&c)
		if back, err := director.ServiceConfig(&wire); err != nil || back != c {
			t.Fatalf("%+v became %+v (%+v), %v", c, back, wire, err)
		}
		s := dataplane.ServerConfig{Addr: v4(), Port: 80, Weight: random.IntN(100), Upper: random.IntN(10)}
		if s.Method = dataplane.Method(random.IntN(int(dataplane.Masquerade) + 1)); s.Method.Tunnels() {
			s.Tunnel = dataplane.Tunnel{Port: uint16(random.IntN(3)), Sum: dataplane.Sum(random.IntN(3))}
		}
		served := director.WireServerConfig(&s)
		if back, err := director.ServerConfig(&served); err != nil || back != s {
			t.Fatalf("%+v became %+v, %v", s, back, err)
		}
	}
}

// A connection and its template, as the wire shows them.
func TestConnectionsAreListed(t *testing.T) {
	d, engine := newDirector(t)
	engine.SetVIPs([]frame.Addr{frame.AddrFrom(web.Address)})
	c := service(web, "rr")
	c.Persistence = 60
	must(t, d, api.Edit{Op: api.AddService, Service: c}, api.Edit{Op: api.AddServer, Service: c, Server: server("10.0.0.1", 1)})
	engine.SetNeighbour(frame.AddrFrom(addr("10.0.0.1")), frame.MAC{2, 0, 0, 0, 0, 9}, dataplane.Link{Index: 1, MTU: 1500})
	syn(t, engine)
	all, err := collect(d.Conns(t.Context()))
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	if all[0].ClientPort == 0 {
		all[0], all[1] = all[1], all[0]
	}
	want := []api.Conn{{Protocol: "tcp", Client: addr("10.1.0.1"), ClientPort: 5000, Address: web.Address, Port: 80, Server: addr("10.0.0.1"), ServerPort: 80, State: "SYN_RECV", Expires: 60},
		{Protocol: "tcp", Client: addr("10.1.0.1"), Address: web.Address, Port: 80, Server: addr("10.0.0.1"), ServerPort: 80, State: "NONE", Expires: 60}}
	if !reflect.DeepEqual(all, want) {
		t.Errorf("%+v\nwant %+v", all, want)
	}
	for range d.Conns(t.Context()) {
		break
	}
	bonds := engine.Bindings(frame.AddrFrom(addr("10.1.0.1")), 1)
	if e := director.WireEntry(bonds[0].Template); e == nil || e.Connections != 1 || e.Removed {
		t.Errorf("the template is %+v", e)
	}
	if director.WireEntry(nil) != nil {
		t.Error("no entry is one")
	}
}

// syn sends the first segment of a connection through the engine.
func syn(t *testing.T, engine *dataplane.Director) {
	t.Helper()
	f := build.TCP{Src: netip.MustParseAddrPort("10.1.0.1:5000"), Dst: netip.MustParseAddrPort("192.0.2.1:80"), Flags: "S"}.Bytes()
	b := dataplane.NewBatch()
	b.Packets, b.In = append(b.Packets, dataplane.Packet{Data: f}), 1
	engine.Process(engine.NewScratch(0), b, 1)
	if b.Packets[0].Verdict != dataplane.Forward {
		t.Fatalf("the SYN met %v (%v)", b.Packets[0].Verdict, b.Packets[0].Reason)
	}
}

func TestEveryReasonHasAVerdict(t *testing.T) {
	all := director.Verdicts()
	if all["hit"] != "forward" || all["not-ours"] != "drop" || len(all) < 30 {
		t.Errorf("%v", all)
	}
}

func TestPortsGoOverTheWireWhole(t *testing.T) {
	got := director.WirePorts(dataplane.NICStats{Received: 1, Missed: 2, MissedSYN: 8, Truncated: 3, Sent: 4, SentXDP: 5, SendFull: 6, SendError: 7})
	if got != (api.PortStats{Received: 1, Missed: 2, MissedSYN: 8, Truncated: 3, Sent: 4, SentXDP: 5, SendFull: 6, SendError: 7}) {
		t.Errorf("%+v", got)
	}
}

// FuzzEdits: whatever edits are sent, there is one answer for each, what is
// refused changes nothing, and what is there can be listed.
func FuzzEdits(f *testing.F) {
	f.Add([]byte(`[{"op":"add-service","service":{"protocol":"tcp","address":"10.0.0.1","port":80,"scheduler":"rr"}},{"op":"add-server","service":{"protocol":"tcp","address":"10.0.0.1","port":80,"scheduler":""},"server":{"address":"10.0.0.2","port":80,"weight":1}}]`))
	f.Add([]byte(`[{"op":"add-service","service":{"fwmark":1,"port":0,"scheduler":"mh","flags":"mh-port,flag-3","persistence":-1,"netmask":"0.0.0.0"}}]`))
	f.Add([]byte(`[{"op":"zero"},{"op":"flush"},{"op":"set-timeouts","timeouts":{"tcp":-5,"tcpfin":9223372036854775807,"udp":1}}]`))
	f.Add([]byte(`[{"op":"add-service","service":{"protocol":"udp","address":"fe80::1%eth0","port":80,"scheduler":"rr"}},{"op":"add-server","server":{"address":"::ffff:1.2.3.4","weight":-1}}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		edits, err := api.DecodeEdits(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		d, _ := newDirector(t)
		for _, e := range edits {
			before, _ := collect(d.Services(t.Context()))
			if edit(t, d, e) == nil {
				continue
			}
			if after, _ := collect(d.Services(t.Context())); !reflect.DeepEqual(after, before) {
				t.Fatalf("%+v was refused, and yet\n%+v\nbecame\n%+v", e, before, after)
			}
		}
		d.Tick()
		all, err := collect(d.Services(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range all {
			if one, err := collect(d.Services(t.Context(), s.ServiceKey)); err != nil || !reflect.DeepEqual(one, []api.Service{s}) {
				t.Fatalf("%+v: %+v, %v", s, one, err)
			}
		}
	})
}
