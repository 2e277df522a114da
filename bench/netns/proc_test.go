package netns

import (
	"context"
	"errors"
	"net/netip"
	"testing"
)

func TestCounterCountsWhatWasDelivered(t *testing.T) {
	h := testHost(t, "h")
	count := func() uint64 {
		n, err := h.Counter("Ip", "InDelivers")
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	if err := h.Ping(t.Context(), netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if n := count() - before; n != 2 {
		t.Errorf("%d packets were delivered, want the request and the reply", n)
	}
	for _, name := range []string{"InNothing", "Ip:"} {
		if n, err := h.Counter("Ip", name); err == nil {
			t.Errorf("counter %s is %d", name, n)
		}
	}
	if n, err := h.Counter("Tcp", "InDelivers"); err == nil {
		t.Errorf("TCP delivers %d", n)
	}
}

func TestPingWithoutAnAnswerIsAnError(t *testing.T) {
	h := testHost(t, "h")
	if err := h.Ping(t.Context(), netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Error("an address without a route answers")
	}
	if err := h.Sysctl("net.ipv4.icmp_echo_ignore_all", "1"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Ping(ctx, netip.MustParseAddr("127.0.0.1")); !errors.Is(err, context.Canceled) {
		t.Errorf("a ping that was given up: %v", err)
	}
}
