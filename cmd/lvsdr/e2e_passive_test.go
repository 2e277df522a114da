package main_test

import (
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// blackhole drops TCP to a port on the host, until the function that it returns is called.
func blackhole(t *testing.T, h *netns.Host, port uint16) (end func()) {
	t.Helper()
	edit := func(f func(*nftables.Conn)) {
		must(t, h.Do(func() error {
			c, err := nftables.New()
			if err != nil {
				return err
			}
			f(c)
			return c.Flush()
		}))
	}
	table := &nftables.Table{Family: nftables.TableFamilyIPv4, Name: "blackhole"}
	edit(func(c *nftables.Conn) {
		c.AddTable(table)
		input := c.AddChain(&nftables.Chain{Table: table, Name: "input", Type: nftables.ChainTypeFilter,
			Hooknum: nftables.ChainHookInput, Priority: nftables.ChainPriorityFilter})
		c.AddRule(&nftables.Rule{Table: table, Chain: input, Exprs: []expr.Any{
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.IPPROTO_TCP}},
			&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2}, // the destination port
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{byte(port >> 8), byte(port)}},
			&expr.Verdict{Kind: expr.VerdictDrop},
		}})
	})
	return func() { edit(func(c *nftables.Conn) { c.DelTable(table) }) }
}
