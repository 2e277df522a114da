package offload

import (
	"encoding/binary"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"lvsdr/dataplane/frame"
)

// Fields of struct __sk_buff, <linux/bpf.h>.
const (
	skbLen     = 0
	skbType    = 4
	skbMark    = 8
	skbVLAN    = 20
	skbIfindex = 40
	skbData    = 76
	skbDataEnd = 80
	skbGSOSize = 176
)

// Places in the program's stack.
const (
	atKey   = -40 // of either family
	atFlags = -48
	atIndex = -52
	atVIP   = -72
	atNow   = -80
)

// The registers, by what they hold from the first checks to the end. r0 to r5 are
// overwritten by each call.
const (
	ctx    = asm.R6
	data   = asm.R7
	found  = asm.R8 // the end of the data, then the flow, then its server
	length = asm.R9 // of the IP packet, bytes
)

// fds are the tables of a program, by their descriptors.
type fds struct {
	flows4, flows6 int // hash: key to index of a flow
	flows          int // array of flows
	dests          int // array of servers
	totals         int // array of counters, stripes for each server
	vips           int // hash: the addresses that the shield is for
	head           int // array of one
}

// A program is being assembled.
type program struct {
	ins   asm.Instructions
	label string // of the next instruction
	maps  fds
	mark  int32 // of frames to a VIP that go up
}

// A family is IPv4 or IPv6, as the program needs it.
type family struct {
	name      string
	ipLen     int16
	addrs     int16 // offset of the source, which the destination follows
	addrBytes int16
	proto     int16 // offset of the protocol
	keyProto  int16 // and in the key
	ttl       int16
	table     func(*fds) int
}

var (
	v4 = family{name: "4", ipLen: frame.IPv4Len, addrs: frame.Off4Src, addrBytes: 8, proto: frame.Off4Proto, keyProto: 12, ttl: frame.Off4TTL, table: func(m *fds) int { return m.flows4 }}
	v6 = family{name: "6", ipLen: frame.IPv6Len, addrs: frame.Off6Src, addrBytes: 32, proto: frame.Off6Next, keyProto: 36, ttl: frame.Off6Hops, table: func(m *fds) int { return m.flows6 }}
)

// assemble makes the program for tc ingress.
//
// It returns "redirect" for a frame that it forwards, and "go on" for all else: other
// programs, and the host's stack, see what is not ours.
func assemble(maps fds, mark uint32) *ebpf.ProgramSpec {
	p := &program{maps: maps, mark: int32(mark)}
	p.begin()
	p.ipv4()
	p.ipv6()
	p.shield()
	return &ebpf.ProgramSpec{Name: "lvsdr_flow", Type: ebpf.SchedCLS, License: "Apache-2.0", Instructions: p.ins}
}

// emit appends instructions.
func (p *program) emit(ins ...asm.Instruction) {
	for _, i := range ins {
		if p.label != "" {
			i = i.WithSymbol(p.label)
			p.label = ""
		}
		p.ins = append(p.ins, i)
	}
}

// at names the next instruction.
func (p *program) at(label string) {
	if p.label != "" {
		panic(fmt.Sprintf("two labels at one instruction: %s and %s", p.label, label))
	}
	p.label = label
}

// wire is a 16-bit number of the frame as a load of its bytes gives it.
func wire(v uint16) int32 {
	return int32(binary.NativeEndian.Uint16([]byte{byte(v >> 8), byte(v)}))
}

// begin looks at how the frame came, and has its headers where they can be read.
func (p *program) begin() {
	p.emit(
		asm.Mov.Reg(ctx, asm.R1),
		asm.LoadMem(asm.R0, ctx, skbType, asm.Word), asm.JNE.Imm(asm.R0, toHost, "pass"),
		asm.LoadMem(asm.R0, ctx, skbVLAN, asm.Word), asm.JNE.Imm(asm.R0, 0, "pass"),
	)
	p.load(minFrame, "parse", "pass")
	p.emit(
		asm.LoadMem(asm.R0, data, frame.OffEtherType, asm.Half),
		asm.JEq.Imm(asm.R0, wire(frame.EtherTypeIPv6), "v6"),
		asm.JNE.Imm(asm.R0, wire(frame.EtherTypeIPv4), "pass"),
	)
}

const (
	fragment = 0x3fff // more fragments, and the offset
	// minFrame is an IPv4 or IPv6 header with the ports behind it, and TCP's flags in IPv4.
	minFrame = frame.EtherLen + frame.IPv4Len + frame.TCPLen
	// minFrame6 is an IPv6 and a TCP header.
	minFrame6 = frame.EtherLen + frame.IPv6Len + frame.TCPLen
)

// load has the first n bytes of the frame where they can be read, from data to found at
// least, and goes on under a label of its own; what is shorter goes to short.
func (p *program) load(n int32, label, short string) {
	ends := func() { // r2 is where they end
		p.emit(
			asm.LoadMem(data, ctx, skbData, asm.Word), asm.LoadMem(found, ctx, skbDataEnd, asm.Word),
			asm.Mov.Reg(asm.R2, data), asm.Add.Imm(asm.R2, n),
		)
	}
	ends()
	p.emit(
		asm.JLE.Reg(asm.R2, found, label),
		// They are not all in the first part of the frame's memory.
		asm.LoadMem(asm.R2, ctx, skbLen, asm.Word), asm.JLT.Imm(asm.R2, n, short),
		asm.Mov.Reg(asm.R1, ctx), asm.Mov.Imm(asm.R2, n), asm.FnSkbPullData.Call(),
		asm.JNE.Imm(asm.R0, 0, short),
	)
	ends()
	p.emit(asm.JGT.Reg(asm.R2, found, short))
	p.at(label)
}

// ipv4 is the way of an IPv4 frame.
func (p *program) ipv4() {
	const ip = frame.EtherLen
	p.emit(
		asm.LoadMem(asm.R0, data, ip, asm.Byte), asm.JNE.Imm(asm.R0, 0x45, "pass"),
		asm.LoadMem(asm.R1, data, ip+frame.Off4Frag, asm.Half), asm.And.Imm(asm.R1, wire(fragment)), asm.JNE.Imm(asm.R1, 0, "pass"),
		asm.LoadMem(length, data, ip+frame.Off4Total, asm.Half), asm.HostTo(asm.BE, length, asm.Half),
	)
	p.alive(v4)
	p.sum()
	p.way(v4)
	// The word of TTL and protocol becomes less by 0x100, and the checksum greater by as
	// much, with the carry added at the end (RFC 1624).
	p.emit(asm.LoadMem(asm.R1, data, ip+frame.Off4Sum, asm.Half), asm.Add.Imm(asm.R1, wire(0x100)), asm.JLT.Imm(asm.R1, 0xffff, "sum"))
	p.emit(asm.Add.Imm(asm.R1, 1))
	p.at("sum")
	p.emit(asm.StoreMem(data, ip+frame.Off4Sum, asm.R1, asm.Half))
	p.older(v4)
	p.leave(v4)
}

// ipv6 is the way of an IPv6 frame.
func (p *program) ipv6() {
	const ip = frame.EtherLen
	p.at("v6")
	p.load(minFrame6, "parse6", "pass")
	p.emit(
		asm.LoadMem(asm.R1, data, ip, asm.Byte), asm.RSh.Imm(asm.R1, 4), asm.JNE.Imm(asm.R1, 6, "pass"),
		asm.LoadMem(length, data, ip+frame.Off6Len, asm.Half), asm.HostTo(asm.BE, length, asm.Half),
		asm.Add.Imm(length, frame.IPv6Len),
	)
	p.alive(v6)
	p.way(v6)
	p.older(v6)
	// A whole checksum that the hardware made (CHECKSUM_COMPLETE) covers the hop limit, which
	// no checksum in the packet makes up for.
	p.emit(asm.Mov.Reg(asm.R1, ctx), asm.Mov.Imm(asm.R2, wire(0xfffe)), asm.FnCsumUpdate.Call())
	p.leave(v6)
}

// alive goes on with a packet whose TTL allows another hop, and which ends within the
// frame. Pointers are not subtracted for it: that would need CAP_PERFMON.
func (p *program) alive(f family) {
	p.emit(
		asm.LoadMem(asm.R1, data, frame.EtherLen+f.ttl, asm.Byte), asm.JLE.Imm(asm.R1, 1, "pass"),
		asm.LoadMem(asm.R1, ctx, skbLen, asm.Word), asm.Add.Imm(asm.R1, -frame.EtherLen), asm.JGT.Reg(length, asm.R1, "pass"),
	)
}

// sum goes on with an IPv4 header whose checksum is right (RFC 1071).
func (p *program) sum() {
	p.emit(asm.LoadMem(asm.R1, data, frame.EtherLen, asm.Word))
	for at := int16(4); at < frame.IPv4Len; at += 4 {
		p.emit(asm.LoadMem(asm.R2, data, frame.EtherLen+at, asm.Word), asm.Add.Reg(asm.R1, asm.R2))
	}
	for range 2 {
		p.emit(asm.Mov.Reg(asm.R2, asm.R1), asm.RSh.Imm(asm.R2, 16), asm.And.Imm(asm.R1, 0xffff), asm.Add.Reg(asm.R1, asm.R2))
	}
	p.emit(asm.JNE.Imm(asm.R1, 0xffff, "pass"))
}

// way finds the flow of the packet and where it goes; it goes on with one that the
// kernel forwards, and then found is its server.
func (p *program) way(f family) {
	p.key(f)
	p.transport(f)
	p.flow(f)
	p.hand(f)
	p.server(f)
}

// key puts the key of the packet's flow into the stack.
func (p *program) key(f family) {
	for at := int16(0); at < f.addrBytes; at += 4 {
		p.emit(asm.LoadMem(asm.R1, data, frame.EtherLen+f.addrs+at, asm.Word), asm.StoreMem(asm.RFP, atKey+at, asm.R1, asm.Word))
	}
	p.emit(
		asm.LoadMem(asm.R1, data, frame.EtherLen+f.ipLen, asm.Word), asm.StoreMem(asm.RFP, atKey+f.addrBytes, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, data, frame.EtherLen+f.proto, asm.Byte), asm.StoreMem(asm.RFP, atKey+f.keyProto, asm.R1, asm.Word),
	)
}

// transport checks TCP's or UDP's header, and notes whether the flags are other than
// those of a plain segment. r1 is the protocol.
func (p *program) transport(f family) {
	l4, hdr := frame.EtherLen+f.ipLen, int32(f.ipLen)
	p.emit(
		asm.JEq.Imm(asm.R1, int32(frame.ProtoTCP), "tcp"+f.name), asm.JNE.Imm(asm.R1, int32(frame.ProtoUDP), "pass"),
		asm.StoreImm(asm.RFP, atFlags, 0, asm.Word),
		asm.LoadMem(asm.R1, data, l4+4, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half), asm.JLT.Imm(asm.R1, frame.UDPLen, "pass"),
		asm.Add.Imm(asm.R1, hdr), asm.JGT.Reg(asm.R1, length, "pass"),
		asm.Ja.Label("look"+f.name),
	)
	p.at("tcp" + f.name)
	p.emit(
		asm.LoadMem(asm.R1, data, l4+12, asm.Byte), asm.RSh.Imm(asm.R1, 4), asm.JLT.Imm(asm.R1, frame.TCPLen/4, "pass"),
		asm.LSh.Imm(asm.R1, 2), asm.Add.Imm(asm.R1, hdr), asm.JGT.Reg(asm.R1, length, "pass"),
		asm.LoadMem(asm.R1, data, l4+13, asm.Byte), asm.And.Imm(asm.R1, frame.FIN|frame.SYN|frame.RST|frame.ACK),
		asm.Xor.Imm(asm.R1, frame.ACK), asm.StoreMem(asm.RFP, atFlags, asm.R1, asm.Word),
	)
	p.at("look" + f.name)
}

// element has the value of the key in the stack in r0; where there is none it goes to
// none.
func (p *program) element(fd int, at int32, none string) {
	p.emit(
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, at), asm.LoadMapPtr(asm.R1, fd), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, none),
	)
}

// give gives a frame that goes up the mark and a packet type.
func (p *program) give(packetType int32) {
	p.emit(
		asm.Mov.Imm(asm.R1, p.mark), asm.StoreMem(ctx, skbMark, asm.R1, asm.Word),
		asm.Mov.Reg(asm.R1, ctx), asm.Mov.Imm(asm.R2, packetType), asm.FnSkbChangeType.Call(),
	)
}

// flow finds the flow. Frames that come in by another interface than the director has seen
// it at are not the flow's: the address may not be served there.
func (p *program) flow(f family) {
	p.element(f.table(&p.maps), atKey, "pass")
	p.emit(asm.LoadMem(asm.R1, asm.R0, 0, asm.Word), asm.StoreMem(asm.RFP, atIndex, asm.R1, asm.Word))
	p.element(p.maps.flows, atIndex, "pass")
	p.emit(
		asm.Mov.Reg(found, asm.R0),
		asm.LoadMem(asm.R1, ctx, skbIfindex, asm.Word), asm.LoadMem(asm.R2, found, flowIf, asm.Word), asm.JNE.Reg(asm.R1, asm.R2, "pass"),
	)
}

// hand keeps the order of a flow's frames. A pending flow becomes fast when all of its
// frames that were passed up, and counted, have been sent by the director; one that a
// FIN, RST or SYN closed stays closed, so that all frames behind it follow it.
func (p *program) hand(f family) {
	p.emit(
		asm.LoadMem(asm.R1, asm.RFP, atFlags, asm.Word), asm.JEq.Imm(asm.R1, 0, "plain"+f.name),
		asm.StoreImm(found, flowState, int64(Closed), asm.Word),
	)
	p.at("punt" + f.name)
	p.emit(asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(found, asm.R1, asm.Word, flowPunted))
	p.give(counted)
	p.emit(asm.Ja.Label("out"))
	p.at("plain" + f.name)
	p.emit(
		asm.LoadMem(asm.R1, found, flowState, asm.Word), asm.JEq.Imm(asm.R1, int32(Fast), "fast"+f.name),
		asm.JEq.Imm(asm.R1, int32(Closed), "punt"+f.name),
		asm.LoadMem(asm.R1, found, flowPunted, asm.Word), asm.LoadMem(asm.R2, found, flowAcked, asm.Word),
		asm.JNE.Reg(asm.R1, asm.R2, "punt"+f.name),
		asm.StoreImm(found, flowState, int64(Fast), asm.Word),
	)
	p.at("fast" + f.name)
}

// alone puts the time into the stack, by the director's clock: that goes on by itself while no
// director runs, and the next one finds when a flow was used. If none has for long, frames go up.
func (p *program) alone() {
	p.emit(
		asm.FnJiffies64.Call(), asm.LoadMapValue(asm.R1, p.maps.head, 0),
		asm.LoadMem(asm.R2, asm.R1, headBeat, asm.DWord), asm.Mov.Reg(asm.R3, asm.R0), asm.Sub.Reg(asm.R3, asm.R2),
		asm.JSGT.Imm(asm.R3, int32(int64(silence)/tickLength()), "pass"),
		asm.Mul.Imm(asm.R0, int32(tickLength())), asm.LoadMem(asm.R1, asm.R1, headOffset, asm.DWord), asm.Add.Reg(asm.R1, asm.R0),
		asm.StoreMem(asm.RFP, atNow, asm.R1, asm.DWord),
	)
}

// server looks at the flow's server, counts, and leaves in found where the frame goes.
func (p *program) server(f family) {
	p.alone()
	p.emit(asm.LoadMem(asm.R1, found, flowDest, asm.Word), asm.StoreMem(asm.RFP, atIndex, asm.R1, asm.Word))
	p.element(p.maps.dests, atIndex, "pass")
	p.emit(
		asm.LoadMem(asm.R1, asm.R0, destOn, asm.Word), asm.JEq.Imm(asm.R1, 0, "pass"),
		asm.LoadMem(asm.R1, ctx, skbGSOSize, asm.Word), asm.JNE.Imm(asm.R1, 0, "fits"+f.name),
		asm.LoadMem(asm.R1, asm.R0, destMTU, asm.Word), asm.JGT.Reg(length, asm.R1, "pass"),
	)
	p.at("fits" + f.name)
	// The flow is used now. What goes up does not count as use: the director decides that.
	p.emit(
		asm.LoadMem(asm.R1, asm.RFP, atNow, asm.DWord),
		asm.LoadMem(asm.R2, found, flowLast, asm.DWord), asm.JEq.Reg(asm.R1, asm.R2, "same"+f.name),
		asm.StoreMem(found, flowLast, asm.R1, asm.DWord),
	)
	p.at("same" + f.name)
	p.emit(
		asm.Mov.Reg(found, asm.R0),
		asm.FnGetSmpProcessorId.Call(), asm.And.Imm(asm.R0, stripes-1),
		asm.LoadMem(asm.R1, asm.RFP, atIndex, asm.Word), asm.Mul.Imm(asm.R1, stripes), asm.Add.Reg(asm.R1, asm.R0),
		asm.StoreMem(asm.RFP, atIndex, asm.R1, asm.Word),
	)
	p.element(p.maps.totals, atIndex, "pass")
	p.emit(
		asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, totalPackets),
		asm.AddAtomic.Mem(asm.R0, length, asm.DWord, totalBytes),
	)
}

// older takes one from the TTL.
func (p *program) older(f family) {
	at := frame.EtherLen + f.ttl
	p.emit(asm.LoadMem(asm.R1, data, at, asm.Byte), asm.Add.Imm(asm.R1, -1), asm.StoreMem(data, at, asm.R1, asm.Byte))
}

// leave gives the frame its new addresses and sends it.
func (p *program) leave(f family) {
	// The network header is aligned, and the Ethernet header two bytes off.
	for _, part := range []struct {
		at   int16
		size asm.Size
	}{{0, asm.Half}, {2, asm.Word}, {6, asm.Word}, {10, asm.Half}} {
		p.emit(asm.LoadMem(asm.R1, found, destMACs+part.at, part.size), asm.StoreMem(data, part.at, asm.R1, part.size))
	}
	p.emit(
		asm.LoadMem(asm.R1, found, destIf, asm.Word), asm.Mov.Imm(asm.R2, 0),
		asm.LoadMem(asm.R3, found, destPeer, asm.Word), asm.JNE.Imm(asm.R3, 0, "peer"+f.name),
		asm.FnRedirect.Call(), asm.Return(),
	)
	p.at("peer" + f.name)
	p.emit(asm.FnRedirectPeer.Call(), asm.Return())
}

// Where ARP has the address that is asked for (RFC 826, for Ethernet and IPv4), and a
// neighbour solicitation (RFC 4861 section 4.3), from the starts of their headers.
const (
	offARPTarget    = 24
	solicitation    = 135 // type of ICMPv6
	offSolicited    = 8
	solicitationLen = 24
)

// address6 has an IPv6 address of the frame as the one to be shielded.
func (p *program) address6(at int16) {
	for i := int16(0); i < 16; i += 4 {
		p.emit(asm.LoadMem(asm.R1, data, at+i, asm.Word), asm.StoreMem(asm.RFP, atVIP+i, asm.R1, asm.Word))
	}
}

// shield keeps the frames to a VIP that go up, and questions for it, from the host's stack:
// the stack drops what is for another host, and the mark tells the director's sockets that
// it is for us.
func (p *program) shield() {
	const ip = frame.EtherLen
	p.at("pass")
	p.emit(asm.LoadMem(asm.R0, ctx, skbType, asm.Word), asm.JGT.Imm(asm.R0, counted, "out"))
	p.load(ip+frame.IPv4Len, "whose", "out")
	p.emit(
		asm.Mov.Imm(asm.R1, 0), asm.StoreMem(asm.RFP, atVIP, asm.R1, asm.DWord),
		asm.LoadMem(asm.R0, data, frame.OffEtherType, asm.Half), asm.JEq.Imm(asm.R0, wire(frame.EtherTypeIPv6), "whose6"),
		// as IPv4-mapped, RFC 4291 section 2.5.5.2
		asm.StoreImm(asm.RFP, atVIP+8, int64(int32(binary.NativeEndian.Uint32([]byte{0, 0, 0xff, 0xff}))), asm.Word),
		asm.JEq.Imm(asm.R0, wire(frame.EtherTypeARP), "arp"),
		asm.JNE.Imm(asm.R0, wire(frame.EtherTypeIPv4), "out"),
		asm.LoadMem(asm.R1, data, ip+frame.Off4Dst, asm.Word), asm.StoreMem(asm.RFP, atVIP+12, asm.R1, asm.Word),
		asm.Ja.Label("vip"),
	)
	p.at("arp")
	p.emit(
		asm.Mov.Reg(asm.R2, data), asm.Add.Imm(asm.R2, ip+frame.ARPLen), asm.JGT.Reg(asm.R2, found, "out"),
		asm.LoadMem(asm.R1, data, ip+offARPTarget, asm.Word), asm.StoreMem(asm.RFP, atVIP+12, asm.R1, asm.Word),
		asm.Ja.Label("vip"),
	)
	p.at("whose6")
	p.emit(
		asm.Mov.Reg(asm.R2, data), asm.Add.Imm(asm.R2, ip+frame.IPv6Len), asm.JGT.Reg(asm.R2, found, "out"),
		asm.LoadMem(asm.R1, data, ip+frame.Off6Next, asm.Byte), asm.JNE.Imm(asm.R1, int32(frame.ProtoICMPv6), "dst6"),
		asm.Mov.Reg(asm.R2, data), asm.Add.Imm(asm.R2, ip+frame.IPv6Len+solicitationLen), asm.JGT.Reg(asm.R2, found, "dst6"),
		asm.LoadMem(asm.R1, data, ip+frame.IPv6Len, asm.Byte), asm.JNE.Imm(asm.R1, solicitation, "dst6"),
	)
	p.address6(ip + frame.IPv6Len + offSolicited)
	p.emit(asm.Ja.Label("vip"))
	p.at("dst6")
	p.address6(ip + frame.Off6Dst)
	p.at("vip")
	p.emit(asm.LoadMem(asm.R1, ctx, skbIfindex, asm.Word), asm.StoreMem(asm.RFP, atVIP+16, asm.R1, asm.Word))
	p.element(p.maps.vips, atVIP, "out")
	p.give(shielded)
	p.at("out")
	p.emit(asm.Mov.Imm(asm.R0, passToNext), asm.Return())
}
