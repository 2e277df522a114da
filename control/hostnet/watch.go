package hostnet

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"lvsdr/control/policyroute"
)

// Calm is how long Watch waits after a change for more of them, which seldom
// come alone; retryPause is how long it waits before it subscribes again.
const (
	Calm       = 50 * time.Millisecond
	retryPause = time.Second
)

// groups are what is subscribed to: links, addresses, routes and rules.
var groups = []uint{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE}

// Watch calls changed after links, addresses, routes or rules of the calling
// thread's network namespace have changed, once for all changes within Calm, and
// after changes were lost (ENOBUFS) or may have been. The program's own routes
// and rules do not count. It returns with ctx, or at once with an error if it
// cannot subscribe at all.
func Watch(ctx context.Context, changed func()) error {
	for first := true; ; first = false {
		socket, err := nl.Subscribe(unix.NETLINK_ROUTE, groups...)
		switch {
		case err == nil:
			if !first {
				changed()
			}
			follow(ctx, socket, changed)
		case first:
			return fmt.Errorf("watch the interfaces: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryPause):
		}
	}
}

// follow is Watch until ctx or the socket ends.
func follow(ctx context.Context, socket *nl.NetlinkSocket, changed func()) {
	stop := context.AfterFunc(ctx, socket.Close)
	defer func() {
		if stop() {
			socket.Close()
		}
	}()
	events := make(chan struct{}, 1)
	go func() {
		defer close(events)
		for {
			messages, _, err := socket.Receive()
			if err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				return
			}
			if err != nil || anyForeign(messages) {
				select {
				case events <- struct{}{}:
				default: // that is known already
				}
			}
		}
	}()
	for range events {
		select {
		case <-ctx.Done():
		case <-time.After(Calm):
		}
		select {
		case <-events:
		default:
		}
		if ctx.Err() != nil {
			break
		}
		changed()
	}
	for range events { // the reader ends with the socket
	}
}

// anyForeign reports whether one of the messages is not about a route or rule of
// this program.
func anyForeign(messages []syscall.NetlinkMessage) bool {
	for _, m := range messages {
		if !own(m) {
			return true
		}
	}
	return false
}

// own reports whether a message is about a route or rule of this program.
func own(m syscall.NetlinkMessage) bool {
	switch m.Header.Type {
	case unix.RTM_NEWROUTE, unix.RTM_DELROUTE:
		return len(m.Data) >= unix.SizeofRtMsg && nl.DeserializeRtMsg(m.Data).Protocol == policyroute.Protocol
	case unix.RTM_NEWRULE, unix.RTM_DELRULE:
		if len(m.Data) < unix.SizeofRtMsg {
			return false
		}
		attrs, err := nl.ParseRouteAttr(m.Data[unix.SizeofRtMsg:])
		for _, a := range attrs {
			if a.Attr.Type == nl.FRA_PROTOCOL && len(a.Value) > 0 {
				return err == nil && a.Value[0] == policyroute.Protocol
			}
		}
	}
	return false
}
