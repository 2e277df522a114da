package offload

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"lvsdr/dataplane"
)

// exits are the interfaces by which frames leave. By one whose peer is in another namespace they may go to
// that peer at once (bpf_redirect_peer), past the queue of the interface. Whether it is one
// takes a question to the kernel, so look asks, and not SetNextHop, which must not wait.
type exits struct {
	tables *tables
	why    func(ifindex int) string // not to the peer; "": to it

	mu      sync.Mutex
	links   map[int32]string // as why said last
	servers []int32          // by index: the interface; 0: none
	asked   int64            // when look asked for all
}

func newExits(t *tables, servers int) *exits {
	return &exits{tables: t, why: whyNotPeer, links: map[int32]string{}, servers: make([]int32, servers)}
}

// notAsked is of an interface that look has not seen yet.
const notAsked = "not looked at yet"

// set has a server be there, by an interface.
func (e *exits) set(server uint32, to dataplane.NextHop) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if was := e.servers[server]; !to.Plain && was != 0 {
		e.links[was] = notAsked // the interface may have gone, and another get its index
	}
	e.servers[server] = to.Link
	why, known := e.links[to.Link]
	if !known && to.Plain {
		e.links[to.Link] = notAsked
	}
	e.tables.setServer(server, to, known && why == "")
}

// askAgain is how often look asks about an interface: its peer may move.
const askAgain = time.Second

// look asks the kernel about new interfaces, and now and then about all.
func (e *exits) look(now int64) {
	e.mu.Lock()
	again := now-e.asked >= int64(askAgain)
	if again {
		e.asked = now
	}
	links := maps.Clone(e.links)
	e.mu.Unlock()
	for link, was := range links {
		if !again && was != notAsked {
			continue
		}
		if why := e.why(int(link)); why != was {
			e.judge(link, why)
		}
	}
}

// judge has the frames of all servers by an interface go as why says.
func (e *exits) judge(link int32, why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.links[link] = why
	peer := uint32(0)
	if why == "" {
		peer = 1
	}
	for server, by := range e.servers {
		if by == link {
			store32(e.tables.server(uint32(server)), destPeer, peer)
		}
	}
}

// all are the interfaces that servers have.
func (e *exits) all() map[int]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := map[int]string{}
	for link, why := range e.links {
		if slices.Contains(e.servers, link) {
			all[int(link)] = why
		}
	}
	return all
}

// whyNotPeer says why frames by an interface cannot go to its peer. The kernel drops a frame to a peer in
// the same namespace, or one that is down (skb_do_redirect in net/core/filter.c).
func whyNotPeer(ifindex int) string {
	l, err := netlink.LinkByIndex(ifindex)
	switch {
	case err != nil:
		return fmt.Sprintf("no answer about it: %v", err)
	case l.Type() != "veth" && l.Type() != "netkit":
		return fmt.Sprintf("it is %s, and only veth and netkit have a peer", l.Type())
	case l.Attrs().NetNsID < 0:
		return "its peer is in the same namespace"
	}
	return ""
}
