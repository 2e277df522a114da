package policyroute

import (
	"encoding/binary"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// message is a message of NETLINK_ROUTE about a route or a rule: the attribute of
// the table has the number of RTA_TABLE in both.
func message(kind uint16, table int) syscall.NetlinkMessage {
	b := make([]byte, unix.SizeofRtMsg, unix.SizeofRtMsg+8)
	b = binary.NativeEndian.AppendUint16(b, 8)
	b = binary.NativeEndian.AppendUint16(b, unix.RTA_TABLE)
	b = binary.NativeEndian.AppendUint32(b, uint32(table))
	return syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind}, Data: b}
}

// Each owner hears of what is its own, and of nothing else.
func TestAnOwnerHearsOfItsOwnTablesOnly(t *testing.T) {
	kinds := []uint16{unix.RTM_NEWRULE, unix.RTM_DELRULE, unix.RTM_NEWROUTE, unix.RTM_DELROUTE}
	for _, c := range []struct {
		owner Owner
		own   []int
		other []int
	}{
		{Local(), []int{LocalTable, LocalReplyTable, LocalServerTable}, []int{0, unix.RT_TABLE_MAIN, BalanceTable, ShieldBase + 1, DRCheckBase + 1}},
		{Shield(), []int{ShieldBase + 1, ShieldBase + ShieldTables}, []int{unix.RT_TABLE_LOCAL, ShieldBase - 1, LocalTable, DRCheckBase + 1}},
		{DRCheck(), []int{DRCheckBase + 1, DRCheckBase + DRChecks}, []int{DRCheckBase, LocalTable, ShieldBase + 1}},
	} {
		counts := c.owner.Changes().Counts
		for _, kind := range kinds {
			for _, table := range c.own {
				if !counts(message(kind, table)) {
					t.Errorf("%s does not hear of message %d about table %#x", c.owner.Name, kind, table)
				}
			}
			for _, table := range c.other {
				if counts(message(kind, table)) {
					t.Errorf("%s hears of message %d about table %#x", c.owner.Name, kind, table)
				}
			}
		}
		if counts(message(unix.RTM_NEWLINK, c.own[0])) {
			t.Errorf("%s hears of interfaces", c.owner.Name)
		}
	}
}
