package main_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/realserver"
)

// net6 is the network of the IPv6 labs.
var net6 = netip.MustParsePrefix("fd00:1::/64")

// bare takes from a real server what netlab has set up, so that it is a host
// that never was one, and gives it sysctls that a machine may have.
func bare(t *testing.T, lab *network, n *netlab.Node) {
	t.Helper()
	vip := lab.Spec.VIP
	lo, err := n.Netlink().LinkByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	// Its route over lo goes with the address only where that is the last one
	// of lo, which it is not.
	dst := netlink.NewIPNet(vip.AsSlice())
	if err := n.Netlink().AddrDel(lo, &netlink.Addr{IPNet: dst}); err != nil {
		t.Fatal(err)
	}
	if vip.Is6() {
		return
	}
	if err := n.Netlink().RouteDel(&netlink.Route{Dst: dst, LinkIndex: lo.Attrs().Index, Scope: netlink.SCOPE_LINK}); err != nil {
		t.Fatal(err)
	}
	for _, s := range [][2]string{{"all.arp_ignore", "0"}, {"lo.arp_ignore", "0"}, {"all.arp_announce", "1"}, {"lo.arp_announce", "0"},
		{"all.rp_filter", "1"}, {"eth0.rp_filter", "0"}} {
		if err := n.Sysctl("net.ipv4.conf."+s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
}

// A rsHost is a host with a folder for its records.
type rsHost struct {
	*netlab.Node
	state string
	vip   netip.Addr
}

// newRSHost is the lab's first real server, bare.
func newRSHost(t *testing.T, lab *network) rsHost {
	t.Helper()
	bare(t, lab, lab.Servers[0])
	return rsHost{lab.Servers[0], shortDir(t), lab.Spec.VIP}
}

// run runs lvsdr realserver VERB there.
func (h rsHost) run(t *testing.T, verb string, args ...string) result {
	t.Helper()
	return ended(t, h.command(t, verb, args...))
}

func (h rsHost) command(t *testing.T, verb string, args ...string) *netns.Cmd {
	return h.Command(t.Context(), binary(), append([]string{"realserver", verb, "--state", h.state, "--vip", h.vip.String()}, args...)...)
}

// ended runs a command to its end.
func ended(t *testing.T, cmd *netns.Cmd) result {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// must is run with exit code 0.
func (h rsHost) must(t *testing.T, verb string, args ...string) string {
	t.Helper()
	r := h.run(t, verb, args...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("realserver %s %v: exit code %d\n%s%s", verb, args, r.code, r.stdout, r.stderr)
	}
	return r.stdout
}

// dump is everything about the host that start could touch.
func dump(t *testing.T, h *netns.Host) string {
	t.Helper()
	var all []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		addrs, err := h.Netlink().AddrList(nil, family)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range addrs {
			all = append(all, fmt.Sprintf("address %d %s scope %d flags %d", a.LinkIndex, a.IPNet, a.Scope, a.Flags))
		}
		rules, err := h.Netlink().RuleList(family)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rules {
			all = append(all, fmt.Sprintf("rule %d %+v proto %d", family, r, r.Protocol))
		}
		routes, err := h.Netlink().RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range routes {
			all = append(all, fmt.Sprintf("route %d %+v", family, r))
		}
	}
	for _, conf := range []string{"all", "default", "lo", netlab.Ifname} {
		for _, key := range []string{"arp_ignore", "arp_announce", "arp_filter", "accept_local", "rp_filter", "forwarding"} {
			v, err := h.ReadSysctl("net.ipv4.conf." + conf + "." + key)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprintf("%s.%s %s", conf, key, v))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// ask makes n requests for the service from a host, each on a connection of
// its own.
func ask(t *testing.T, lab *network, from *netlab.Node, n int) netlab.Tally {
	t.Helper()
	vip := netip.AddrPortFrom(lab.Spec.VIP, port)
	ctx, cancel := context.WithTimeout(t.Context(), patience) // for all of them
	defer cancel()
	return netlab.Get(ctx, from.HTTPClient(netns.HTTPOptions{Fresh: true}), "http://"+vip.String()+"/", n, 1)
}

// onlyBy wants all n requests of a tally answered, by these servers and each of
// them.
func onlyBy(t *testing.T, tally netlab.Tally, n int, servers ...string) {
	t.Helper()
	if tally.Errors > 0 || tally.Total() != n || len(tally.ByServer) != len(servers) {
		t.Errorf("%v: want %d answers by %v", tally, n, servers)
	}
	for _, s := range servers {
		if tally.ByServer[s] == 0 {
			t.Errorf("%v: nothing by %s", tally, s)
		}
	}
}

// A datagram of the real server's own client goes to the director, and the
// answer finds it.
func TestLocalClientsOfUDPAreBalanced(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	h.must(t, "start", "--balance-local-clients", fmt.Sprintf("%d/udp", port))
	for _, n := range lab.Servers {
		// Bound to the VIP, so that answers come from it.
		c, err := n.ListenPacket("udp", netip.AddrPortFrom(lab.Spec.VIP, port).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		go echoName(c, n.Name())
	}
	direct(t, lab, strings.Replace(lab.Config(rotating()), "protocol TCP", "protocol UDP", 1))
	seen := map[string]bool{}
	for i := range 6 {
		local := netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(firstPort+i))
		c, err := h.DialFrom(t.Context(), "udp", local, netip.AddrPortFrom(lab.Spec.VIP, port).String())
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 64)
		_, err = c.Write([]byte("who are you"))
		err = errors.Join(err, c.SetDeadline(time.Now().Add(patience)))
		n, readErr := c.Read(b)
		if err := errors.Join(err, readErr, c.Close()); err != nil {
			t.Fatal(err)
		}
		seen[string(b[:n])] = true
	}
	if len(seen) != 3 {
		t.Errorf("answers by %v, want all three", seen)
	}
}

// echoName answers each datagram with name until c is closed.
func echoName(c net.PacketConn, name string) {
	b := make([]byte, 64)
	for {
		_, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		_, _ = c.WriteTo([]byte(name), from)
	}
}

// A real server keeps the VIP to itself: neither ARP nor neighbour discovery
// finds it there.
func TestAStartedRealServerIsNotFoundByItsNeighbours(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]netlab.Spec{
		"IPv4": {Servers: weighted(1)}, "IPv6": {Servers: weighted(1), Net: net6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := newHTTPLab(t, spec)
			h := newRSHost(t, lab)
			h.must(t, "start", "--balance-local-clients", fmt.Sprint(port))
			if tally := ask(t, lab, lab.Clients[0], 1); tally.Errors != 1 {
				t.Errorf("%v: the VIP was found without a director", tally)
			}
			onlyBy(t, netlab.Get(t.Context(), lab.Clients[0].HTTPClient(netns.HTTPOptions{}),
				"http://"+netip.AddrPortFrom(h.Addr, port).String()+"/", 1, 1), 1, "rs1")
		})
	}
}

func TestRealserverAsJSON(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	var reports []realserver.Report
	if err := json.Unmarshal([]byte(h.must(t, "start", "--json", "--vip", "192.168.1.101")), &reports); err != nil || len(reports) != 2 || !reports[1].OK() {
		t.Errorf("%+v, %v", reports, err)
	}
	var states []realserver.Status
	if err := json.Unmarshal([]byte(h.must(t, "status", "--json")), &states); err != nil || len(states) != 1 || !states[0].InPlace ||
		!states[0].Items[0].Ours || states[0].Items[0].Was != "0" {
		t.Errorf("%+v, %v", states, err)
	}
}

// What cannot be right is refused before anything is touched, with a remedy.
func TestRealserverRefuses(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	before := dump(t, h.Host)
	for _, c := range []struct {
		verb, args, says string
		code             int
	}{
		{"start", "--balance-local-clients 0", "want PORT", 2},
		{"start", "--interface eth0", "only needed to balance", 2},
		{"start", "--vip 224.0.0.1", "no address that clients could reach", 2},
		{"start", "--vip 192.0.2.1 --balance-local-clients 80", "--interface IFACE", 1},
		{"start", "--tun vxlan", "there are ipip, gre, gue", 2},
		{"start", "--tun gue", "port is missing", 2},
		{"start", "--tun-port 6080", "need --tun", 2},
		{"start", "--tun gre --tun-csum", "name the address", 2},
		{"start", "--tun ipip --tun-local 192.0.2.9", "this host has no such address", 1},
		{"start", "--tun ipip --tun-local 192.0.2", "--tun-local", 2},
		{"stop", "extra", "unknown command", 2},
	} {
		r := h.run(t, c.verb, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%s %s: exit code %d, %q; want %d, %q", c.verb, c.args, r.code, r.stderr, c.code, c.says)
		}
		h.must(t, "stop")
	}
	if after := dump(t, h.Host); after != before {
		t.Errorf("before:\n%s\n\nafter:\n%s", before, after)
	}
	if err := h.AddAddr(netlab.Ifname, netip.PrefixFrom(h.vip, 24)); err != nil {
		t.Fatal(err)
	}
	if r := h.run(t, "start"); r.code != 1 || !strings.Contains(r.stderr, "ip addr del 192.168.1.100/24 dev eth0") {
		t.Errorf("the VIP is on eth0: exit code %d, %q", r.code, r.stderr)
	}
}

// A record of before the last boot says nothing about this one.
func TestARecordOfAnEarlierBootIsNotBelieved(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	h.must(t, "start")
	set := dump(t, h.Host)
	path := filepath.Join(h.state, "realserver-"+h.vip.String()+".json")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	boot := regexp.MustCompile(`"boot": "[^"]*"`).ReplaceAll(b, []byte(`"boot": "another"`))
	other := regexp.MustCompile(`"namespace": \d+`).ReplaceAll(b, []byte(`"namespace": 99999999`))
	for why, text := range map[string][]byte{"before the last boot": boot, "another network namespace": other} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"status", "stop"} {
			if out := h.must(t, verb); !strings.Contains(out, why) {
				t.Errorf("%s:\n%s", verb, out)
			}
		}
		if dump(t, h.Host) != set {
			t.Errorf("%s: stop has changed something", why)
		}
		if out := h.must(t, "start"); !strings.Contains(out, why) || strings.Contains(out, "  set ") {
			t.Errorf("start:\n%s", out)
		}
	}
}

// Without the privilege the user learns which one, and what was done until then
// can be taken back.
func TestRealserverNamesTheMissingPrivilege(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	before := dump(t, h.Host)
	cmd := h.command(t, "start")
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER // no rights over the host's network
	if r := ended(t, cmd); r.code != 1 || !strings.Contains(r.stdout, "needs CAP_NET_ADMIN") || !strings.Contains(r.stdout, "as root") {
		t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	h.must(t, "stop")
	if after := dump(t, h.Host); after != before {
		t.Errorf("before:\n%s\n\nafter:\n%s", before, after)
	}
}

// Containers usually have a read-only /proc/sys. Each sysctl is named, and the
// VIP is not added as long as the host would answer for it.
func TestAReadOnlyProcSysIsExplained(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	script := tool(t, "mount", "mount") + ` --bind /proc/sys /proc/sys && ` + tool(t, "mount", "mount") + ` -o remount,ro,bind /proc/sys && exec "$@"`
	inContainer := func(verb string) result {
		argv := append([]string{"-c", script, "sh"}, h.command(t, verb).Args...)
		cmd := h.Command(t.Context(), "sh", argv...)
		cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
		return ended(t, cmd)
	}
	r := inContainer("start")
	for _, s := range []string{
		"--sysctl net.ipv4.conf.all.arp_ignore=1", "--sysctl net.ipv4.conf.lo.arp_announce=2",
		"not tried: address 192.168.1.100/32 dev lo; without arp_ignore",
	} {
		if r.code != 1 || !strings.Contains(r.stdout, s) {
			t.Errorf("exit code %d; it does not say %q:\n%s%s", r.code, s, r.stdout, r.stderr)
		}
	}
	for _, s := range []string{"all.arp_ignore=1", "all.arp_announce=2", "lo.arp_ignore=1", "lo.arp_announce=2"} {
		key, value, _ := strings.Cut(s, "=")
		if err := h.Sysctl("net.ipv4.conf."+key, value); err != nil {
			t.Fatal(err)
		}
	}
	if r := inContainer("start"); r.code != 0 {
		t.Errorf("the sysctls are set from outside: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}
