package main_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// secondPort is the port of the other half of a service by mark.
const secondPort = 8443

// markLab is a lab of three servers that serve two ports, and a configuration with one
// service by mark for both.
func markLab(t *testing.T) (*network, string) {
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1, 1)})
	config := fmt.Sprintf("global_defs {\nlvsdr_mark 7 %s %d tcp\nlvsdr_mark 7 %[1]s %[3]d tcp\n}\n", lab.Spec.VIP, port, secondPort) +
		"virtual_server fwmark 7 {\ndelay_loop 0.2\nlb_algo rr\nlb_kind DR\npersistence_timeout 50\n"
	for _, n := range lab.Servers {
		s, err := netlab.StartHTTP(n.Host, fmt.Sprintf("0.0.0.0:%d", secondPort), n.Name())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Stop() })
		config += fmt.Sprintf("real_server %s {\nTCP_CHECK {\nconnect_port %d\nwarmup 0\nretry 0\n}\n}\n", n.Addr, secondPort)
	}
	return lab, config + "}\n"
}

// servedBy is the server of some requests of the first client to a port.
func servedBy(t *testing.T, lab *network, to uint16) string {
	t.Helper()
	tally := netlab.Get(t.Context(), lab.client(t, lab.Clients[0].Addr, freshConnections), fmt.Sprintf("http://%s/", netip.AddrPortFrom(lab.Spec.VIP, to)), 6, 2)
	if tally.Errors > 0 || len(tally.ByServer) != 1 {
		t.Fatalf("port %d: %d errors, %v; %v", to, tally.Errors, tally.First, tally.ByServer)
	}
	for name := range tally.ByServer {
		return name
	}
	return ""
}

// Two ports are one service, so that a client has the same server for both; and every
// verb speaks of it by its mark.
func TestAServiceByMarkJoinsTwoPorts(t *testing.T) {
	t.Parallel()
	lab, config := markLab(t)
	d := direct(t, lab, config)
	for i := range lab.Servers {
		awaitServer(t, d, i, "up", isUp)
	}
	first := servedBy(t, lab, port)
	if second := servedBy(t, lab, secondPort); second != first {
		t.Errorf("port %d is served by %s, port %d by %s", port, first, secondPort, second)
	}
	vip, client := lab.Spec.VIP.String(), lab.Clients[0].Addr.String()
	words(t, verb(t, "status", "--socket", d.Socket), "fwmark 7 on ", "rr, persistent 50 s", fmt.Sprintf("its packets: tcp %s %d", vip, port), fmt.Sprintf("its packets: tcp %s %d", vip, secondPort))
	words(t, verb(t, "ipvsadm", "--socket", d.Socket, "-Ln"), "FWM  7 rr persistent 50", lab.Servers[0].Addr.String()+":0")
	words(t, verb(t, "ipvsadm", "--socket", d.Socket, "-Sn"), "-A -f 7 -s rr -p 50")
	words(t, verb(t, "ipvsadm", "--socket", d.Socket, "-Lnc"), "IP  ", fmt.Sprintf("%s:%d", vip, secondPort))
	words(t, verb(t, "explain", client, fmt.Sprintf("%s:%d", vip, secondPort), "--socket", d.Socket), "fwmark 7, rr, persistent 50 s", "persistent")
	words(t, verb(t, "explain", client, vip+":22", "--socket", d.Socket), fmt.Sprintf("fwmark 7 (tcp %s %d)", vip, secondPort))
	words(t, verb(t, "why-sticky", client, fmt.Sprintf("%s:%d", vip, port), "--socket", d.Socket), "fwmark 7")
}

// As IPVS does, the director takes any service by mark; status says that no packet has it.
func TestIpvsadmAddsAServiceByMark(t *testing.T) {
	t.Parallel()
	lab, config := markLab(t)
	d := direct(t, lab, strings.Replace(config, "fwmark 7", "fwmark 8", 1))
	run := func(args ...string) {
		t.Helper()
		if r := verb(t, append([]string{"ipvsadm", "--socket", d.Socket}, args...)...); r.code != 0 {
			t.Fatalf("%v: code %d: %s", args, r.code, r.stderr)
		}
	}
	problem := func(mark int) bool {
		return strings.Contains(verb(t, "status", "--socket", d.Socket).stdout, fmt.Sprintf("problem: FWM %d of IPv4 gets no packets", mark))
	}
	await(t, "the problem of mark 8", func() bool { return problem(8) })
	run("-A", "-f", "9", "-s", "rr")
	await(t, "the problem of mark 9", func() bool { return problem(9) })
	run("-A", "-f", "7", "-s", "wrr")
	run("-a", "-f", "7", "-r", lab.Servers[2].Addr.String(), "-g")
	run("-E", "-f", "7", "-s", "wrr", "-p", "60")
	await(t, "the VIP of mark 7", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		return netlab.Get(ctx, lab.client(t, lab.Clients[0].Addr, freshConnections), url(lab), 1, 1).Errors == 0
	})
	if got := servedBy(t, lab, secondPort); got != "rs3" || problem(7) {
		t.Errorf("served by %s; a problem of mark 7: %v", got, problem(7))
	}
	run("-D", "-f", "7")
	run("-D", "-f", "9")
	await(t, "no problem of mark 9", func() bool { return !problem(9) })
}
