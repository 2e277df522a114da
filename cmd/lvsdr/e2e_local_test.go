package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/control/localclient"
	"lvsdr/control/policyroute"
	"lvsdr/dataplane/frame"
)

// lab6 is the network of the labs, in IPv6.
var lab6 = netip.MustParsePrefix("fd00::/64")

// onDirector is the lab whose only client is the director's own host.
func onDirector(lab *network) *network {
	l := *lab.Lab
	l.Clients = []*netlab.Node{l.Director}
	return &network{Lab: &l}
}

// anyAddr lets the kernel choose the source address.
func anyAddr(lab *network) netip.Addr {
	if lab.Spec.VIP.Is6() {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// serviceURL is the service's, also in IPv6.
func serviceURL(lab *network) string {
	return fmt.Sprintf("http://%s/", netip.AddrPortFrom(lab.Spec.VIP, port))
}

// getByWeight makes requests from the lab's client, which chooses no source
// address, and wants them to be shared by weight. It gives their number.
func getByWeight(t *testing.T, lab *network) int {
	t.Helper()
	const rounds = 10
	want, n := map[string]int{}, 0
	for _, s := range lab.Servers {
		want[s.Name()] = rounds * s.Weight
		n += rounds * s.Weight
	}
	tally := netlab.Get(t.Context(), lab.client(t, anyAddr(lab), freshConnections), serviceURL(lab), n, 4)
	if tally.Errors > 0 {
		t.Fatalf("%d of %d requests failed: %v", tally.Errors, n, tally.First)
	}
	for name, share := range want {
		if tally.ByServer[name] != share {
			t.Errorf("%s has answered %d of %d requests, want %d", name, tally.ByServer[name], n, share)
		}
	}
	return n
}

// wantLocalServed wants the director to say that it serves clients on its host.
func wantLocalServed(t *testing.T, st *api.Status) {
	t.Helper()
	if st.Local != "served" {
		t.Errorf("clients on the director's host: %q, want served", st.Local)
	}
}

// wantOwnAddress wants every frame to the VIP that a real server got to have
// the director's own address as source, and as many connections as were made.
func wantOwnAddress(t *testing.T, lab *network, servers []*netlab.Capture, connections int) {
	t.Helper()
	vip, own := frame.AddrFrom(lab.Spec.VIP), frame.AddrFrom(lab.Director.Addr)
	begun := map[uint16]bool{}
	for _, c := range servers {
		for _, s := range sightings(t, c) {
			if s.Outgoing || s.Dst != vip || s.Proto != frame.ProtoTCP {
				continue
			}
			if s.Src != own || frame.SrcMAC(s.Data) != frame.MAC(lab.Director.MAC) {
				t.Errorf("not from the director's own address: %v", s)
			}
			if s.Flags&frame.SYN != 0 {
				begun[s.SrcPort] = true
			}
		}
	}
	if len(begun) != connections {
		t.Errorf("the real servers saw %d connections, %d were made", len(begun), connections)
	}
}

// wantVIPNotAskedFor wants the host's kernel not to have asked the network who
// has the VIP: no packet of a client went astray, nor a copy of one.
func wantVIPNotAskedFor(t *testing.T, lab *network, c *netlab.Capture) {
	t.Helper()
	vip, own := lab.Spec.VIP.As4(), lab.Director.Addr.As4() // the director's probes have no sender
	for _, s := range sightings(t, c) {
		const sender, target = 14 + 14, 14 + 24 // RFC 826: protocol addresses
		if s.Outgoing && s.Kind == frame.ARP && bytes.Equal(s.Data[target:][:4], vip[:]) && bytes.Equal(s.Data[sender:][:4], own[:]) {
			t.Errorf("the kernel asks who has the VIP: %v", s)
		}
	}
}

// The problem this is for: IPVS on the director's host serves everybody but the
// host itself.
func TestClientsOnTheDirectorsHost(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for _, test := range []struct {
		name     string
		settings map[string]string
	}{
		{"on a host as it comes", nil},
		{"on a host that forwards everything", map[string]string{"ip_forward": "1", "conf.all.accept_local": "1"}},
		{"with the loose reverse path filter", map[string]string{"conf.all.rp_filter": "2"}},
		{"with the strict reverse path filter", map[string]string{"conf.all.rp_filter": "1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 2, 3)})
			for key, value := range test.settings {
				if err := lab.Director.Sysctl("net.ipv4."+key, value); err != nil {
					t.Fatal(err)
				}
			}
			atDirector := capture(t, lab.Director)
			d := direct(t, lab, lab.Config(rotating()))
			wantLocalServed(t, status(t, d))
			var atServers []*netlab.Capture
			for _, s := range lab.Servers {
				atServers = append(atServers, capture(t, s))
			}
			host := onDirector(lab)
			n := getByWeight(t, host)
			if n != 60 {
				t.Errorf("%d requests, want 60", n)
			}
			await(t, "the captures to have all", func() bool { return status(t, d).Services[0].Traffic.Conns == uint64(n) })
			wantOwnAddress(t, lab, atServers, n)
			ping(t, host)
			refusedTCP(t, host)
			refusedUDP(t, host)
			getByWeight(t, lab) // the others
			wantVIPNotAskedFor(t, lab, atDirector)
		})
	}
}

// ping6 is ping for IPv6, one packet.
func ping6(t *testing.T, lab *network) {
	t.Helper()
	c, err := lab.Clients[0].ListenPacket("ip6:ipv6-icmp", "::")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	request := icmp.Message{Type: ipv6.ICMPTypeEchoRequest, Body: &icmp.Echo{ID: 4711, Seq: 1, Data: []byte("hello")}}
	b, err := request.Marshal(nil) // the kernel makes the checksum
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteTo(b, &net.IPAddr{IP: lab.Spec.VIP.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatalf("no answer to a ping: %v", err)
		}
		got, err := icmp.ParseMessage(int(frame.ProtoICMPv6), buf[:n])
		if err != nil || got.Type != ipv6.ICMPTypeEchoReply {
			continue // neighbour discovery
		}
		echo, ok := got.Body.(*icmp.Echo)
		if !ok || echo.ID != 4711 || !bytes.Equal(echo.Data, []byte("hello")) || from.String() != lab.Spec.VIP.String() {
			t.Errorf("the answer to a ping is %+v from %v", got, from)
		}
		return
	}
}

func TestAnUploadFromTheDirectorsHostArrivesWhole(t *testing.T) {
	t.Parallel()
	size := int64(sized(50, 8, 8)) << 20
	lab := newHTTPLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(rotating()))
	host := onDirector(lab)
	sum := sha256.New()
	body := io.TeeReader(io.LimitReader(rand.NewChaCha8([32]byte{7}), size), sum)
	name, got := put(t.Context(), t, host.client(t, anyAddr(host), freshConnections), serviceURL(host), body, size)
	if want := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("%s received %s, sent was %s", name, got, want)
	}
	p := status(t, d).Ports[localclient.DirectorEnd]
	if whole := uint64(size) / 1500; p.Received == 0 || p.Received >= whole {
		t.Errorf("%d frames came in by %s: no super-frames, which would be %d or more of MTU size", p.Received, localclient.DirectorEnd, whole)
	}
}

// footprint lists the things a director may leave behind: interfaces, rules, routes and
// neighbours of both families, and the settings that policy looks at.
func footprint(t *testing.T, h *netns.Host) []string {
	t.Helper()
	all := policy(t, h)
	nl := h.Netlink()
	links, err := nl.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		all = append(all, fmt.Sprintf("link %s %s", l.Attrs().Name, l.Attrs().HardwareAddr))
	}
	rules, err := nl.RuleList(unix.AF_INET6)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		all = append(all, "rule6 "+r.String())
	}
	routes, err := nl.RouteListFiltered(unix.AF_INET6, &netlink.Route{Table: unix.RT_TABLE_UNSPEC}, netlink.RT_FILTER_TABLE)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		all = append(all, "route6 "+r.String())
	}
	slices.Sort(all)
	return all
}

// A director that is not to serve them also takes away what one that was killed
// has left.
func TestClientsOnTheHostCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	config := lab.Config(rotating())
	launch(t, lab, shortDir(t), config).end(t, unix.SIGKILL)
	d := direct(t, lab, config, "--local-clients=false")
	if st := status(t, d); st.Local != "off" {
		t.Errorf("clients on the director's host: %q, want off", st.Local)
	}
	for _, s := range footprint(t, lab.Director.Host) {
		for _, bad := range []string{localclient.HostEnd, localclient.DirectorEnd, fmt.Sprint(policyroute.LocalTable), fmt.Sprint(policyroute.LocalReplyTable)} {
			if strings.Contains(s, bad) {
				t.Errorf("there is %q", s)
			}
		}
	}
	getByWeight(t, lab)
	if r := verb(t, "status", "--socket", d.Socket); !strings.Contains(r.stdout, "clients on this host: off\n") {
		t.Errorf("the status says\n%s", r.stdout)
	}
}

// An interface of somebody else has the name: it is left alone, and so are
// clients on this host, with a word about it.
func TestAnInterfaceThatHasTheNameIsNotTouched(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	attrs := netlink.NewLinkAttrs()
	attrs.Name = localclient.HostEnd
	if err := lab.Director.Netlink().LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		t.Fatal(err)
	}
	before := footprint(t, lab.Director.Host)
	p := launch(t, lab, shortDir(t), lab.Config(rotating()))
	st, err := askStatus(context.WithoutCancel(t.Context()), p.socket)
	if err != nil || !strings.Contains(st.Local, "not lvsdr's") {
		t.Errorf("clients on the director's host: %q, %v", st.Local, err)
	}
	if !strings.Contains(p.log.String(), "--local-clients=false") {
		t.Error("the log does not say what to do")
	}
	getByWeight(t, lab)
	if code := p.end(t, unix.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ended the director with %d", code)
	}
	if after := footprint(t, lab.Director.Host); !slices.Equal(before, after) {
		t.Errorf("left behind:\n%s\nfound:\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
}

// A network manager that removes rules it does not know, or `ip rule flush`, took the
// clients on the director's host away for good, while the status said "served".
func TestClientsOnTheDirectorsHostSurviveTheLossOfTheirRules(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	here := onDirector(lab)
	getByWeight(t, here)
	rules := func() (ours []netlink.Rule) {
		err := lab.Director.Do(func() error {
			all, err := netlink.RuleList(netlink.FAMILY_V4)
			ours = slices.DeleteFunc(all, func(r netlink.Rule) bool {
				return r.Table != policyroute.LocalTable && r.Table != policyroute.LocalReplyTable
			})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ours
	}
	before := rules()
	for _, r := range before {
		if err := lab.Director.Do(func() error { return netlink.RuleDel(&r) }); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the rules to be restored", func() bool { return len(rules()) == len(before) })
	if len(before) != 2 {
		t.Errorf("rules %v, want 2", before)
	}
	getByWeight(t, here)
	wantLocalServed(t, status(t, d))
}
