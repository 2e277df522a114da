package netlab

import (
	"net/netip"
	"slices"
	"testing"

	"lvsdr/bench/netns"
)

func TestListeningShowsWhereTCPSocketsListen(t *testing.T) {
	h, other := newHost(t, "h"), newHost(t, "other")
	at := func(h *netns.Host) []netip.AddrPort {
		all, err := Listening(h)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := at(h); len(all) > 0 {
		t.Errorf("a new host listens at %v", all)
	}
	for _, a := range []string{"127.0.0.1:4711", "[::]:4712"} {
		l, err := h.Listen("tcp", a)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if want := netip.MustParseAddrPort(a); !slices.Contains(at(h), want) {
			t.Errorf("%s is not in %v", want, at(h))
		}
	}
	c, err := h.Dial(t.Context(), "tcp", "127.0.0.1:4711")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if all := at(h); len(all) != 2 {
		t.Errorf("it listens at %v; a connection does not", all)
	}
	if all := at(other); len(all) > 0 {
		t.Errorf("another host listens at %v", all)
	}
}
