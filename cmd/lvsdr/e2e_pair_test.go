package main_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// virtualRouter is the VRRP part of a file: an instance with the lab's VIP.
func virtualRouter(lab *network, priority int, advert, more string) string {
	return fmt.Sprintf("vrrp_instance web {\n state BACKUP\n version 3\n interface %s\n virtual_router_id 51\n priority %d\n advert_int %s\n%s\n virtual_ipaddress {\n %v\n }\n}\n",
		netlab.Ifname, priority, advert, more, lab.Spec.VIP)
}

// director starts a director with VRRP on a node.
func director(t *testing.T, n *netlab.Node, config string) *netlab.Director {
	t.Helper()
	d, err := netlab.StartDirector(context.WithoutCancel(t.Context()), n.Host, binary(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.Stop() // it may have ended
		if t.Failed() {
			t.Logf("a director wrote:\n%s", d.Log.String())
		}
	})
	return d
}

// becomes waits until the instance of a director has a role.
func becomes(t *testing.T, d *netlab.Director, role string) {
	t.Helper()
	if err := d.Await(t.Context(), func(st *api.Status) bool {
		return len(st.Routers) > 0 && !slices.ContainsFunc(st.Routers, func(r api.Router) bool { return r.Role != role })
	}); err != nil {
		t.Fatalf("not %s: %v", role, err)
	}
}

// outage asks the VIP for connections until one is made, and returns how long that took
// from begin.
func outage(t *testing.T, lab *network, begin time.Time) time.Duration {
	t.Helper()
	const longest = time.Minute
	for time.Since(begin) < longest {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		c, err := lab.Clients[0].Dial(ctx, "tcp", vipPort(lab))
		cancel()
		if err == nil {
			c.Close()
			return time.Since(begin)
		}
	}
	t.Fatal("the VIP does not come back")
	return 0
}

// reached waits until connections of the client are scheduled by a director: it has learned
// where the VIP is now.
func reached(t *testing.T, lab *network, d *netlab.Director) {
	t.Helper()
	before := status(t, d).Reasons["scheduled"]
	await(t, "the client to reach the master", func() bool {
		outage(t, lab, time.Now())
		return status(t, d).Reasons["scheduled"] > before
	})
}

// hasVIP reports whether a node has the lab's VIP on its interface.
func hasVIP(t *testing.T, n *netlab.Node, lab *network) bool {
	t.Helper()
	nl := n.Netlink()
	link, err := nl.LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	all, err := nl.AddrList(link, unix.AF_INET)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if a.IP.Equal(net.IP(lab.Spec.VIP.AsSlice())) {
			return true
		}
	}
	return false
}
