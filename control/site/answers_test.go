package site

import (
	"fmt"
	"net/netip"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// nic finds the wish for the interface with this index.
func (sc *scene) nic(index int) (n NIC) {
	for _, x := range sc.s.NICs() {
		if x.Link.Index == index {
			n = x
		}
	}
	return n
}

// What is captured beside packets to VIPs: ICMP errors while there is a tunnel. It ends
// with the last of them, and a service that goes takes its own along.
func TestICMPErrorsAreTakenWhileThereAreTunnels(t *testing.T) {
	sc := newScene(t)
	for i, c := range []struct {
		text string
		want bool
	}{
		{web("11"), false},
		{vs("192.168.1.100 80", "", "192.168.1.11 80", far), true},
		{vs("192.168.1.100 80", "", far) + vs("192.168.1.101 80", "lb_kind TUN", "192.168.1.11 80"), true},
		{vs("192.168.1.101 80", "lb_kind TUN", "192.168.1.11 80"), true},
		{vs("192.168.1.101 80", "lb_kind DR", "192.168.1.11 80"), false},
		{vs("192.168.1.100 80", "", far), true},
		{"", false},
	} {
		if change := sc.load(c.text); i > 0 && !change.NICs {
			t.Errorf("file %d: the interfaces are not told", i)
		}
		if c.text == "" {
			continue // there are no interfaces
		}
		if n := sc.nic(2); n.Errors != c.want || len(n.Sources) != 0 {
			t.Errorf("file %d: errors %v, sources %v", i, n.Errors, n.Sources)
		}
	}
}

// Servers that answer by way of the director are known by address, protocol and port,
// however many services and servers share them.
func TestAnswersAreKnownByAddressProtocolAndPort(t *testing.T) {
	s := New(Options{})
	service := func(proto frame.Proto, vip string, servers ...dataplane.ServerConfig) *Service {
		x := &Service{Config: dataplane.ServiceConfig{Key: dataplane.ServiceKey{Proto: proto, Addr: addr(vip), Port: 80}}}
		for _, c := range servers {
			x.Servers = append(x.Servers, Server{Config: c})
		}
		return x
	}
	at := func(a string, port uint16, m dataplane.Method) dataplane.ServerConfig {
		return dataplane.ServerConfig{Addr: addr(a), Port: port, Method: m}
	}
	const nat = dataplane.Masquerade
	one := service(frame.ProtoTCP, "192.168.1.100", at("192.168.1.12", 8080, nat), at("192.168.1.11", 81, nat), at("192.168.1.11", 80, nat), at("192.168.1.13", 80, dataplane.Direct))
	two := service(frame.ProtoTCP, "192.168.1.101", at("192.168.1.11", 80, nat), at("192.168.1.14", 80, dataplane.GRE))
	udp := service(frame.ProtoUDP, "192.168.1.101", at("192.168.1.11", 80, nat))
	want := func(law string, sources, answers string, errors bool) {
		t.Helper()
		got := ""
		for _, a := range s.Answers() {
			got += fmt.Sprintf("%v %v ", netip.AddrPortFrom(a.Addr, a.Port), a.Proto)
		}
		if got != answers || fmt.Sprint(s.sources()) != sources || s.minded() != errors {
			t.Errorf("%s: answers %s, sources %v, errors %v", law, got, s.sources(), s.minded())
		}
	}
	for _, x := range []*Service{one, two, udp} {
		s.countMethods(x, 1)
	}
	want("three services", "[192.168.1.11 192.168.1.12]", "192.168.1.11:80 tcp 192.168.1.11:81 tcp 192.168.1.11:80 udp 192.168.1.12:8080 tcp ", true)
	s.countMethods(one, -1)
	want("without the first", "[192.168.1.11]", "192.168.1.11:80 tcp 192.168.1.11:80 udp ", true)
	s.countMethods(two, -1)
	s.countMethods(nil, 1)
	want("without the second", "[192.168.1.11]", "192.168.1.11:80 udp ", true)
	s.countMethods(udp, -1)
	want("without any", "[]", "", false)
}
