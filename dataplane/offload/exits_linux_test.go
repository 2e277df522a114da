package offload

import (
	"maps"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// The frames of a server go to the peer of its interface when the kernel was asked about that, and as
// long as the answer stays: not before, not after a change, and not by another interface.
func TestFramesGoToThePeerWhereThereIsOne(t *testing.T) {
	_, tab := kernel(t, 0)
	answers := map[int]string{1: "", 2: "it is a bridge"}
	e := newExits(tab, 4)
	e.why = func(link int) string { return answers[link] }
	hop := func(link int32) dataplane.NextHop {
		return dataplane.NextHop{MAC: serverMAC, From: frame.MAC{2}, Link: link, MTU: 1500, Plain: true}
	}
	want := func(when string, peers ...uint32) {
		t.Helper()
		for i, want := range peers {
			if mem := tab.server(uint32(i)); load32(mem, destPeer) != want || load32(mem, destOn) != 1 {
				t.Errorf("%s: server %d: peer %d, on %d, want %d, 1", when, i, load32(mem, destPeer), load32(mem, destOn), want)
			}
		}
	}
	now := int64(1e9)
	for i, link := range []int32{1, 2, 1} {
		e.set(uint32(i), hop(link))
	}
	want("before the question", 0, 0, 0)
	e.look(now)
	want("after it", 1, 0, 1)
	if got, want := e.all(), answers; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	e.set(3, hop(1))
	want("a server more", 1, 0, 1, 1)
	e.set(3, hop(2))
	want("which moves", 1, 0, 1, 0)
	answers[1], answers[2] = "its peer is in the same namespace", ""
	e.look(now + int64(askAgain) - 1)
	want("before it asks again", 1, 0, 1, 0)
	e.look(now + int64(askAgain))
	want("after that", 0, 1, 0, 1)
	e.set(1, dataplane.NextHop{})
	answers[2] = "it is a dummy"
	e.set(1, hop(2))
	if load32(tab.server(1), destPeer) != 0 {
		t.Error("an interface that may be a new one: to its peer, before the question")
	}
	e.look(now + int64(askAgain) + 1)
	want("the interface was a new one", 0, 0, 0, 0)
}

// The loopback interface has no peer.
func TestWhyNotPeer(t *testing.T) {
	for _, index := range []int{loopback, 1 << 30} {
		if whyNotPeer(index) == "" {
			t.Errorf("interface %d has a peer in another namespace", index)
		}
	}
}
