package shield

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// A frame for somebody else's interface is not caught: one with a VLAN tag. Tag 0
// is none.
func TestTaggedFramesBelongToAnotherInterface(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	l.set(s, guard4)
	passed := l.counter(vip4)
	for _, c := range []struct {
		name   string
		tag    []byte
		hidden bool
	}{
		{"no tag", nil, true},
		{"tag 0", []byte{0x81, 0, 0, 0}, true},
		{"tag 0 with priority", []byte{0x81, 0, 0xe0, 0}, true},
		{"tag 5", []byte{0x81, 0, 0, 5}, false},
	} {
		before := passed()
		l.send(c.tag, vip4)
		if got := passed() - before; (got == 0) != c.hidden {
			t.Errorf("%s: %d frames pass the shield", c.name, got)
		}
	}
	must(t, l.director.Do(func() error {
		s.nft.c.DelTable(&nftables.Table{Family: nftables.TableFamilyNetdev, Name: "count"})
		return s.nft.c.Flush()
	}))
	l.close(s)
}

// Packets without a tag, nearly all there are, do not pay for the chain that tells tags
// apart: without its rules they are hidden all the same, and nothing else is.
func TestUntaggedPacketsEndInTheInterfacesOwnChain(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	l.set(s, guard4, guard6)
	must(t, l.director.Do(func() error {
		s.nft.c.FlushChain(&nftables.Chain{Table: table(), Name: hidden})
		return s.nft.c.Flush()
	}))
	for _, c := range []struct {
		name   string
		tag    []byte
		to     netip.Addr
		hidden bool
	}{
		{"IPv4", nil, vip4, true},
		{"IPv6", nil, vip6, true},
		{"IPv4 to another address", nil, other4, false},
		{"IPv4 with tag 0", []byte{0x81, 0, 0, 0}, vip4, false},
		{"IPv6 with tag 5", []byte{0x81, 0, 0, 5}, vip6, false},
	} {
		passed := l.counter(c.to)
		before := passed()
		l.send(c.tag, c.to)
		if got := passed() - before; (got == 0) != c.hidden {
			t.Errorf("%s: %d frames pass the shield", c.name, got)
		}
		must(t, l.director.Do(func() error {
			s.nft.c.DelTable(&nftables.Table{Family: nftables.TableFamilyNetdev, Name: "count"})
			return s.nft.c.Flush()
		}))
	}
	l.close(s)
}

// New VIPs come in before old ones go, as many as the filter of a NIC takes of both.
func TestASetHasRoomForTheOldAndTheNew(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	l := newLab(t)
	s := l.open(earlyPart)
	old, fresh := many(3000, "eth0"), many(6000, "eth0")[6000:]
	for _, guards := range [][]Guard{old, fresh, old} {
		l.set(s, guards...)
		l.guarded(guards...)
	}
	if s.Early() != nil {
		t.Errorf("there is no early part: %v", s.Early())
	}
	l.close(s)
}

// A set without a size, of an earlier version whose shield was kept, is taken over.
func TestASetOfAnEarlierVersionIsTakenOver(t *testing.T) {
	l := newLab(t)
	s := l.open(earlyPart)
	must(t, l.director.Do(func() error {
		s.nft.c.AddTable(table())
		for k := range families {
			set := setOf(table(), port{name: "eth0"}, k)
			set.Size = 0
			if err := s.nft.c.AddSet(set, []nftables.SetElement{{Key: []netip.Addr{vip4, vip6}[k].AsSlice()}}); err != nil {
				return err
			}
		}
		return s.nft.c.Flush()
	}))
	l.set(s, guard4, guard6)
	l.guarded(guard4, guard6)
	if missing := l.missing(s); len(missing) != 0 || s.Early() != nil {
		t.Errorf("there is missing %q, early part: %v", missing, s.Early())
	}
	l.close(s)
}

// counter counts the frames to a VIP that pass the shield at the director's
// eth0, with or without a tag.
func (l *lab) counter(vip netip.Addr) (read func() uint64) {
	l.t.Helper()
	t := &nftables.Table{Family: nftables.TableFamilyNetdev, Name: "count"}
	chain := &nftables.Chain{Table: t, Name: "eth0", Type: nftables.ChainTypeFilter, Hooknum: nftables.ChainHookIngress,
		Priority: nftables.ChainPriorityRef(ingressPriority + 1), Device: "eth0"}
	c, err := nftables.New()
	must(l.t, err)
	must(l.t, l.director.Do(func() error {
		c.AddTable(t)
		c.AddChain(chain)
		c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: []expr.Any{
			destination(vip), &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: vip.AsSlice()}, &expr.Counter{}}})
		return c.Flush()
	}))
	return func() (n uint64) {
		l.t.Helper()
		must(l.t, l.director.Do(func() error {
			rules, err := c.GetRules(t, chain)
			for _, r := range rules {
				for _, e := range r.Exprs {
					if x, ok := e.(*expr.Counter); ok {
						n += x.Packets
					}
				}
			}
			return err
		}))
		return n
	}
}

// destination loads where a packet goes, for one of the family of vip.
func destination(vip netip.Addr) expr.Any {
	if vip.Is6() {
		return network(offDst6, 16)
	}
	return network(offDst4, 4)
}

// packetTo is a packet of the client's without a payload, with its EtherType.
func packetTo(to netip.Addr) []byte {
	if to.Is6() {
		const noNext = 59 // RFC 8200 section 4.7
		return slices.Concat([]byte{0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, noNext, 64}, netip.MustParseAddr("fd00::20").AsSlice(), to.AsSlice())
	}
	b := slices.Concat([]byte{8, 0, 0x45, 0, 0, 20, 0, 1, 0, 0, 64, 253, 0, 0}, netip.MustParseAddr("192.168.1.20").AsSlice(), to.AsSlice())
	sum := uint32(0)
	for i := 2; i < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = ^(sum + sum>>16)
	b[12], b[13] = byte(sum>>8), byte(sum)
	return b
}

// send sends a packet from the client to the director, with or without a VLAN tag.
func (l *lab) send(tag []byte, to netip.Addr) {
	l.t.Helper()
	director, err := l.director.Netlink().LinkByName("eth0")
	must(l.t, err)
	client, err := l.client.Netlink().LinkByName("eth0")
	must(l.t, err)
	b := slices.Concat(director.Attrs().HardwareAddr, client.Attrs().HardwareAddr, tag, packetTo(to))
	must(l.t, l.client.Do(func() error {
		fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Ifindex: client.Attrs().Index})
	}))
}
