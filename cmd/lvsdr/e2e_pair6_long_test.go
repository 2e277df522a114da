//go:build long

package main_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"lvsdr/bench/netlab"
)

// virtualRouter6 is the VRRP part of a file of IPv6. RFC 9568 section 5.2.9: the first
// address is a link-local one; linkLocal false leaves it out, as many files do.
func virtualRouter6(lab *network, priority int, advert string, linkLocal bool) string {
	first := ""
	if linkLocal {
		first = " fe80::51\n"
	}
	return fmt.Sprintf("vrrp_instance web {\n state BACKUP\n version 3\n interface %s\n virtual_router_id 51\n priority %d\n advert_int %s\n native_ipv6\n nopreempt\n virtual_ipaddress {\n%s %v\n }\n}\n",
		netlab.Ifname, priority, advert, first, lab.Spec.VIP)
}

// The VIP of IPv6 answers from the other director soon after the master was killed, whichever
// of the two that is: clients learn the new MAC from the neighbour advertisements alone. RFC
// 9568 section 6.1 lets a backup wait three intervals and a skew of less than one, which is a
// second here; the bound has room for a busy machine.
func TestAnIPv6VIPAnswersFromTheOtherDirector(t *testing.T) {
	const (
		kills = 6
		bound = 10 * time.Second
	)
	for _, c := range []struct {
		name      string
		linkLocal bool
	}{{"with a link-local address first", true}, {"of the VIP alone", false}} {
		t.Run(c.name, func(t *testing.T) {
			lab := newHTTPLab(t, netlab.Spec{Net: lab6, Servers: weighted(1, 1)})
			n, err := lab.AddDirector(t.Context(), "director2")
			must(t, err)
			config := lab.Config(rotating())
			start := func(n *netlab.Node, priority int) *netlab.Director {
				return director(t, n, virtualRouter6(lab, priority, "0.25", c.linkLocal)+config)
			}
			nodes, priorities := [2]*netlab.Node{lab.Director, n}, [2]int{150, 100}
			var directors [2]*netlab.Director
			directors[0] = start(nodes[0], priorities[0])
			becomes(t, directors[0], "MASTER")
			directors[1] = start(nodes[1], priorities[1])
			becomes(t, directors[1], "BACKUP")
			reached(t, lab, directors[0])
			get(t, lab, 10)
			var all []time.Duration
			for i := range kills {
				master, other := i%2, 1-i%2
				if st := status(t, directors[other]); len(st.Problems) != 0 {
					t.Errorf("problems of the backup: %q", st.Problems)
				}
				before := status(t, directors[other]).Reasons["scheduled"]
				begin := time.Now()
				must(t, directors[master].Kill())
				gone := outage(t, lab, begin)
				all = append(all, gone)
				if gone > bound {
					t.Errorf("kill %d: the VIP answers after %v, that is more than %v", i+1, gone, bound)
				}
				becomes(t, directors[other], "MASTER")
				get(t, lab, 10)
				if got := status(t, directors[other]).Reasons["scheduled"] - before; got < 10 {
					t.Errorf("kill %d: the new master scheduled %d connections", i+1, got)
				}
				directors[master] = start(nodes[master], priorities[master])
				becomes(t, directors[master], "BACKUP")
			}
			slices.Sort(all)
			for i := range all {
				all[i] = all[i].Round(time.Millisecond)
			}
			t.Logf("advert_int 0.25, IPv6: the VIP answers from the other after a kill within %v (median %v) of %d kills: %v", all[kills-1], all[kills/2], kills, all)
		})
	}
}
