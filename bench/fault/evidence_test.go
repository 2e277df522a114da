package fault

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A rig makes evidence by hand, in a lab in which nothing runs.
type rig struct {
	lab                   *netlab.Lab
	client, director, rs1 *netlab.Node
	vip, from, own        netip.AddrPort // of the service, of a request, of rs1's own address
}

func newRig(t *testing.T) *rig {
	t.Helper()
	netns.Require(t)
	lab, err := netlab.Build(t.Context(), netlab.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{lab: lab, client: lab.Clients[0], director: lab.Director, rs1: lab.Servers[0],
		vip: netip.AddrPortFrom(lab.Spec.VIP, 80), from: netip.AddrPortFrom(lab.Clients[0].Addr, 40000), own: netip.AddrPortFrom(lab.Servers[0].Addr, 80)}
}

// A sight is a packet seen on a host.
type sight = netlab.Packet

// tcp is a segment between the MAC addresses of two hosts, seen on a third; f may
// change it.
func (r *rig) tcp(at *netlab.Node, out bool, from, to *netlab.Node, src, dst netip.AddrPort, flags string, f ...func(*build.TCP)) sight {
	s := build.TCP{Src: src, Dst: dst, Flags: flags, IP: build.IP{SrcMAC: frame.MAC(from.MAC), DstMAC: frame.MAC(to.MAC)}}
	for _, change := range f {
		change(&s)
	}
	return netlab.PacketOf(netlab.Frame{Host: at.Name(), Ifname: netlab.Ifname, Outgoing: out, Data: s.Bytes()})
}

// The usual segments: a SYN where it reaches rs1, its SYN ACK, and its reset.
func (r *rig) syn() sight { return r.tcp(r.rs1, in, r.director, r.rs1, r.from, r.vip, "S") }
func (r *rig) synAck() sight {
	return r.tcp(r.rs1, out, r.rs1, r.client, r.vip, r.from, "SA")
}
func (r *rig) reset(from *netlab.Node) sight {
	return r.tcp(from, out, from, r.client, r.vip, r.from, "RA")
}

// claim is an ARP reply for addr from a host, where it reaches the first client.
func (r *rig) claim(from *netlab.Node, addr netip.Addr) sight {
	return netlab.PacketOf(netlab.Frame{Host: r.client.Name(), Ifname: netlab.Ifname, Data: build.ARP{Op: 2,
		SrcMAC: frame.MAC(from.MAC), DstMAC: frame.MAC(r.client.MAC),
		SenderMAC: frame.MAC(from.MAC), SenderIP: addr, TargetMAC: frame.MAC(r.client.MAC), TargetIP: r.client.Addr}.Bytes()})
}

// evidence is that of so many requests, answered and failed, and of packets.
func (r *rig) evidence(answered, failed int, packets ...sight) *Evidence {
	return &Evidence{Scene: &Scene{Lab: r.lab}, Packets: packets,
		Small: netlab.Tally{ByServer: map[string]int{"rs2": answered}, Errors: failed}}
}

// with changes evidence.
func with(e *Evidence, change func(*Evidence)) *Evidence {
	change(e)
	return e
}

var errDown = errors.New("connection timed out")

// Each symptom is told from hand-made frames, and from what is only like it.
func TestSymptomsAreToldByFrames(t *testing.T) {
	r := newRig(t)
	rs2 := r.lab.Servers[1]
	direct := func(err error) func(*Evidence) { return func(e *Evidence) { e.Direct = err } }
	badSum := func(s *build.TCP) { s.BadSum = true }
	long := func(n int) func(*build.TCP) { return func(s *build.TCP) { s.Payload = make([]byte, n) } }
	stranger := &netlab.Node{MAC: newMAC}
	larges := func(failed int) func(*Evidence) {
		return func(e *Evidence) { e.Large = netlab.Tally{ByServer: map[string]int{"rs2": 6}, Errors: failed} }
	}
	for _, c := range []struct {
		fault string
		law   string
		e     *Evidence
		shown bool
		text  string
	}{
		{"rs-without-vip", "SYNs that nothing answers", r.evidence(8, 4, r.syn(), r.syn()), true,
			"rs1 has the VIP no more: of 2 SYNs that reached it for the VIP it answered 0; 4 of 12 requests failed; a request to its own address: answered"},
		{"rs-without-vip", "a server that answers some", r.evidence(8, 4, r.syn(), r.synAck()), false, "it answered 1"},
		{"rs-without-vip", "no SYN reached it", r.evidence(8, 4), false, "of 0 SYNs"},
		{"rs-without-vip", "all requests failed: it is not this server", r.evidence(0, 12, r.syn()), false, "12 of 12 requests failed"},
		{"rs-without-vip", "none failed", r.evidence(12, 0, r.syn()), false, "0 of 12"},
		{"rs-without-vip", "its own address is silent too", with(r.evidence(8, 4, r.syn()), direct(errDown)), false,
			"a request to its own address: connection timed out"},
		{"rs-without-vip", "a SYN to its own address", r.evidence(8, 4, r.tcp(r.rs1, in, r.client, r.rs1, r.from, r.own, "S")), false, "of 0 SYNs"},
		{"rs-firewall", "SYNs that nothing answers", r.evidence(8, 4, r.syn()), true, "rs1 drops packets for the VIP: of 1 SYNs"},
		{"rs-firewall", "its own address is silent too", with(r.evidence(8, 4, r.syn()), direct(errDown)), false, "connection timed out"},

		{"rs-wrong-port", "a reset as the VIP", r.evidence(8, 4, r.reset(r.rs1)), true, "rs1 refused 1 connections to the VIP"},
		{"rs-wrong-port", "a reset of another server", r.evidence(8, 4, r.reset(rs2)), false, "refused 0 connections"},
		{"rs-wrong-port", "a reset as itself", r.evidence(8, 4, r.tcp(r.rs1, out, r.rs1, r.client, r.own, r.from, "RA")), false, "refused 0"},
		{"rs-wrong-port", "a reset of all requests", r.evidence(0, 4, r.reset(r.rs1)), false, "4 of 4"},

		{"rs-answers-arp", "two answers for the VIP", r.evidence(12, 0, r.claim(r.director, r.lab.Spec.VIP), r.claim(r.rs1, r.lab.Spec.VIP),
			r.tcp(r.client, out, r.client, r.rs1, r.from, r.vip, "S")), true, "2 MAC addresses say that they have the VIP, one of them rs1's; 1 SYNs went to it past the director"},
		{"rs-answers-arp", "one answer, the director's", r.evidence(12, 0, r.claim(r.director, r.lab.Spec.VIP)), false, "1 MAC addresses"},
		{"rs-answers-arp", "another server's", r.evidence(12, 0, r.claim(r.director, r.lab.Spec.VIP), r.claim(rs2, r.lab.Spec.VIP)), false, "2 MAC addresses"},
		{"rs-answers-arp", "answers for the servers' own addresses", r.evidence(12, 0, r.claim(r.director, r.director.Addr), r.claim(r.rs1, r.rs1.Addr)), false, "0 MAC addresses"},

		{"rs-mac-changed", "frames to a MAC address of none", r.evidence(8, 4, r.tcp(r.director, out, r.director, stranger, r.from, r.vip, "S")), true,
			"the director sent 1 frames to a MAC address that no host has; rs1 answered 0; 4 of 12 requests failed"},
		{"rs-mac-changed", "the server answers all the same", r.evidence(8, 4, r.tcp(r.director, out, r.director, stranger, r.from, r.vip, "S"), r.synAck()), false, "rs1 answered 1"},
		{"rs-mac-changed", "frames to a server that is there", r.evidence(8, 4, r.tcp(r.director, out, r.director, rs2, r.from, r.vip, "S")), false, "sent 0 frames"},
		{"rs-mac-changed", "a client's frame to none", r.evidence(8, 4, r.tcp(r.client, out, r.client, stranger, r.from, r.vip, "S")), false, "sent 0 frames"},

		{"small-mtu", "full frames that do not arrive", with(r.evidence(6, 0, r.tcp(r.rs1, out, r.rs1, r.client, r.vip, r.from, "A", long(1460))), larges(3)), true,
			"rs1 sent 1 frames of more than 1414 bytes, of which 0 arrived; of 6 small answers 0 failed, of 9 large ones 3"},
		{"small-mtu", "one arrived", with(r.evidence(6, 0, r.tcp(r.rs1, out, r.rs1, r.client, r.vip, r.from, "A", long(1460)),
			r.tcp(r.client, in, r.rs1, r.client, r.vip, r.from, "A", long(1460))), larges(3)), false, "of which 1 arrived"},
		{"small-mtu", "small frames are lost as well", with(r.evidence(5, 1, r.tcp(r.rs1, out, r.rs1, r.client, r.vip, r.from, "A", long(1460))), larges(3)), false, "1 failed"},
		{"small-mtu", "frames that just pass", with(r.evidence(6, 0, r.tcp(r.rs1, out, r.rs1, r.client, r.vip, r.from, "A", long(1360))), larges(3)), false, "sent 0 frames"},
		{"small-mtu", "no large answer failed", with(r.evidence(6, 0, r.tcp(r.rs1, out, r.rs1, r.client, r.vip, r.from, "A", long(1460))), larges(0)), false, "large ones 0"},

		{"rp-filter", "the kernel has counted nothing", r.evidence(8, 4, r.syn()), false, "it counts IPReversePathFilter 0"},

		{"vip-on-director", "resets beside answers", r.evidence(8, 4, r.reset(r.director), r.synAck()), true,
			"the director's host sent 1 resets as the VIP while real servers accepted 1 connections; 4 of 12 requests failed"},
		{"vip-on-director", "resets alone are of a service without servers", r.evidence(0, 4, r.reset(r.director)), false, "accepted 0 connections"},
		{"vip-on-director", "answers alone are as they should be", r.evidence(12, 0, r.synAck()), false, "sent 0 resets"},
		{"vip-on-director", "a real server's reset", r.evidence(8, 4, r.reset(r.rs1), r.synAck()), false, "sent 0 resets"},

		{"two-directors", "one director's claims", r.evidence(12, 0, r.claim(r.director, r.lab.Spec.VIP), r.claim(r.director, r.lab.Spec.VIP)), false, "1 directors say"},
		{"two-directors", "a real server's is none of a director", r.evidence(12, 0, r.claim(r.director, r.lab.Spec.VIP), r.claim(r.rs1, r.lab.Spec.VIP)), false,
			"1 directors say that the VIP is at their MAC address; the connection that was open before: answered"},

		{"checksum-offload", "segments with a wrong checksum, and nothing answered", r.evidence(0, 12, r.tcp(r.rs1, in, r.director, r.rs1, r.from, r.vip, "S", badSum)), true,
			"1 segments reached real servers with a wrong checksum; 0 were answered; 12 of 12 requests failed"},
		{"checksum-offload", "right checksums", r.evidence(0, 12, r.syn()), false, "0 segments"},
		{"checksum-offload", "some requests were answered", r.evidence(1, 11, r.tcp(r.rs1, in, r.director, r.rs1, r.from, r.vip, "S", badSum)), false, "11 of 12"},
		{"checksum-offload", "a checksum that is still to be finished", r.evidence(0, 12, unfinished(r.tcp(r.rs1, in, r.director, r.rs1, r.from, r.vip, "S", badSum))), false, "0 segments"},
	} {
		f, err := Find(c.fault)
		if err != nil {
			t.Fatal(err)
		}
		found := f.Shows(c.e)
		if found.Shown != c.shown || !strings.Contains(found.Text, c.text) {
			t.Errorf("%s: %s: shown %v, %s; want %v with %q", c.fault, c.law, found.Shown, found.Text, c.shown, c.text)
		}
		if found.Shown && len(found.Packets) == 0 {
			t.Errorf("%s: %s: nothing proves it", c.fault, c.law)
		}
	}
	t.Run("a second director", func(t *testing.T) { testTwoDirectors(t, r) })
}

func unfinished(p sight) sight {
	p.Unfinished = true
	return p
}

// testTwoDirectors adds a director to the lab, and so comes last.
func testTwoDirectors(t *testing.T, r *rig) {
	other, err := r.lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	e := r.evidence(12, 0, r.claim(r.director, r.lab.Spec.VIP), r.claim(other, r.lab.Spec.VIP))
	e.Kept = errDown
	f := twoDirectors()
	if found := f.Shows(e); !found.Shown || !strings.Contains(found.Text, "2 directors say") || !strings.HasSuffix(found.Text, "connection timed out") || len(found.Packets) != 2 {
		t.Errorf("two directors: %+v", found)
	}
	e.Packets = append(e.Packets, r.claim(r.rs1, r.lab.Spec.VIP))
	if found := f.Shows(e); found.Shown {
		t.Errorf("with a real server that answers too it is another fault: %s", found.Text)
	}
}
