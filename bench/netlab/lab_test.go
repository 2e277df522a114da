package netlab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/tap"
)

func newHost(t *testing.T, name string) *netns.Host {
	t.Helper()
	return netns.NewTestHost(t, name, netns.HostConfig{})
}

func closeOK(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func build(t *testing.T, spec Spec) *Lab {
	t.Helper()
	netns.Require(t)
	lab, err := Build(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeOK(t, lab) })
	return lab
}

// topologies are all shapes of lab, in both address families.
func topologies() map[string]Spec {
	all := map[string]Spec{}
	for _, network := range []string{"192.168.1.0/24", "fd00:1::/64"} {
		for shape, s := range map[string]Spec{"flat": {}, "two-armed": {TwoArmed: true}, "routed": {Routed: true}, "both": {TwoArmed: true, Routed: true}} {
			s.Net, s.Clients, s.ClientAddrs = netip.MustParsePrefix(network), 2, 1
			all[shape+" "+network] = s
		}
	}
	return all
}

func TestEveryHostReachesEveryOther(t *testing.T) {
	for name, spec := range topologies() {
		t.Run(name, func(t *testing.T) {
			lab := build(t, spec)
			for _, to := range lab.Nodes() {
				for _, p := range to.Ports {
					addr := net.JoinHostPort(p.Addr.Addr().String(), "7")
					l, err := to.Listen("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					defer l.Close()
					for _, from := range lab.Nodes() {
						c, err := from.Dial(t.Context(), "tcp", addr)
						if err != nil {
							t.Errorf("%s to %s: %v", from.Name(), addr, err)
							continue
						}
						closeOK(t, c)
					}
				}
			}
		})
	}
}

// The networks of each host, and the router by which a real server answers.
func TestTopologiesAreAsTheSpecSays(t *testing.T) {
	lab := build(t, Spec{TwoArmed: true, Routed: true})
	c, d, rs, r := lab.Clients[0], lab.Director, lab.Servers[0], lab.Router
	if len(lab.Networks) != 3 || len(c.Ports) != 1 || len(d.Ports) != 2 || len(rs.Ports) != 1 || len(r.Ports) != 3 {
		t.Fatalf("%d networks, ports: client %v, director %v, rs %v, router %v", len(lab.Networks), c.Ports, d.Ports, rs.Ports, r.Ports)
	}
	for _, want := range []struct {
		n        *Node
		on       int
		addr, at string
	}{
		{c, 0, "192.168.3.50", "eth0"}, {r, 0, "192.168.3.1", "eth1"},
		{r, 1, "192.168.1.1", "eth0"}, {d, 1, "192.168.1.10", "eth0"},
		{d, 2, "192.168.2.10", "eth1"}, {rs, 2, "192.168.2.11", "eth0"}, {r, 2, "192.168.2.1", "eth2"},
	} {
		p := want.n.PortOn(lab.Networks[want.on].Switch)
		if p == nil || p.Addr.Addr().String() != want.addr || p.Ifname != want.at {
			t.Errorf("%s on network %d: %+v, want %s %s", want.n.Name(), want.on, p, want.at, want.addr)
		}
		if p != nil && lab.Owner([6]byte(p.MAC)) != want.n {
			t.Errorf("%s is not the owner of %s", want.n.Name(), p.MAC)
		}
	}
	routes, err := rs.Netlink().RouteGet(c.Addr.AsSlice())
	if err != nil || routes[0].Gw.String() != "192.168.2.1" {
		t.Errorf("rs1 answers by %v, %v", routes, err)
	}
}

func TestFollowingNetworks(t *testing.T) {
	for _, c := range []struct {
		p    string
		n    int
		want string
	}{
		{"192.168.1.0/24", 1, "192.168.2.0/24"}, {"192.168.1.0/24", 2, "192.168.3.0/24"},
		{"10.255.0.0/16", 1, "11.0.0.0/16"}, {"10.0.255.0/24", 2, "10.1.1.0/24"}, {"10.0.0.64/26", 3, "10.0.1.0/26"},
		{"255.255.255.0/24", 1, "invalid Prefix"}, {"255.255.254.0/24", 2, "invalid Prefix"},
		{"fd00:1::/64", 1, "fd00:1:0:1::/64"}, {"fd00:1:0:ffff::/64", 2, "fd00:1:1:1::/64"},
	} {
		if got := following(netip.MustParsePrefix(c.p), c.n); got.String() != c.want {
			t.Errorf("%d after %s: %s, want %s", c.n, c.p, got, c.want)
		}
	}
}

func TestDefaultLabIsThatOfTheDefiningDocument(t *testing.T) {
	lab := build(t, Spec{})
	want := []struct{ name, addr, mac string }{
		{"client1", "192.168.1.50", "02:00:00:00:cc:01"},
		{"director", "192.168.1.10", "02:00:00:00:dd:01"},
		{"rs1", "192.168.1.11", "02:00:00:00:55:01"},
		{"rs2", "192.168.1.12", "02:00:00:00:55:02"},
		{"rs3", "192.168.1.13", "02:00:00:00:55:03"},
	}
	nodes := lab.Nodes()
	if len(nodes) != len(want) || lab.Spec.VIP.String() != "192.168.1.100" {
		t.Fatalf("%d hosts, VIP %s", len(nodes), lab.Spec.VIP)
	}
	for i, w := range want {
		n := nodes[i]
		link, err := n.Netlink().LinkByName(Ifname)
		if err != nil {
			t.Fatal(err)
		}
		if n.Name() != w.name || n.Addr.String() != w.addr || n.MAC.String() != w.mac || link.Attrs().HardwareAddr.String() != w.mac {
			t.Errorf("%s %s %s (kernel: %s), want %v", n.Name(), n.Addr, n.MAC, link.Attrs().HardwareAddr, w)
		}
	}
}

// arpRequest is a broadcast request, RFC 826, in an Ethernet frame.
func arpRequest(from *Node, target netip.Addr) []byte {
	b := bytes.Repeat([]byte{0xff}, 6)
	b = append(b, from.MAC...)
	b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
	b = append(append(b, from.MAC...), from.Addr.AsSlice()...)
	return append(append(b, 0, 0, 0, 0, 0, 0), target.AsSlice()...)
}

// arpAnswers counts, by sender MAC, the ARP replies for addr among frames.
func arpAnswers(frames []Frame, addr netip.Addr) map[string]int {
	got := make(map[string]int)
	for _, f := range frames {
		if !f.Outgoing && len(f.Data) >= 42 && f.Data[12] == 8 && f.Data[13] == 6 && f.Data[21] == 2 &&
			bytes.Equal(f.Data[28:32], addr.AsSlice()) {
			got[net.HardwareAddr(f.Data[22:28]).String()]++
		}
	}
	return got
}

// whoHas asks three times for the VIP from the first client and returns who
// answered. After each question every real server is asked for its own
// address; when it has answered that, it has seen the question before.
func whoHas(t *testing.T, lab *Lab) map[string]int {
	t.Helper()
	client := lab.Clients[0]
	c, err := client.Capture(Ifname, CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	send := func(target netip.Addr) {
		t.Helper()
		err := client.Do(func() error {
			ifi, err := net.InterfaceByName(Ifname)
			if err != nil {
				return err
			}
			s, err := tap.Open(ifi.Index, nil)
			if err != nil {
				return err
			}
			return errors.Join(s.Send(arpRequest(client, target)), s.Close())
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for round := 1; round <= 3; round++ {
		send(lab.Spec.VIP)
		for _, rs := range lab.Servers {
			send(rs.Addr)
			netns.Eventually(t, rs.Name()+" answers ARP for its own address", func() bool {
				return arpAnswers(c.Frames(), rs.Addr)[rs.MAC.String()] == round
			})
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	return arpAnswers(c.Frames(), lab.Spec.VIP)
}

func TestServersHaveTheVIPButDoNotAnswerARPForIt(t *testing.T) {
	lab := build(t, Spec{})
	if err := lab.StartHTTP(80); err != nil {
		t.Fatal(err)
	}
	for _, rs := range lab.Servers {
		got := Get(t.Context(), rs.HTTPClient(netns.HTTPOptions{}), "http://"+lab.Spec.VIP.String(), 1, 1)
		if got.ByServer[rs.Name()] != 1 {
			t.Errorf("%s does not reach itself by the VIP: %+v", rs.Name(), got)
		}
	}
	if got := whoHas(t, lab); len(got) != 0 {
		t.Errorf("the VIP was answered for by %v", got)
	}
	// The question can be answered: without arp_ignore it is.
	rs2 := lab.Servers[1]
	if err := rs2.Sysctl("net.ipv4.conf.all.arp_ignore", "0"); err != nil {
		t.Fatal(err)
	}
	if got := whoHas(t, lab); len(got) != 1 || got[rs2.MAC.String()] != 3 {
		t.Errorf("rs2 without arp_ignore: the VIP was answered for by %v", got)
	}
}

// Direct routing by hand: the client believes the VIP is at rs1's MAC. Then
// rs1 answers from the VIP, which is all a director needs of it.
func TestReferenceDirectRouting(t *testing.T) {
	lab := build(t, Spec{ClientAddrs: 2})
	if err := lab.StartHTTP(80); err != nil {
		t.Fatal(err)
	}
	client, rs, vip := lab.Clients[0], lab.Servers[0], lab.Spec.VIP
	if err := client.SetNeighbour(Ifname, vip, rs.MAC); err != nil {
		t.Fatal(err)
	}
	c, err := client.Capture(Ifname, CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range append([]netip.Addr{client.Addr}, client.Extra...) {
		hc := client.HTTPClient(netns.HTTPOptions{Local: from, Fresh: true})
		if got := Get(t.Context(), hc, "http://"+vip.String(), 10, 3); got.ByServer["rs1"] != 10 || got.Total() != 10 {
			t.Errorf("from %s: %+v, want 10 answers of rs1", from, got)
		}
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	type way struct {
		out      bool
		src, dst string // MAC
		from     netip.Addr
	}
	seen := make(map[way]bool)
	for _, f := range c.Frames() {
		if len(f.Data) < 34 || f.Data[12] != 8 || f.Data[13] != 0 {
			continue
		}
		from, _ := netip.AddrFromSlice(f.Data[26:30])
		seen[way{f.Outgoing, net.HardwareAddr(f.Data[6:12]).String(), net.HardwareAddr(f.Data[:6]).String(), from}] = true
	}
	want := map[way]bool{{false, rs.MAC.String(), client.MAC.String(), vip}: true}
	for _, from := range append([]netip.Addr{client.Addr}, client.Extra...) {
		want[way{true, client.MAC.String(), rs.MAC.String(), from}] = true
	}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("frames seen:\n%v\nwant:\n%v", seen, want)
	}
}

func TestServerGivesTheHashOfWhatItGot(t *testing.T) {
	lab := build(t, Spec{Servers: []ServerSpec{{Weight: 2}}})
	if err := lab.StartHTTP(80); err != nil {
		t.Fatal(err)
	}
	body := bytes.Repeat([]byte("all work and no play "), 100_000) // through super-frames
	hc := lab.Clients[0].HTTPClient(netns.HTTPOptions{})
	resp, err := hc.Post("http://"+lab.Servers[0].Addr.String(), "text/plain", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if want := fmt.Sprintf("%x\n", sha256.Sum256(body)); err != nil || string(got) != want || resp.Header.Get(ServerHeader) != "rs1" {
		t.Errorf("got %s from %q, %v; want %s from rs1", got, resp.Header.Get(ServerHeader), err, want)
	}
}

func TestGetCountsErrors(t *testing.T) {
	h := newHost(t, "h")
	s, err := StartHTTP(h, "127.0.0.1:80", "it")
	if err != nil {
		t.Fatal(err)
	}
	hc := h.HTTPClient(netns.HTTPOptions{Fresh: true})
	if got := Get(t.Context(), hc, "http://127.0.0.1", 5, 2); got.ByServer["it"] != 5 || got.Errors != 0 || got.First != nil {
		t.Errorf("running server: %+v", got)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if got := Get(t.Context(), hc, "http://127.0.0.1", 5, 2); got.Errors != 5 || got.Total() != 5 || !errors.Is(got.First, unix.ECONNREFUSED) {
		t.Errorf("stopped server: %+v", got)
	}
}

func TestMTUIsThatOfTheSpec(t *testing.T) {
	lab := build(t, Spec{MTU: 1400, Servers: []ServerSpec{{}}})
	for _, n := range lab.Nodes() {
		link, err := n.Netlink().LinkByName(Ifname)
		if err != nil {
			t.Fatal(err)
		}
		if link.Attrs().MTU != 1400 {
			t.Errorf("%s has MTU %d", n.Name(), link.Attrs().MTU)
		}
	}
}

func TestAQuietLabSendsNothing(t *testing.T) {
	netns.Require(t)
	sw, err := netns.NewSwitch("sw")
	if err != nil {
		t.Fatal(err)
	}
	defer sw.Close()
	watch, err := StartCapture(sw.Host, netns.BridgeName, CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		h := newHost(t, fmt.Sprintf("h%d", i))
		if err := sw.Connect(t.Context(), h, netns.Cable{Addrs: []netip.Prefix{netip.PrefixFrom(nth(netip.MustParsePrefix("10.0.0.0/24"), i+1), 24)}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := watch.Stop(); err != nil {
		t.Error(err)
	}
	for _, f := range watch.Frames() {
		t.Errorf("a frame nobody asked for: % x", f.Data)
	}
}

func TestSpecsWithoutRoomAreRefused(t *testing.T) {
	for name, s := range map[string]Spec{
		"too many clients":             {Clients: 51},
		"a negative number of clients": {Clients: -1},
		"too many servers":             {Servers: make([]ServerSpec, 40)},
		"VIP elsewhere":                {VIP: netip.MustParseAddr("10.0.0.1")},
		"VIP of the other family":      {VIP: netip.MustParseAddr("fd00::1")},
		"VIP is the director":          {VIP: netip.MustParseAddr("192.168.1.10")},
		"VIP is rs3":                   {VIP: netip.MustParseAddr("192.168.1.13")},
		"VIP is a further address":     {VIP: netip.MustParseAddr("192.168.1.220"), ClientAddrs: 20},
		"VIP is the network":           {VIP: netip.MustParseAddr("192.168.1.0")},
		"network too small":            {Net: netip.MustParsePrefix("10.0.0.0/25")},
		"no room for further":          {ClientAddrs: 55},
		"VIP is the router":            {VIP: netip.MustParseAddr("192.168.1.1"), Routed: true},
		"no networks after it":         {Net: netip.MustParsePrefix("255.255.254.0/24"), TwoArmed: true},
		"end of the address space":     {Net: netip.MustParsePrefix("255.255.255.255/32")},
	} {
		if got, err := s.complete(); err == nil {
			t.Errorf("%s: accepted as %+v", name, got)
		}
	}
	for name, s := range map[string]Spec{
		"the greatest":    {Clients: 50, Servers: make([]ServerSpec, 39), ClientAddrs: 1},
		"54 further":      {ClientAddrs: 54},
		"a wide network":  {Net: netip.MustParsePrefix("10.0.0.0/16"), ClientAddrs: 1000},
		"VIP at rs4":      {VIP: netip.MustParseAddr("192.168.1.14")},
		"IPv6":            {Net: netip.MustParsePrefix("fd00::/64"), ClientAddrs: 100},
		"no real servers": {Servers: []ServerSpec{}},
	} {
		if _, err := s.complete(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIPv6PlacesLookLikeIPv4(t *testing.T) {
	p := netip.MustParsePrefix("fd00::/64")
	for place, want := range map[int]string{10: "fd00::10", 50: "fd00::50", 201: "fd00::201", 1234: "fd00::1234"} {
		if got := nth(p, place); got.String() != want {
			t.Errorf("place %d is %s, want %s", place, got, want)
		}
	}
}

func TestDrawingFitsATerminal(t *testing.T) {
	specs := topologies()
	specs["great"] = Spec{Net: netip.MustParsePrefix("2001:1234:5678:9abc:1234:5678:9abc:0/112"), Clients: 50, ClientAddrs: 20,
		Servers: []ServerSpec{{Weight: 65535}}}
	specs["default"] = Spec{}
	for name, spec := range specs {
		lab := build(t, spec)
		d := lab.Drawing()
		t.Log(name + "\n" + d)
		for line := range strings.Lines(d) {
			if len(line) > 81 {
				t.Errorf("%d columns: %s", len(line)-1, line)
			}
			if at := strings.IndexAny(line, "|+"); at >= 0 && at != 13 {
				t.Errorf("the cable is not straight: %s", line)
			}
		}
		for _, n := range lab.Nodes() {
			for _, p := range n.Ports {
				if !strings.Contains(d, n.Name()+" ") || !strings.Contains(d, p.Addr.Addr().String()) || !strings.Contains(d, p.MAC.String()) {
					t.Errorf("%s of %s is missing", p.Ifname, n.Name())
				}
			}
		}
	}
}

// openFiles counts the process's descriptors by what they are.
func openFiles(t *testing.T) map[string]int {
	t.Helper()
	kinds := make(map[string]int)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the directory's own
		}
		kind, _, _ := strings.Cut(to, ":[")
		kinds[kind]++
	}
	return kinds
}

func TestNothingIsLeftBehind(t *testing.T) {
	netns.Require(t)
	useLab := func() {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		lab, err := Build(ctx, Spec{})
		if err != nil {
			t.Fatal(err)
		}
		if err := lab.StartHTTP(80); err != nil {
			t.Fatal(err)
		}
		client := lab.Clients[0]
		if _, err := client.Capture(Ifname, CaptureConfig{}); err != nil {
			t.Fatal(err)
		}
		hc := client.HTTPClient(netns.HTTPOptions{})
		for _, rs := range lab.Servers {
			if got := Get(ctx, hc, "http://"+rs.Addr.String(), 3, 3); got.Errors > 0 {
				t.Errorf("%s: %+v", rs.Name(), got)
			}
			c := rs.Command(ctx, "/proc/self/exe")
			c.Env = append(os.Environ(), echoEnv+"=1")
			if _, err := c.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // the second does nothing
			if err := lab.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	useLab() // what the runtime and libraries open once and keep
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for range 3 {
		useLab()
	}
	netns.Eventually(t, "as many goroutines as before", func() bool { return runtime.NumGoroutine() <= goroutines })
	netns.Eventually(t, "as many open files as before", func() bool {
		return fmt.Sprint(openFiles(t)) == fmt.Sprint(files)
	})
	if n := openFiles(t)["net"]; n != 0 {
		t.Errorf("%d namespaces held open", n)
	}
	if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); !errors.Is(err, unix.ECHILD) {
		t.Errorf("a child is left: wait gave %d, %v", pid, err)
	}
}

func TestHTTPClientReusesConnectionsUnlessFresh(t *testing.T) {
	h := newHost(t, "h")
	l, err := h.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	var opened int
	srv := &http.Server{ConnState: func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew { // called by the accepting goroutine alone
			opened++
		}
	}, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set(ServerHeader, "x") })}
	served := make(chan error)
	go func() { served <- srv.Serve(l) }()
	Get(t.Context(), h.HTTPClient(netns.HTTPOptions{}), "http://127.0.0.1", 4, 1)
	Get(t.Context(), h.HTTPClient(netns.HTTPOptions{Fresh: true}), "http://127.0.0.1", 4, 1)
	closeOK(t, srv)
	<-served
	if opened != 1+4 {
		t.Errorf("%d connections, want 1 for four requests and 4 for four fresh ones", opened)
	}
}

func BenchmarkBuildDefaultLab(b *testing.B) {
	netns.Require(b)
	for b.Loop() {
		lab, err := Build(b.Context(), Spec{})
		if err != nil {
			b.Fatal(err)
		}
		if err := lab.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
