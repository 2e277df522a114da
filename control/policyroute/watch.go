package policyroute

import (
	"syscall"

	"golang.org/x/sys/unix"

	"lvsdr/control/nlwatch"
)

// Changes tells of rules and routes of o that came or went, whoever changed them;
// to be given to nlwatch.Watch.
func (o Owner) Changes() nlwatch.Source {
	return nlwatch.Source{
		Name: "the routing rules of " + o.Name, Protocol: unix.NETLINK_ROUTE,
		Groups: []uint{unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE},
		Counts: func(m syscall.NetlinkMessage) bool {
			table, _, ok := nlwatch.Route(m)
			return ok && o.HasTable(table)
		},
	}
}
