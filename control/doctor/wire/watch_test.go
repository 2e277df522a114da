package wire

import (
	"net/netip"
	"testing"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

var client = netip.MustParseAddrPort("192.168.1.50:5000")

// sent is a client's segment for the VIP as this host forwards it.
func sent(port uint16, flags string, bad bool) *captured {
	s := sight(build.TCP{Src: netip.AddrPortFrom(client.Addr(), port), Dst: netip.AddrPortFrom(vip4, 80),
		IP: build.IP{SrcMAC: ourMAC, DstMAC: rsMAC}, Flags: flags, BadSum: bad}.Bytes())
	s.outgoing = true
	return s
}

func TestAWatchCountsWhatBecomesOfConnections(t *testing.T) {
	w := newWatch([]netip.Addr{vip4})
	for _, s := range []*captured{
		sent(1, "S", false), sent(1, "A", false), // goes on
		sent(2, "S", false), sent(2, "S", false), // stuck
		sent(3, "S", false),                                           // not known yet
		sent(4, "S", false), sent(4, "S", false), sent(4, "A", false), // late, but goes on
		sent(5, "A", false), // began before
	} {
		w.add(s)
	}
	got := w.summary().Towards
	if len(got) != 1 || got[rsMAC].Established != 2 || got[rsMAC].Stuck != 1 || got[rsMAC].Syn == "" {
		t.Errorf("%+v, want 2 going and 1 stuck", got)
	}
}

func TestAWatchFindsWrongChecksumsOfWhatLeaves(t *testing.T) {
	w := newWatch([]netip.Addr{vip4})
	w.add(sent(1, "S", false))
	unfinished := sent(2, "S", true)
	unfinished.unfinished = true
	w.add(unfinished)
	in := sent(3, "S", true)
	in.outgoing = false
	w.add(in)
	if got := w.summary(); got.Forwarded != 2 || got.BadSums != 0 {
		t.Errorf("%d forwarded, %d wrong, want 2 and 0", got.Forwarded, got.BadSums)
	}
	w.add(sent(4, "S", true))
	if got := w.summary(); got.BadSums != 1 || got.BadSum == "" {
		t.Errorf("%d wrong, want 1", got.BadSums)
	}
}

func TestAWatchHearsWhoSpeaksInTheVIPsName(t *testing.T) {
	w := newWatch([]netip.Addr{vip4})
	arp := func(op uint16, mac frame.MAC, target netip.Addr) *captured {
		return sight(build.ARP{Op: op, SrcMAC: mac, SenderMAC: mac, SenderIP: vip4, TargetIP: target}.Bytes())
	}
	w.add(arp(2, rsMAC, ours))
	w.add(arp(2, rsMAC, ours)) // known
	w.add(arp(1, rsMAC, vip4)) // gratuitous
	w.add(arp(2, ourMAC, ours))
	got := w.summary()
	if len(got.Claims[vip4]) != 1 || got.Claims[vip4][0].MAC != rsMAC || len(got.Askers) != 0 {
		t.Errorf("claims %v, askers %v, want one claim", got.Claims, got.Askers)
	}
	w.add(arp(1, rsMAC, ours))
	if got := w.summary(); len(got.Askers[vip4]) != 1 || len(got.Claims[vip4]) != 1 {
		t.Errorf("claims %v, askers %v, want one each", got.Claims, got.Askers)
	}
}
