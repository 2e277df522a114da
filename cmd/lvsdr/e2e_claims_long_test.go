//go:build long

package main_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

// A flood of claims with ever new MAC addresses moves no real server: all requests
// beside it are served, and the log names what was claimed.
func TestAFloodOfClaimsLosesNoRequest(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	d := direct(t, lab, lab.Config(rotating()))
	stop, done := make(chan struct{}), make(chan int)
	go func() { done <- claims(t, lab, lab.Servers[0], time.Millisecond, stop) }()
	await(t, "the claims to be refused", func() bool { return strings.Contains(d.Log.String(), "event=real-server-claimed") })
	for range 10 {
		get(t, lab, 20)
	}
	close(stop)
	if n := <-done; n < 10 {
		t.Fatalf("only %d claims were sent: this test proves nothing", n)
	}
	for i, s := range status(t, d).Services[0].Servers {
		if s.MAC != lab.Servers[i].MAC.String() {
			t.Errorf("server %d is at %s, want %s", i+1, s.MAC, lab.Servers[i].MAC)
		}
	}
	if strings.Contains(d.Log.String(), "event=real-server-moved") {
		t.Error("a real server has moved")
	}
}

// The kernel of the director's host believes a claim, and health checks go by the kernel.
// Its neighbour entry is set back: while a hundred claims a second come, checks are
// good, and no request is lost.
func TestClaimsFailNoCheck(t *testing.T) {
	t.Parallel()
	for _, c := range part(1, []struct {
		name string
		spec netlab.Spec
	}{{"ARP", netlab.Spec{}}, {"neighbour discovery", netlab.Spec{Net: net6}}}) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			spec := c.spec
			spec.Servers = weighted(1, 1)
			lab := newHTTPLab(t, spec)
			rs := lab.Servers[0]
			acceptChecks(t, lab)
			service := rotating()
			// On a busy machine an entry is wrong for some milliseconds out of ten. A SYN that
			// meets that is lost, and the kernel sends another after a second.
			service.Server = strings.Replace(checked, "connect_timeout 1", fmt.Sprintf("connect_port %d\n            connect_timeout 10", checkPort), 1)
			d := direct(t, lab, lab.Config(service))
			stop, done := make(chan struct{}), make(chan int)
			go func() { done <- claims(t, lab, rs, 10*time.Millisecond, stop) }()
			end := sync.OnceValue(func() int { close(stop); return <-done })
			t.Cleanup(func() { end() })
			await(t, "the entry to be set back", func() bool { return strings.Contains(d.Log.String(), "event=neighbour-set-back") })
			made := func() uint64 { c := status(t, d).Services[0].Servers[0].Checks[0]; return c.Attempts - c.Failures }
			begin := made()
			await(t, "three good checks and a hundred claims", func() bool {
				get(t, lab, 4)
				if strings.Contains(d.Log.String(), "real server is down") {
					t.Fatalf("a check failed, after %d good ones", made()-begin)
				}
				// A busy machine sends claims more slowly. Not all of these frames are claims.
				frames := status(t, d).Reasons
				return made() >= begin+3 && frames["arp"]+frames["ndp"] >= 150
			})
			if n := end(); n < 100 {
				t.Errorf("only %d claims were sent: this test proves nothing", n)
			}
			await(t, "the kernel's entry to be right", func() bool { return kernelsMAC(t, lab, rs) == rs.MAC.String() })
			if n := strings.Count(d.Log.String(), "event=neighbour-set-back"); n > 3 {
				t.Errorf("%d lines about it", n)
			}
		})
	}
}

// A permanent neighbour entry of the kernel gives a real server's MAC address: it is not
// asked for, and as soon as the entry is gone it is.
func TestAPermanentNeighbourIsHonoured(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1)})
	d := direct(t, lab, lab.Config(rotating()))
	nl := lab.Director.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	rs := lab.Servers[0]
	given := frame.MAC{2, 0, 0, 0, 0x55, 0x99}
	entry := &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: netlink.FAMILY_V4, State: netlink.NUD_PERMANENT, IP: rs.Addr.AsSlice(), HardwareAddr: given[:]}
	at := func(mac string) func(*api.Status) bool {
		return func(st *api.Status) bool { return st.Services[0].Servers[0].MAC == mac }
	}
	if err := nl.NeighSet(entry); err != nil {
		t.Fatal(err)
	}
	if err := d.Await(t.Context(), at(given.String())); err != nil {
		t.Fatalf("the entry is not looked at: %v", err)
	}
	if err := nl.NeighDel(entry); err != nil {
		t.Fatal(err)
	}
	if err := d.Await(t.Context(), at(rs.MAC.String())); err != nil {
		t.Fatalf("the real server is not asked for when the entry is gone: %v", err)
	}
	get(t, lab, 5)
}
