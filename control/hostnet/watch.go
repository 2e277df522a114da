package hostnet

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/nlwatch"
	"lvsdr/control/policyroute"
)

// Calm is how long Watch waits after a change for more of them, which seldom
// come alone.
const Calm = 50 * time.Millisecond

// Watch calls changed once it watches, and after links, addresses, routes, rules or permanent neighbours of
// the calling thread's network namespace have changed, once for all changes within Calm, and
// after changes were lost or may have been. The program's own routes and rules do
// not count. It returns with ctx, or at once with an error if it cannot subscribe
// at all.
func Watch(ctx context.Context, changed func()) error {
	var n neighbours
	if err := n.read(); err != nil {
		return err
	}
	s := nlwatch.Source{Name: "the interfaces", Protocol: unix.NETLINK_ROUTE,
		Groups: []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
			unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_NEIGH},
		Counts: func(m syscall.NetlinkMessage) bool {
			if m.Header.Type == unix.RTM_NEWNEIGH || m.Header.Type == unix.RTM_DELNEIGH {
				return n.count(m.Data)
			}
			_, p, ok := nlwatch.Route(m)
			return !ok || p != policyroute.Protocol
		}}
	s.Subscribed = changed
	return nlwatch.Watch(ctx, Calm, changed, s)
}
