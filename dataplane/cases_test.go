package dataplane_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// A fate is a frame, what is set up before it, and what becomes of it. That
// frames and answers are right byte by byte is checked for each by lab.send.
type fate struct {
	name   string
	setup  func(l *lab) // in a defaultLab
	packet dataplane.Packet
	reason dataplane.Reason
	server byte // 0: not forwarded
}

func data(f []byte) dataplane.Packet { return dataplane.Packet{Data: slices.Clone(f)} }

// tcpFrame, udpFrame, echo and raw fill in the addresses of a frame from the
// client to the VIP.
func tcpFrame(s build.TCP) dataplane.Packet {
	s.Src, s.Dst = fill(s.Src, clientIP, 4000), fill(s.Dst, vipIP, 80)
	s.SrcMAC, s.DstMAC = fillMAC(s.SrcMAC, clientMAC), fillMAC(s.DstMAC, directorMAC)
	return data(s.Bytes())
}

func udpFrame(s build.UDP) dataplane.Packet {
	s.Src, s.Dst = fill(s.Src, clientIP, 4000), fill(s.Dst, vipIP, 53)
	s.SrcMAC, s.DstMAC = fillMAC(s.SrcMAC, clientMAC), fillMAC(s.DstMAC, directorMAC)
	return data(s.Bytes())
}

func icmp(s build.ICMP) dataplane.Packet {
	s.Src, s.Dst, s.SrcMAC, s.DstMAC = clientIP, vipIP, clientMAC, fillMAC(s.DstMAC, directorMAC)
	return data(s.Bytes())
}

func raw(proto frame.Proto, payload ...byte) []byte {
	return build.Raw{Src: clientIP, Dst: vipIP, IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Proto: proto, Payload: payload}.Bytes()
}

func fill(a netip.AddrPort, addr netip.Addr, port uint16) netip.AddrPort {
	if a.IsValid() {
		return a
	}
	return netip.AddrPortFrom(addr, port)
}

func fillMAC(m, or frame.MAC) frame.MAC {
	if m == (frame.MAC{}) {
		return or
	}
	return m
}

func at(ip string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(ip), port)
}

func fates() []fate {
	known := func(l *lab) { l.handshake(4000, 80) } // goes to server 2
	return slices.Concat(forwarded(known), answered(known), dropped(known), fragments(known))
}

func forwarded(known func(*lab)) []fate {
	big := make([]byte, 1461)
	return []fate{
		{"a SYN gets the newest server", nil, tcpFrame(build.TCP{Flags: "S"}), dataplane.Scheduled, 2},
		{"a SYN that offers ECN is a SYN", nil, tcpFrame(build.TCP{Flags: "SEC"}), dataplane.Scheduled, 2},
		{"SYN and ACK together begin a connection", nil, tcpFrame(build.TCP{Flags: "SA"}), dataplane.Scheduled, 2},
		{"SYN and FIN together begin a connection", nil, tcpFrame(build.TCP{Flags: "SF"}), dataplane.Scheduled, 2},
		{"a UDP datagram begins a flow", nil, data(udp(4000, 53)), dataplane.Scheduled, 2},
		{"a segment of a known connection goes to its server", known, tcpFrame(build.TCP{Flags: "PA", Payload: []byte("hello")}), dataplane.Hit, 2},
		{"a reset of a known connection is forwarded", known, tcpFrame(build.TCP{Flags: "R"}), dataplane.Hit, 2},
		{"a wrong TCP checksum is the server's business", known, tcpFrame(build.TCP{Flags: "A", BadSum: true}), dataplane.Hit, 2},
		{"a wrong TCP checksum begins a connection all the same", nil, tcpFrame(build.TCP{Flags: "S", BadSum: true}), dataplane.Scheduled, 2},
		{"a client of a persistent service goes where its template says", func(l *lab) { l.handshake(4001, 443) },
			tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 443)}), dataplane.Persistent, 2},
		{"a tag of VLAN 0, a priority alone, stays", nil, priority(tcpFrame(build.TCP{Flags: "S", IP: build.IP{VLAN: 42}})), dataplane.Scheduled, 2},
		{"a frame for a VLAN is that interface's", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{VLAN: 42}}), dataplane.OtherVLAN, 0},
		{"a frame for a VLAN of a known connection is, too", known, tcpFrame(build.TCP{Flags: "A", IP: build.IP{VLAN: 1}}), dataplane.OtherVLAN, 0},
		{"a ping for a VLAN is, too", nil, icmp(build.ICMP{Type: 8, IP: build.IP{VLAN: 4095}}), dataplane.OtherVLAN, 0},
		{"IP options stay", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{Options: []byte{148, 4, 0, 0, 1}}}), dataplane.Scheduled, 2},
		{"Ethernet padding stays", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{Pad: true}}), dataplane.Scheduled, 2},
		{"the least TTL that can be forwarded is 2", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{TTL: 2}}), dataplane.Scheduled, 2},
		{"a TTL of 255 is one like any other", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{TTL: 255}}), dataplane.Scheduled, 2},
		{"the longest packet that fits is forwarded", known, tcpFrame(build.TCP{Flags: "A", Payload: big[:1460], IP: build.IP{DF: true}}), dataplane.Hit, 2},
		{"a super-frame longer than the MTU is forwarded", known,
			dataplane.Packet{Data: tcpFrame(build.TCP{Flags: "A", Payload: make([]byte, 60000), IP: build.IP{DF: true}}).Data, GSOSize: 1448},
			dataplane.Hit, 2},
		{"an MTU of 0 is not checked", func(l *lab) {
			known(l)
			l.d.SetNeighbour(serverAddr(2), serverMAC(2), dataplane.Link{Index: link.Index, MAC: link.MAC})
		}, tcpFrame(build.TCP{Flags: "A", Payload: big, IP: build.IP{DF: true}}), dataplane.Hit, 2},
		{"the service of a firewall mark comes first", func(l *lab) {
			l.service(dataplane.ServiceKey{Mark: 7}, 0, 3)
		}, dataplane.Packet{Data: tcp(4000, 80, "S"), Mark: 7}, dataplane.Scheduled, 3},
		{"a mark nobody has a service for does not matter", func(l *lab) {
			l.service(dataplane.ServiceKey{Mark: 7}, 0, 3)
		}, dataplane.Packet{Data: tcp(4000, 80, "S"), Mark: 8}, dataplane.Scheduled, 2},
		{"a persistent service of port 0 takes what no other does", func(l *lab) {
			l.service(tcpService(0), time.Minute, 3)
		}, tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 8080)}), dataplane.Scheduled, 3},
		{"the data connection of a persistent FTP service is its own", func(l *lab) {
			l.service(tcpService(21), time.Minute, 3)
		}, tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 5000)}), dataplane.Scheduled, 3},
		{"with sloppy_tcp a segment in the middle begins a connection", func(l *lab) {
			l.tune(func(v *dataplane.Tunables) { v.SloppyTCP = true })
		}, tcpFrame(build.TCP{Flags: "A"}), dataplane.Scheduled, 2},
		{"soon after a start such a segment is of a connection from before", func(l *lab) {
			*l = *furnish(makeLabResuming(l.t, unlimited, 1<<12, 1, int64(time.Minute)))
		}, tcpFrame(build.TCP{Flags: "A"}), dataplane.Resumed, 2},
		{"where connections from before are waited for it is dropped", func(l *lab) {
			*l = *furnish(makeLabOf(l.t, dataplane.Config{Conns: conntrack.Config{Limit: 1 << 12, Secret: [16]byte{1}}, Workers: 1,
				Tunables: dataplane.DefaultTunables(), Limits: unlimited, ResumeUntil: int64(time.Minute), ResumeDrops: true}))
		}, tcpFrame(build.TCP{Flags: "A"}), dataplane.NotResumed, 0},
	}
}

func answered(known func(*lab)) []fate {
	quiesce := func(l *lab) { l.weight(tcpService(80), 1, 0); l.weight(tcpService(80), 2, 0) }
	return []fate{
		{"a ping to the VIP is answered", nil, icmp(build.ICMP{Type: 8, Rest: [4]byte{1, 2, 3, 4}, Payload: []byte("abcdefg")}), dataplane.EchoReplied, 0},
		{"a ping with a tag of VLAN 0 is answered under it", nil, priority(icmp(build.ICMP{Type: 8, IP: build.IP{VLAN: 9, Pad: true}})), dataplane.EchoReplied, 0},
		{"a SYN to a port nobody serves is reset", nil, tcpFrame(build.TCP{Flags: "S", Seq: 77, Dst: at("192.0.2.1", 81)}), dataplane.ResetNoService, 0},
		{"a segment with data to such a port is reset", nil, priority(tcpFrame(build.TCP{Flags: "PA", Ack: 5, Payload: []byte("x"), IP: build.IP{VLAN: 3}, Dst: at("192.0.2.1", 81)})), dataplane.ResetNoService, 0},
		{"an unfinished checksum is trusted", nil, dataplane.Packet{Partial: true,
			Data: tcpFrame(build.TCP{Flags: "S", BadSum: true, Dst: at("192.0.2.1", 81)}).Data}, dataplane.ResetNoService, 0},
		{"a segment of no connection is reset", nil, tcpFrame(build.TCP{Flags: "A", Seq: 9, Ack: 10}), dataplane.ResetNoConnection, 0},
		{"a segment without flags and connection is reset", nil, tcpFrame(build.TCP{}), dataplane.ResetNoConnection, 0},
		{"a SYN from port 20 is never scheduled", nil, tcpFrame(build.TCP{Flags: "S", Src: at("198.51.100.7", 20)}), dataplane.ResetNoConnection, 0},
		{"a non-persistent service of port 21 has no data connections", func(l *lab) {
			l.service(tcpService(21), 0, 3)
		}, tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 5000)}), dataplane.ResetNoConnection, 0},
		{"with the last service gone nothing is a connection any more", func(l *lab) {
			known(l)
			for _, s := range l.d.Services() {
				l.must(l.d.DelService(s.Config.Key, l.now))
			}
		}, tcpFrame(build.TCP{Flags: "A"}), dataplane.ResetNoService, 0},
		{"UDP to a port nobody serves is unreachable", nil, udpFrame(build.UDP{Dst: at("192.0.2.1", 54), Payload: make([]byte, 1000)}), dataplane.UnreachableNoService, 0},
		{"UDP without checksum needs none", nil, udpFrame(build.UDP{Dst: at("192.0.2.1", 54), NoSum: true}), dataplane.UnreachableNoService, 0},
		{"UDP from port 20 is never scheduled", nil, udpFrame(build.UDP{Src: at("198.51.100.7", 20)}), dataplane.UnreachableNoService, 0},
		{"a service whose servers have weight 0 is unreachable", quiesce, tcpFrame(build.TCP{Flags: "S"}), dataplane.UnreachableNoServer, 0},
		{"a service without servers is unreachable", func(l *lab) { l.service(tcpService(82), 0) },
			tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 82), IP: build.IP{Options: []byte{1, 1, 1}}}), dataplane.UnreachableNoServer, 0},
		{"so is a persistent one", func(l *lab) { l.service(tcpService(82), time.Minute) },
			tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 82)}), dataplane.UnreachableNoServer, 0},
		{"a TTL of 1 is used up", known, tcpFrame(build.TCP{Flags: "A", IP: build.IP{TTL: 1}}), dataplane.TimeExceeded, 0},
		{"a packet too long for the server's link, not to be fragmented", known,
			tcpFrame(build.TCP{Flags: "A", Payload: make([]byte, 1461), IP: build.IP{DF: true}}), dataplane.FragmentationNeeded, 0},
	}
}

func dropped(known func(*lab)) []fate {
	limits := func(v dataplane.Limits) func(*lab) {
		return func(l *lab) { *l = *furnish(newLab(l.t, v, 1<<12)) }
	}
	whole := tcp(4000, 80, "S")
	header := slices.Clone(whole)
	header[14] = 4<<4 | 4
	lldp := slices.Concat(whole[:12], []byte{0x88, 0xcc}, whole[14:])
	group := frame.MAC{1, 0, 0x5e, 0, 0, 1}
	return []fate{
		{"a SYN while more frames wait than can be handled", func(l *lab) { l.batch.Pressed = true }, tcpFrame(build.TCP{Flags: "S"}), dataplane.Overload, 0},
		{"an ARP request", nil, data(build.ARP{SrcMAC: clientMAC, DstMAC: frame.MAC{255, 255, 255, 255, 255, 255},
			SenderMAC: clientMAC, SenderIP: clientIP, TargetIP: vipIP, Pad: true}.Bytes()), dataplane.ARPSeen, 0},
		{"a reset that must not be", limits(dataplane.Limits{Resets: -1}), tcpFrame(build.TCP{Flags: "A"}), dataplane.ResetLimited, 0},
		{"an ICMP error that must not be", limits(dataplane.Limits{ICMP: -1}), data(udp(4000, 54)), dataplane.ICMPLimited, 0},
		{"an echo that must not be", limits(dataplane.Limits{Echoes: -1}), icmp(build.ICMP{Type: 8}), dataplane.EchoLimited, 0},
		{"a ping from a group of hosts is not answered", nil, data(build.ICMP{Src: clientIP, Dst: vipIP,
			IP: build.IP{SrcMAC: group, DstMAC: directorMAC}, Type: 8}.Bytes()), dataplane.NotAnswerable, 0},
		{"an ICMP error to a group of hosts is not sent", nil, udpFrame(build.UDP{IP: build.IP{SrcMAC: group}, Dst: at("192.0.2.1", 54)}), dataplane.NotAnswerable, 0},
		{"a ping too long to be answered", nil, icmp(build.ICMP{Type: 8, Payload: make([]byte, 4000)}), dataplane.NotAnswerable, 0},
		{"a segment of a connection whose server was removed", func(l *lab) { known(l); l.remove(tcpService(80), 2) },
			tcpFrame(build.TCP{Flags: "A"}), dataplane.ServerRemoved, 0},
		{"a segment of a connection whose service was removed", func(l *lab) { known(l); l.must(l.d.DelService(tcpService(80), l.now)) },
			tcpFrame(build.TCP{Flags: "A"}), dataplane.ServerRemoved, 0},
		{"a segment to a server whose MAC address is not known any more", func(l *lab) {
			known(l)
			l.d.SetNeighbour(serverAddr(2), frame.MAC{}, link)
		}, tcpFrame(build.TCP{Flags: "A"}), dataplane.NoMAC, 0},
		{"a SYN when the table is full of open connections", func(l *lab) {
			*l = *furnish(newLab(l.t, unlimited, 256))
			for port := range uint16(256) {
				l.handshake(10000+port, 80)
			}
		}, tcpFrame(build.TCP{Flags: "S"}), dataplane.TableFull, 0},
		{"the same for a persistent client", func(l *lab) {
			*l = *furnish(newLab(l.t, unlimited, 256))
			for port := range uint16(256) {
				l.handshake(10000+port, 80)
			}
		}, tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.1", 443)}), dataplane.TableFull, 0},
		{"neither IP nor ARP", nil, data(lldp), dataplane.NotIP, 0},
		{"a segment to another address", nil, tcpFrame(build.TCP{Flags: "S", Dst: at("192.0.2.2", 80)}), dataplane.NotOurs, 0},
		{"a ping to another address", nil, data(build.ICMP{Src: clientIP, Dst: netip.MustParseAddr("192.0.2.2"),
			IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}, Type: 8}.Bytes()), dataplane.NotOurs, 0},
		{"a segment to a group's MAC address", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{DstMAC: group}}), dataplane.NotOurs, 0},
		{"a segment from loopback", nil, tcpFrame(build.TCP{Flags: "S", Src: at("127.0.0.1", 1)}), dataplane.BadSource, 0},
		{"a segment from no address", nil, tcpFrame(build.TCP{Flags: "S", Src: at("0.0.0.0", 1)}), dataplane.BadSource, 0},
		{"a segment from a group", nil, tcpFrame(build.TCP{Flags: "S", Src: at("224.0.0.1", 1)}), dataplane.BadSource, 0},
		{"a segment from the VIP itself", nil, tcpFrame(build.TCP{Flags: "S", Src: at("192.0.2.1", 1)}), dataplane.BadSource, 0},
		{"nothing at all", nil, data(nil), dataplane.ShortFrame, 0},
		{"less than an Ethernet header", nil, data(whole[:13]), dataplane.ShortFrame, 0},
		{"less than an IP header", nil, data(whole[:33]), dataplane.ShortFrame, 0},
		{"an IP header of 16 bytes", nil, data(header), dataplane.BadIPHeader, 0},
		{"a packet cut short", nil, data(whole[:len(whole)-1]), dataplane.BadIPHeader, 0},
		{"a wrong header checksum", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{BadIPSum: true}}), dataplane.BadIPChecksum, 0},
		{"less than a TCP header", nil, data(raw(frame.ProtoTCP, make([]byte, 19)...)), dataplane.BadTransport, 0},
		{"a UDP length beyond the packet", nil, data(raw(frame.ProtoUDP, 0, 1, 0, 53, 0, 9, 0, 0)), dataplane.BadTransport, 0},
		{"a wrong TCP checksum where a reset was owed", nil, tcpFrame(build.TCP{Flags: "A", BadSum: true}), dataplane.BadChecksum, 0},
		{"a wrong UDP checksum where an error was owed", nil, udpFrame(build.UDP{Dst: at("192.0.2.1", 54), BadSum: true}), dataplane.BadChecksum, 0},
		{"a ping with a wrong checksum", nil, icmp(build.ICMP{Type: 8, BadSum: true}), dataplane.BadChecksum, 0},
		{"a ping's answer", nil, icmp(build.ICMP{Type: 0}), dataplane.ICMPIgnored, 0},
		{"a ping with a code", nil, icmp(build.ICMP{Type: 8, Code: 1}), dataplane.ICMPIgnored, 0},
		{"GRE to the VIP", nil, data(raw(47, 0, 0, 0, 0)), dataplane.UnreachableProtocol, 0},
		{"ESP without a key exchange", nil, data(raw(50, make([]byte, 40)...)), dataplane.UnreachableProtocol, 0},
		{"IGMP to the VIP, which a host reads and does not answer", nil, data(raw(2, 0x11, 0, 0, 0, 0, 0, 0, 0)), dataplane.ProtocolIgnored, 0},
		{"a source route", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{Options: []byte{131, 7, 4, 10, 0, 0, 1, 0}}}), dataplane.BadIPHeader, 0},
		{"a source route of a known connection", known, tcpFrame(build.TCP{Flags: "A", IP: build.IP{Options: []byte{137, 3, 4, 0}}}), dataplane.BadIPHeader, 0},
		{"a ping with an option that is longer than the header", nil, icmp(build.ICMP{Type: 8, IP: build.IP{Options: []byte{7, 39, 4, 0}}}), dataplane.BadIPHeader, 0},
		{"a record route", nil, tcpFrame(build.TCP{Flags: "S", IP: build.IP{Options: []byte{7, 7, 4, 0, 0, 0, 0, 0}}}), dataplane.Scheduled, 2},
		{"a client of class E", nil, tcpFrame(build.TCP{Flags: "S", Src: at("240.1.2.3", 4000)}), dataplane.Scheduled, 2},
		{"a reset to one", nil, tcpFrame(build.TCP{Flags: "S", Src: at("254.255.255.255", 4000), Dst: at("192.0.2.1", 81)}), dataplane.ResetNoService, 0},
		{"a segment from the broadcast address", nil, tcpFrame(build.TCP{Flags: "S", Src: at("255.255.255.255", 1)}), dataplane.BadSource, 0},
		{"SCTP to the VIP", nil, data(build.SCTP{Src: at("198.51.100.7", 1), Dst: at("192.0.2.1", 80), IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}}.Bytes()), dataplane.ProtocolIgnored, 0},
		{"a reset of no connection", nil, tcpFrame(build.TCP{Flags: "R"}), dataplane.ResetIgnored, 0},
		{"SYN and RST of no connection are a reset", nil, tcpFrame(build.TCP{Flags: "SR"}), dataplane.ResetIgnored, 0},
		{"a reset to a port nobody serves", nil, tcpFrame(build.TCP{Flags: "RA", Dst: at("192.0.2.1", 81)}), dataplane.ResetIgnored, 0},
	}
}

// fragments are the fates of fragments, and of what has to be fragmented.
func fragments(known func(*lab)) []fate {
	segment := tcpFrame(build.TCP{Flags: "S", IP: build.IP{ID: 7}, Payload: make([]byte, 300)}).Data
	two := build.Fragment(segment, 64)
	first := func(l *lab) { l.send(slices.Clone(two[0])) }
	badLen := slices.Clone(two[0][:len(two[0])-1])
	badLen[17]--
	build.FixHeaderSum(badLen)
	refused := build.Fragment(tcpFrame(build.TCP{Flags: "A", IP: build.IP{ID: 7}, Payload: make([]byte, 300)}).Data, 64)
	tiny := build.Fragment(gram{src: client6IP, sport: 4000, proto: frame.ProtoUDP, port: 53, id: 9, n: 300}.frame(), 8)
	held := func(n int) func(l *lab) {
		return func(l *lab) {
			for i := range n {
				f := slices.Clone(two[1])
				f[18], f[19] = byte(1+i>>8), byte(i)
				build.FixHeaderSum(f)
				l.send(f)
			}
		}
	}
	return []fate{
		{"a first fragment begins a connection", nil, data(two[0]), dataplane.Scheduled, 2},
		{"a first fragment releases the one that overtook it", func(l *lab) { l.send(slices.Clone(two[1])) }, data(two[0]), dataplane.Scheduled, 2},
		{"a fragment follows the first", first, data(two[1]), dataplane.FragmentFollowed, 2},
		{"a fragment that overtakes the first is kept", nil, data(two[1]), dataplane.FragmentHeld, 0},
		{"a fragment of no multiple of 8 bytes", nil, data(badLen), dataplane.FragmentBad, 0},
		{"the same fragment again", first, data(two[0]), dataplane.FragmentOverlap, 0},
		{"a fragment that is kept no more, there are so many", held(400), data(two[1]), dataplane.FragmentLost, 0},
		{"the last fragment of a segment that is owed a reset", func(l *lab) { l.send(slices.Clone(refused[0])) }, data(refused[1]), dataplane.ResetNoConnection, 0},
		{"a fragment whose first one was refused", func(l *lab) {
			l.tune(func(v *dataplane.Tunables) { v.DropPacket, v.AMDropRate = 3, 1 })
			first(l)
		}, data(two[1]), dataplane.FragmentRefused, 0},
		{"a query over IPv6 cut behind its UDP header", func(l *lab) {
			l.service(on(vip6, frame.ProtoUDP, 53), 0, 1)
			l.send(slices.Clone(tiny[0]))
		}, data(tiny[1]), dataplane.Reassembled, 0},
		{"a fragment whose server was removed since", func(l *lab) { first(l); l.remove(tcpService(80), 2) }, data(two[1]), dataplane.ServerRemoved, 0},
		{"a fragment of a long ping", nil, data(build.Fragment(icmp(build.ICMP{Type: 8, Payload: make([]byte, 100)}).Data, 64)[0]), dataplane.FragmentHeld, 0},
		{"a packet too long for the server's link", known, tcpFrame(build.TCP{Flags: "A", Payload: make([]byte, 1461)}), dataplane.Fragmented, 0},
		{"a packet too long, with a tag of VLAN 0 and IP options", known,
			priority(tcpFrame(build.TCP{Flags: "A", IP: build.IP{VLAN: 5, Options: []byte{148, 4, 0, 0}}, Payload: make([]byte, 4000)})), dataplane.Fragmented, 0},
		{"a packet that would need too many fragments", func(l *lab) {
			known(l)
			l.d.SetNeighbour(serverAddr(2), serverMAC(2), dataplane.Link{Index: link.Index, MAC: link.MAC, MTU: 68})
		}, tcpFrame(build.TCP{Flags: "A", Payload: make([]byte, 60000)}), dataplane.TooBig, 0},
		{"an ICMP error goes to the server of the connection it is about", known, icmp(build.ICMP{Type: 3, Code: 4,
			Payload: build.Quote(build.TCP{Src: at("192.0.2.1", 80), Dst: at("198.51.100.7", 4000), Flags: "A"}.Bytes(), 8)}), dataplane.Related, 2},
		{"an ICMP error about no connection", known, icmp(build.ICMP{Type: 3, Code: 4,
			Payload: build.Quote(build.TCP{Src: at("192.0.2.1", 80), Dst: at("198.51.100.7", 4001), Flags: "A"}.Bytes(), 8)}), dataplane.ICMPIgnored, 0},
		{"neighbour discovery", nil, data(build.ICMP{Src: netip.MustParseAddr("fe80::7"), Dst: netip.MustParseAddr("ff02::1:ff00:1"),
			IP: build.IP{SrcMAC: clientMAC, DstMAC: frame.MAC{0x33, 0x33, 0xff, 0, 0, 1}, TTL: 255}, Type: 135, Payload: make([]byte, 16)}.Bytes()), dataplane.NDPSeen, 0},
		{"a connection that another director told of, to a server of no service behind a tunnel", func(l *lab) {
			x := synced(4000, 80, 7)
			x.Method = dataplane.IPIP
			l.d.TakeSync([]dataplane.Synced{x}, l.now)
		}, tcpFrame(build.TCP{Flags: "A"}), dataplane.NoMethod, 0},
		{"an ICMP error about a packet in a tunnel", tunnelled, data(fromPath(tunnelledSYN(), 3, 1, 0)), dataplane.TunnelError, 0},
		{"an ICMP error about a packet in a tunnel, of a type that is no client's", tunnelled, data(fromPath(tunnelledSYN(), 12, 0, 0)), dataplane.TunnelErrorUntold, 0},
		{"a new connection that drop_packet refuses", func(l *lab) {
			l.tune(func(v *dataplane.Tunables) { v.DropPacket, v.AMDropRate = 3, 1 })
		}, tcpFrame(build.TCP{Flags: "S"}), dataplane.Shed, 0},
	}
}

// priority makes the VLAN tag of p one of VLAN 0, which has a priority alone.
func priority(p dataplane.Packet) dataplane.Packet {
	p.Data[14], p.Data[15] = 5<<5, 0
	return p
}

func TestFates(t *testing.T) {
	for _, c := range fates() {
		t.Run(c.name, func(t *testing.T) {
			l := defaultLab(t)
			if c.setup != nil {
				c.setup(l)
			}
			if r := l.sendPacket(c.packet); r.reason != c.reason || r.server != c.server {
				t.Errorf("%s: %s to server %d, want %s to %d", frametest.Describe(c.packet.Data), r.reason, r.server, c.reason, c.server)
			}
		})
	}
}

// Every reason has a name of its own, a verdict, and a case above.
func TestEveryReasonHasItsCase(t *testing.T) {
	reached := map[dataplane.Reason]bool{dataplane.Offloaded: true, // no frame of a batch has it, see TestAnOffloadersPacketsCount
		// The laws of forwarding are others for these, see TestMasqueradingTranslatesBothWays and TestUnknownAnswers.
		dataplane.Answered: true, dataplane.UnknownAnswer: true, dataplane.UnreachableAnswer: true}
	for _, c := range fates() {
		reached[c.reason] = true
	}
	names := map[string]bool{}
	for r := dataplane.Reason(1); int(r) < dataplane.NumReasons; r++ {
		name := r.String()
		if name == "" || name == "reason?" || names[name] {
			t.Errorf("reason %d is called %q", r, name)
		}
		names[name] = true
		if !reached[r] {
			t.Errorf("no case is about %s", r)
		}
		if v := r.Verdict().String(); v == "verdict?" {
			t.Errorf("%s has no verdict", r)
		}
	}
	if s := dataplane.Reason(dataplane.NumReasons).String(); s != "reason?" {
		t.Errorf("a reason beyond the last is called %q", s)
	}
}

// What "fragmentation needed" says is the MTU of the server's link.
func TestFragmentationNeededNamesTheMTU(t *testing.T) {
	l := defaultLab(t)
	l.d.SetNeighbour(serverAddr(2), serverMAC(2), dataplane.Link{Index: 2, MAC: link.MAC, MTU: 1400})
	p := tcpFrame(build.TCP{Flags: "S", Payload: make([]byte, 1361), IP: build.IP{DF: true}})
	if r := l.expect(p.Data, dataplane.FragmentationNeeded, 0); be16(r.reply[14+20+6:]) != 1400 {
		t.Errorf("it names %d, want 1400", be16(r.reply[14+20+6:]))
	}
	// The connection was made all the same.
	l.expect(tcp(4000, 80, "A"), dataplane.Hit, 2)
}

// tunnelled is a connection of the client's from port 4001 to server 2 behind a tunnel of IPIP.
func tunnelled(l *lab) {
	k := tcpService(8080)
	l.must(l.d.AddService(dataplane.ServiceConfig{Key: k, Scheduler: "rr"}))
	l.must(l.d.AddServer(k, dataplane.ServerConfig{Addr: serverAddr(2), Port: 80, Weight: 1, Method: dataplane.IPIP}))
	l.behind(1500)
	l.batch.Packets = append(l.batch.Packets[:0], data(tunnelledPacket()))
	l.d.Process(l.scratch, l.batch, l.now)
	*l.frames++
}

// tunnelledPacket is the packet that begins it.
func tunnelledPacket() []byte {
	return build.TCP{Src: netip.AddrPortFrom(clientIP, 4001), Dst: netip.AddrPortFrom(vipIP, 8080), Flags: "S", IP: build.IP{SrcMAC: clientMAC, DstMAC: directorMAC}}.Bytes()
}

// tunnelledSYN is the frame that it leaves in.
func tunnelledSYN() []byte {
	f := tunnelledPacket()
	o := frame.NewOuter(frame.OuterConfig{Src: source4, Dst: serverAddr(2)})
	out := append(make([]byte, frame.EtherLen+o.Len()), f[frame.EtherLen:]...)
	out[frame.OffEtherType] = 8
	o.Put(out[frame.EtherLen:], &frame.Enclosed{Packet: f[frame.EtherLen:], Kind: frame.IPv4})
	return out
}
