package ipvsadm

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"lvsdr/control/api"
)

// listConns prints the connections and templates, by protocol, client and
// virtual address.
func (i *Interpreter) listConns(ctx context.Context, out *strings.Builder, q *request) error {
	names := i.namesFor(q)
	var all []api.Conn
	for c, err := range i.Admin.Conns(ctx) {
		if err != nil {
			return err
		}
		all = append(all, c)
	}
	slices.SortFunc(all, compareConns)
	header := fmt.Sprintf("pro expire %-11s %-18s %-18s %s", "state", "source", "virtual", "destination")
	if q.given[persistentConn] {
		// The columns of persistence engines are empty: there are none.
		header = fmt.Sprintf("pro expire %-11s %-18s %-18s %-18s %-16s %s", "state", "source", "virtual", "destination", "pe name", "pe_data")
	}
	fmt.Fprintf(out, "IPVS connection entries\n%s\n", header)
	for k := range all {
		c := &all[k]
		virtual, server := c.Port, c.ServerPort
		if c.Invalid {
			virtual, server = 65535, 65535
		}
		left := int64(c.Expires)
		fmt.Fprintf(out, "%-3s %-6s %-11s %-18s %-18s %s\n", protoName(c.Protocol),
			fmt.Sprintf("%02d:%02d", left/60, left%60), c.State,
			names.text(c.Protocol, c.Client, c.ClientPort, serviceWidth),
			names.text(c.Protocol, c.Address, virtual, serviceWidth),
			names.text(c.Protocol, c.Server, server, serviceWidth))
	}
	return nil
}

func compareConns(a, b api.Conn) int {
	return cmp.Or(protocolNumber(a.Protocol)-protocolNumber(b.Protocol),
		a.Client.Compare(b.Client), cmp.Compare(a.ClientPort, b.ClientPort),
		a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port), a.Server.Compare(b.Server))
}
