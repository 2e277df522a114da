//go:build long

package main_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/bench/uml"
)

// An ipvs is a director of the kernel beside a lab's own, for the same service, with both
// daemons of connection sync.
type ipvs struct {
	*netlab.Node
	tool string // ipvsadm
}

// newIPVS sets one up. It has the VIP as real servers have it, and does not answer for it.
func newIPVS(t *testing.T, lab *network, version int, group string) *ipvs {
	t.Helper()
	tool := netns.Tool(t, "ipvsadm", "ipvsadm")
	n, err := lab.AddDirector(t.Context(), "kernel")
	if err != nil {
		t.Fatal(err)
	}
	k := &ipvs{n, tool}
	must(t, netlab.SetUpServer(k.Host, lab.Spec.VIP))
	must(t, k.Sysctl("net.ipv4.vs.sync_version", fmt.Sprint(version)))
	k.admin(t, "--set", fmt.Sprint(kernelTimeout), "0", "0")
	k.admin(t, "-A", "-t", vipPort(lab), "-s", "wrr", "-p", "120")
	for _, rs := range lab.Servers {
		k.admin(t, "-a", "-t", vipPort(lab), "-r", netip.AddrPortFrom(rs.Addr, port).String(), "-g")
	}
	for _, role := range []string{"master", "backup"} {
		k.admin(t, "--start-daemon", role, "--mcast-interface", netlab.Ifname, "--mcast-group", group, "--syncid", "7")
	}
	// What is left of the machine has no daemons: they hold the namespace.
	t.Cleanup(func() {
		for _, role := range []string{"master", "backup"} {
			_ = k.Command(context.Background(), tool, "--stop-daemon", role).Run()
		}
	})
	return k
}

// admin runs the kernel director's ipvsadm.
func (k *ipvs) admin(t *testing.T, args ...string) string {
	t.Helper()
	out, err := k.Command(t.Context(), k.tool, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ipvsadm %q: %v: %s", args, err, out)
	}
	return string(out)
}

// entries are the established connections and the templates of a listing of ipvsadm -Lnc,
// without their times, sorted.
func entries(listing string) (conns, templates []string) {
	for line := range strings.Lines(listing) {
		f := strings.Fields(line)
		switch {
		case len(f) < 6:
		case f[2] == "ESTABLISHED":
			conns = append(conns, strings.Join(f[2:6], " "))
		case strings.HasSuffix(f[3], ":0"): // as the client's port; of state ASSURED or NONE
			templates = append(templates, strings.Join(f[3:6], " "))
		}
	}
	slices.Sort(conns)
	slices.Sort(templates)
	return conns, templates
}

// kernelTimeout is the timeout of established connections at the kernel's director, in seconds; at ours it is 900.
const kernelTimeout = 500

// lasting is how many established connections of a listing of ipvsadm -Lnc end later than they would by the
// kernel's timeout.
func lasting(t *testing.T, listing string) (n int) {
	t.Helper()
	for line := range strings.Lines(listing) {
		f := strings.Fields(line)
		if len(f) < 3 || f[2] != "ESTABLISHED" {
			continue
		}
		var minutes, seconds int
		if _, err := fmt.Sscanf(f[1], "%d:%d", &minutes, &seconds); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if 60*minutes+seconds > kernelTimeout {
			n++
		}
	}
	return n
}

// An interop is a lab with a director of ours and one of the kernel.
type interop struct {
	*network
	ours   *netlab.Director
	kernel *ipvs
	open   []*openConn
}

// turn has the client send to one of both.
func (l *interop) turn(t *testing.T, to *netlab.Node) {
	t.Helper()
	must(t, l.Clients[0].SetNeighbour(netlab.Ifname, l.Spec.VIP, to.MAC))
}

// add opens n connections.
func (l *interop) add(t *testing.T, n int) {
	t.Helper()
	for range n {
		l.open = append(l.open, dialVIP(t, l.network))
	}
}

// goOn asks on all open connections.
func (l *interop) goOn(t *testing.T, where string) {
	t.Helper()
	for i, c := range l.open {
		if err := c.ask(); err != nil {
			t.Fatalf("connection %d through %s: %v", i, where, err)
		}
	}
}

// agree waits until both directors have n established connections and the same entries,
// with the template of the one client.
func (l *interop) agree(t *testing.T, n int) {
	t.Helper()
	// Programs are slow in a machine: they do not run in vain.
	await(t, fmt.Sprintf("both directors to have %d connections", n), func() bool {
		list, err := l.kernel.ReadProc("ip_vs_conn")
		must(t, err)
		return bytes.Count(list, []byte(" ESTABLISHED ")) == n && established(t, l.ours.Socket) == n
	})
	await(t, "both directors to have the same entries", func() bool {
		a, at := entries(verb(t, "ipvsadm", "--socket", l.ours.Socket, "-Lnc").stdout)
		b, bt := entries(l.kernel.admin(t, "-Lnc"))
		return len(a) == n && slices.Equal(a, b) && len(at) == 1 && slices.Equal(at, bt)
	})
}

// Connections that one director has made go on through the other one, the kernel's and
// ours, in both directions: the messages of each tell the other all that it needs, in both
// formats and over IPv6, and templates too. What is closed at one is closed at the other.
func TestTheKernelsDirectorAndOursShareTheirConnections(t *testing.T) {
	if !uml.Inside() {
		uml.Rerun(t, uml.Machine{Modules: []string{"ipv6", "veth", "bridge", "ip_vs", "ip_vs_wrr"}})
		return
	}
	const some = 10
	for _, c := range []struct {
		law     string
		net     netip.Prefix
		version int
		group   string
	}{
		{"version 1", netip.Prefix{}, 1, "224.0.0.81"},
		{"version 0", netip.Prefix{}, 0, "224.0.0.81"},
		{"version 1 of IPv6", netip.MustParsePrefix("fd00::/64"), 1, "ff02::81"},
	} {
		t.Run(c.law, func(t *testing.T) {
			lab := &interop{network: newHTTPLab(t, netlab.Spec{Net: c.net, Servers: weighted(1, 1)})}
			lab.kernel = newIPVS(t, lab.network, c.version, c.group)
			sync := fmt.Sprintf("global_defs {\n    lvs_sync_daemon eth0 id 7 group %s\n}\n", c.group)
			lab.ours = direct(t, lab.network, sync+lab.Config(netlab.Service{Port: port, Persistence: "120"}), "--ipvs", fmt.Sprint("sync_version=", c.version))

			lab.turn(t, lab.Director)
			lab.add(t, some)
			lab.goOn(t, "ours, which made them")
			lab.agree(t, some)
			// Version 1 tells the timeout, version 0 does not.
			if got, want := lasting(t, lab.kernel.admin(t, "-Lnc")), some*c.version; got != want {
				t.Errorf("the kernel's director has %d connections with the timeout of ours, want %d", got, want)
			}
			lab.turn(t, lab.kernel.Node)
			lab.goOn(t, "the kernel's, which was told of them")

			lab.add(t, some)
			lab.goOn(t, "the kernel's")
			lab.agree(t, 2*some)
			if got, want := lasting(t, verb(t, "ipvsadm", "--socket", lab.ours.Socket, "-Lnc").stdout), 2*some-some*c.version; got != want {
				t.Errorf("ours has %d connections with its own timeout, want %d", got, want)
			}
			lab.turn(t, lab.Director)
			lab.goOn(t, "ours, which was told of half of them")

			for _, o := range lab.open[:some/2] {
				must(t, o.Close())
			}
			lab.open = lab.open[some/2:]
			lab.agree(t, 2*some-some/2)
			lab.turn(t, lab.kernel.Node)
			for _, o := range lab.open[:some/2] {
				must(t, o.Close())
			}
			lab.open = lab.open[some/2:]
			lab.agree(t, some)
			if st := syncOf(t, lab.ours.Socket); st.Received.Malformed != 0 || st.Received.Messages == 0 || st.Sent.Messages == 0 || len(st.Peers) != 1 || st.Peers[0].Numbered {
				t.Errorf("connection sync stands at %+v", st)
			}
			if st := status(t, lab.ours); st.Reasons["reset-no-connection"] != 0 {
				t.Errorf("%d connections were reset", st.Reasons["reset-no-connection"])
			}
		})
	}
}
