//go:build long

package main_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
)

// The life of a real server: nothing, the classic set-up, local clients
// balanced, and as it was before, in both families.
func TestARealServerBalancesItsOwnClients(t *testing.T) {
	t.Parallel()
	for name, spec := range map[string]netlab.Spec{"IPv4": {}, "IPv6": {Net: net6}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			lab := newHTTPLab(t, spec)
			h := newRSHost(t, lab)
			before := dump(t, h.Host)
			if r := h.run(t, "status"); r.code != 1 || !strings.Contains(r.stdout, "want present") {
				t.Errorf("status of a host that is no real server: exit code %d\n%s", r.code, r.stdout)
			}
			h.must(t, "start")
			h.must(t, "status")
			direct(t, lab, lab.Config(rotating()))

			// The defining document's problem: its own clients end here.
			onlyBy(t, ask(t, lab, h.Node, 6), 6, "rs1")

			if out := h.must(t, "start", "--balance-local-clients", fmt.Sprint(port)); !strings.Contains(out, "set rule 2: from all lookup local: was absent, is present") {
				t.Errorf("start says nothing of the rules:\n%s", out)
			}
			for server, n := range ask(t, lab, h.Node, 60).ByServer {
				if n < 18 || n > 22 {
					t.Errorf("%s served %d of 60 requests of rs1", server, n)
				}
			}
			onlyBy(t, ask(t, lab, h.Node, 6), 6, "rs1", "rs2", "rs3")
			onlyBy(t, ask(t, lab, lab.Clients[0], 6), 6, "rs1", "rs2", "rs3")

			active := dump(t, h.Host)
			out := h.must(t, "start", "--balance-local-clients", fmt.Sprint(port))
			if strings.Contains(out, "  set ") || dump(t, h.Host) != active {
				t.Errorf("a second start changes something:\n%s", out)
			}
			h.must(t, "stop")
			if after := dump(t, h.Host); after != before {
				t.Errorf("before:\n%s\n\nafter:\n%s", before, after)
			}
			if out := h.must(t, "stop"); !strings.Contains(out, "no start is recorded") {
				t.Errorf("a second stop:\n%s", out)
			}
		})
	}
}

// The strict reverse path filter would drop the answers of the other servers.
func TestLocalClientsAreBalancedUnderAStrictReversePathFilter(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	for _, conf := range []string{"all", netlab.Ifname} {
		if err := h.Sysctl("net.ipv4.conf."+conf+".rp_filter", "1"); err != nil {
			t.Fatal(err)
		}
	}
	out := h.must(t, "start", "--balance-local-clients", fmt.Sprint(port))
	if !strings.Contains(out, "set net.ipv4.conf.eth0.rp_filter: was 1, is 2") {
		t.Errorf("start says nothing of rp_filter:\n%s", out)
	}
	direct(t, lab, lab.Config(rotating()))
	onlyBy(t, ask(t, lab, h.Node, 6), 6, "rs1", "rs2", "rs3")
	onlyBy(t, ask(t, lab, lab.Clients[0], 6), 6, "rs1", "rs2", "rs3")
}

// Several VIPs share sysctls and the order of the rules: the last stop restores
// them. What somebody else changed is his.
func TestSeveralVIPsShareWhatTheyNeed(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	h := newRSHost(t, lab)
	before := dump(t, h.Host)
	second := h
	second.vip = netip.MustParseAddr("192.168.1.101")
	h.must(t, "start", "--balance-local-clients", "80,443")
	second.must(t, "start", "--balance-local-clients", "80")
	if out := h.must(t, "stop"); !strings.Contains(out, "kept: net.ipv4.conf.all.arp_ignore is 1") {
		t.Errorf("the first stop keeps nothing:\n%s", out)
	}
	second.must(t, "status")
	if err := h.Sysctl("net.ipv4.conf.all.arp_announce", "0"); err != nil {
		t.Fatal(err)
	}
	if r := second.run(t, "status"); r.code != 1 || !strings.Contains(r.stdout, "want 2") {
		t.Errorf("status: exit code %d\n%s", r.code, r.stdout)
	}
	if out := second.must(t, "stop"); !strings.Contains(out, "left alone: net.ipv4.conf.all.arp_announce is 0") {
		t.Errorf("the last stop:\n%s", out)
	}
	if err := h.Sysctl("net.ipv4.conf.all.arp_announce", "1"); err != nil { // as bare has it
		t.Fatal(err)
	}
	if after := dump(t, h.Host); after != before {
		t.Errorf("before:\n%s\n\nafter:\n%s", before, after)
	}
}
