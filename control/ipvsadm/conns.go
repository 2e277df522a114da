package ipvsadm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"lvsdr/dataplane"
)

// listConns prints the connections and templates, by protocol, client and
// virtual address.
func (i *Interpreter) listConns(out *strings.Builder, q *request) {
	names := i.namesFor(q)
	all := i.Director.Conns(i.Now())
	slices.SortFunc(all, compareConns)
	header := fmt.Sprintf("pro expire %-11s %-18s %-18s %s", "state", "source", "virtual", "destination")
	if q.given[persistentConn] {
		// The columns of persistence engines are empty: there are none.
		header = fmt.Sprintf("pro expire %-11s %-18s %-18s %-18s %-16s %s", "state", "source", "virtual", "destination", "pe name", "pe_data")
	}
	fmt.Fprintf(out, "IPVS connection entries\n%s\n", header)
	for _, c := range all {
		virtual, server := c.Key.VirtualPort, c.Key.VirtualPort
		if c.Invalid {
			virtual, server = 65535, 65535
		}
		left := int64(c.Expires / time.Second)
		fmt.Fprintf(out, "%-3s %-6s %-11s %-18s %-18s %s\n", ProtoName(c.Key.Proto),
			fmt.Sprintf("%02d:%02d", left/60, left%60), c.State,
			names.text(c.Key.Proto, c.Key.Client, c.Key.ClientPort, serviceWidth),
			names.text(c.Key.Proto, c.Key.Virtual, virtual, serviceWidth),
			names.text(c.Key.Proto, c.Server, server, serviceWidth))
	}
}

func compareConns(a, b dataplane.ConnStatus) int {
	return cmp.Or(cmp.Compare(a.Key.Proto, b.Key.Proto),
		slices.Compare(a.Key.Client[:], b.Key.Client[:]), cmp.Compare(a.Key.ClientPort, b.Key.ClientPort),
		slices.Compare(a.Key.Virtual[:], b.Key.Virtual[:]), cmp.Compare(a.Key.VirtualPort, b.Key.VirtualPort),
		slices.Compare(a.Server[:], b.Server[:]))
}
