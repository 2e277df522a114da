//go:build root

package main_test

import (
	"bufio"
	"context"
	"net"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/frame"
)

// offloading starts a director with VRRP and offload on a node.
func offloading(t *testing.T, n *netlab.Node, config string) *netlab.Director {
	t.Helper()
	d, err := netlab.StartDirector(context.WithoutCancel(t.Context()), n.Host, binary(), config, netlab.SmallTable, "--offload", "tc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Stop(); err != nil {
			t.Errorf("a director ended badly: %v", err)
		}
		if t.Failed() {
			t.Logf("a director wrote:\n%s", d.Log.String())
		}
	})
	return d
}

// steadied is a connection of which the kernel of d forwards frames.
func steadied(t *testing.T, lab *network, d *netlab.Director) net.Conn {
	t.Helper()
	c, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	r, before := bufio.NewReader(c), offloaded(status(t, d))
	await(t, "the kernel to forward its frames", func() bool {
		for range 40 {
			if _, err := request(c, r); err != nil {
				t.Fatal(err)
			}
		}
		return offloaded(status(t, d)) > before
	})
	return c
}

// A director that is the master no more forwards no frame of the connections that it had, not
// even of a client that goes on sending them to it.
func TestTheKernelForwardsNothingForABackup(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	first := offloading(t, lab.Director, virtualRouter(lab, 100, "0.25", "")+lab.Config(rotating()))
	becomes(t, first, "MASTER")
	reached(t, lab, first)
	// The client does not learn who the master is.
	if err := lab.Clients[0].SetNeighbour(netlab.Ifname, lab.Spec.VIP, lab.Director.MAC); err != nil {
		t.Fatal(err)
	}
	c := steadied(t, lab, first)
	second := offloading(t, n, virtualRouter(lab, 150, "0.25", "")+lab.Config(rotating()))
	becomes(t, second, "MASTER")
	becomes(t, first, "BACKUP")
	// The role is told before what follows from it is done.
	await(t, "the flows to be taken back", func() bool { return status(t, first).Offload.Flows == 0 })
	before := offloaded(status(t, first))
	atFirst := capture(t, lab.Director)
	if _, err := c.Write([]byte(strings.Repeat("x", 100))); err != nil {
		t.Fatal(err)
	}
	vip := frame.AddrFrom(lab.Spec.VIP)
	const again = 3 // times the client sends it
	await(t, "the client to repeat its segment", func() bool {
		in := 0
		for _, s := range sightings(t, atFirst) {
			switch {
			case s.Outgoing && s.Dst == vip:
				t.Fatalf("the backup forwards %v", s)
			case s.Dst == vip && s.Proto == frame.ProtoTCP:
				in++
			}
		}
		return in >= again
	})
	if now := offloaded(status(t, first)); now != before {
		t.Errorf("the kernel has forwarded %d frames for a backup", now-before)
	}
	// It is the master again, and its kernel forwards again.
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
	becomes(t, first, "MASTER")
	reached(t, lab, first)
	steadied(t, lab, first)
}
