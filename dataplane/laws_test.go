package dataplane_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/frame/frametest"
)

// lawOfVerdict says what is wrong with the verdict on a frame that came in as
// in, in a batch of its own. whole is in, or, if that is a fragment, its datagram,
// as far as it is there.
func lawOfVerdict(in, whole []byte, p *dataplane.Packet, replies []dataplane.Reply) error {
	if p.Verdict != p.Reason.Verdict() {
		return fmt.Errorf("the reason's verdict is %s", p.Reason.Verdict())
	}
	if p.Verdict == dataplane.Forward {
		if err := lawOfForwarding(in, p.Data); err != nil {
			return err
		}
	} else if !bytes.Equal(in, p.Data) {
		return errors.New("a frame that was not forwarded was changed")
	}
	h := frametest.Parse(in)
	switch {
	case p.Reason == dataplane.Fragmented:
		return lawOfFragmenting(in, replies)
	case p.Verdict == dataplane.Forward && h.IsFragment():
		return nil // with it went those of its fragments that were kept
	case p.Verdict != dataplane.Answer && len(replies) > 0:
		return fmt.Errorf("answered by %s", frametest.Describe(replies[0].Data))
	case p.Verdict != dataplane.Answer:
		return nil
	}
	by := int32(clientSide)
	if p.Reason == dataplane.Reassembled {
		by = link.Index
	}
	if len(replies) != 1 || replies[0].Out != by {
		return fmt.Errorf("%d answers, want one by interface %d", len(replies), by)
	}
	if p.Reason == dataplane.Reassembled {
		return lawOfForwarding(whole, replies[0].Data)
	}
	if p.Reason == dataplane.TunnelError {
		return lawOfTelling(in, replies[0].Data)
	}
	if err := lawOfAnswer(whole, replies[0].Data, p.Reason); err != nil {
		return fmt.Errorf("answered by %s: %w", frametest.Describe(replies[0].Data), err)
	}
	return nil
}

// lawOfTelling: what a client is told because of an error from the path to a server is
// whole, from the VIP, of the error's type or says that the packet is too big, and quotes what
// the error quotes behind the headers of the tunnel.
func lawOfTelling(in, out []byte) error {
	q, a := frametest.Parse(in), frametest.Parse(out)
	quote := out[a.L4+8 : a.End]
	told, ok := frametest.Inner(out)
	switch {
	case a.Fault != frame.NoFault || a.TTL != 64 || a.IsFragment() || !transportSumOK(out, a):
		return errors.New("what the client is told is damaged")
	case !ok || told.Src != a.Dst || told.Dst != a.Src:
		return errors.New("the client is told of a packet that is not its own")
	case a.Kind == q.Kind && (a.ICMPType != q.ICMPType || a.ICMPCode != q.ICMPCode):
		return errors.New("the client is told of another error")
	case !bytes.Contains(in[q.L4:q.End], quote):
		return errors.New("the client is told of a packet that the error does not quote")
	}
	return nil
}

// wholeOf puts the datagram together that a fragment with header h, the last of
// pieces, is of: the latest fragment at each place counts. It is h's own frame
// where the first one is not there.
func wholeOf(pieces [][]byte, h frame.Header) []byte {
	var first, data []byte
	at := map[int][]byte{}
	for _, f := range pieces {
		g := frametest.Parse(f)
		if g.Src != h.Src || g.Dst != h.Dst || g.FragID != h.FragID || g.Kind == frame.IPv4 && g.Proto != h.Proto {
			continue
		}
		from := int(g.L4)
		if g.Kind == frame.IPv6 && g.FragOff == 0 {
			for from = int(g.L3) + 40; binary.BigEndian.Uint32(f[from+4:]) != g.FragID; {
				from += 8 // the tests have no longer extension headers in front of that of the fragment
			}
			from += 8
		}
		at[int(g.FragOff)] = f[from:g.End]
		if g.FragOff == 0 {
			first = f[:from]
		}
	}
	for next := at[0]; len(next) > 0 && len(data) < 1<<16; next = at[len(data)] {
		data = append(data, next...)
	}
	if first == nil {
		return pieces[len(pieces)-1]
	}
	whole := append(bytes.Clone(first), data...)
	ip := whole[h.L3:]
	if h.Kind == frame.IPv4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		ip[6], ip[7] = ip[6]&0x40, 0
		build.FixHeaderSum(whole)
		return whole
	}
	// The fragment header, the last of those in first, goes.
	from := len(first) - int(h.L3) - 8
	next := 6
	for n := 40; n < from; n += 8 {
		next = n
	}
	ip[next] = ip[from]
	ip = append(ip[:from], ip[from+8:]...)
	binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	return whole[:len(whole)-8]
}

// lawOfForwarding: only MAC addresses, TTL and header checksum change; the TTL
// falls by one and the checksum is right. Bytes behind a packet that they make too
// long for the link are cut off.
func lawOfForwarding(in, out []byte) error {
	h := frametest.Parse(in)
	if h.Kind != frame.IPv4 && h.Kind != frame.IPv6 || h.Fault != frame.NoFault && !h.IsCut() {
		return errors.New("a damaged frame was forwarded")
	}
	if h.TTL <= 1 || frame.DstMAC(in)[0]&1 != 0 {
		return errors.New("a frame whose TTL is used up, or to a group, was forwarded")
	}
	l3 := int(h.L3)
	want := bytes.Clone(in)
	if len(out) < len(in) && len(in) > l3+link.MTU {
		want = want[:h.End]
	}
	copy(want[:12], out[:12])
	if h.Kind == frame.IPv6 {
		want[l3+7]--
	} else {
		want[l3+8]--
		copy(want[l3+10:l3+12], out[l3+10:l3+12])
	}
	if !bytes.Equal(want, out) {
		return fmt.Errorf("forwarding changed more than MAC addresses, TTL and header checksum:\n%x\n%x", in, out)
	}
	if h.Kind == frame.IPv4 && build.Checksum(out[l3:h.L4]) != 0 {
		return errors.New("the header checksum of the forwarded frame is wrong")
	}
	return nil
}

// lawOfFragmenting: the fragments fit the server's link, leave by it, and put
// together are the packet with a TTL one less.
func lawOfFragmenting(in []byte, replies []dataplane.Reply) error {
	h := frametest.Parse(in)
	payload, end := make([]byte, h.End-uint32(h.L4)), false
	at := 0
	for i, r := range replies {
		f := frametest.Parse(r.Data)
		switch {
		case f.Fault != frame.NoFault || f.Kind != h.Kind || r.Out != link.Index || frame.SrcMAC(r.Data) != link.MAC:
			return fmt.Errorf("fragment %d is damaged, or does not leave by the servers' link", i)
		case f.Src != h.Src || f.Dst != h.Dst || f.Proto != h.Proto || f.TTL != h.TTL-1 || int(f.End)-int(f.L3) > link.MTU:
			return fmt.Errorf("fragment %d is not of the packet, or too long", i)
		case int(f.FragOff)-int(h.FragOff) != at || end:
			return fmt.Errorf("fragment %d begins at byte %d, want %d", i, f.FragOff, at)
		}
		if f.Kind == frame.IPv4 && build.Checksum(r.Data[f.L3:f.L4]) != 0 {
			return fmt.Errorf("the header checksum of fragment %d is wrong", i)
		}
		at += copy(payload[at:], r.Data[f.L4:f.End])
		end = !f.More || h.More && at == len(payload)
	}
	if len(replies) < 2 || !end || !bytes.Equal(payload, in[h.L4:h.End]) {
		return errors.New("the fragments do not make the packet")
	}
	return nil
}

// lawOfAnswer: an answer goes back to the sender's MAC and IP address, from
// those the frame was sent to, under the same VLAN tag, with right checksums,
// and says what its reason promises. Nobody but a single host is answered.
func lawOfAnswer(in, out []byte, reason dataplane.Reason) error {
	q, a := frametest.Parse(in), frametest.Parse(out)
	l3 := int(q.L3)
	switch {
	case a.Kind != q.Kind || a.Fault != frame.NoFault || a.L3 != q.L3 || int(a.End) != len(out):
		return errors.New("it is damaged")
	case !bytes.Equal(out[0:6], in[6:12]) || !bytes.Equal(out[6:12], in[0:6]):
		return errors.New("its MAC addresses are not the frame's, swapped")
	case out[0]&1 != 0 || out[6]&1 != 0:
		return errors.New("from or to a group of hosts")
	case !bytes.Equal(out[12:l3], in[12:l3]):
		return errors.New("its tag or type is another")
	case a.Src != q.Dst || a.Dst != q.Src:
		return errors.New("its IP addresses are not the packet's, swapped")
	case a.Kind == frame.IPv6:
		return lawOfAnswer6(in, out, q, a, reason)
	case a.TTL != 64 || a.IsFragment() || a.L4 != a.L3+20:
		return errors.New("its TTL is not 64, or it is a fragment, or has options")
	case !transportSumOK(out, a):
		return errors.New("its transport checksum is wrong")
	}
	first := a.Dst.As4()
	if first[0] == 0 || first[0] == 127 || first[0] >= 224 && first[0] < 240 || first == [4]byte{255, 255, 255, 255} {
		return errors.New("to an address that is not a host's")
	}
	switch reason {
	case dataplane.ResetNoService, dataplane.ResetNoConnection:
		return lawOfReset(in[q.L4:q.End], out[a.L4:], q, a)
	case dataplane.EchoReplied:
		want := bytes.Clone(in[q.L4:q.End])
		want[0] = 0
		copy(want[2:4], out[a.L4+2:])
		if !bytes.Equal(out[a.L4:], want) {
			return errors.New("the echo is not the request's")
		}
	case dataplane.UnreachableNoService, dataplane.UnreachableNoServer:
		return lawOfError(in, out, q, a, 3, 3)
	case dataplane.UnreachableProtocol:
		return lawOfError(in, out, q, a, 3, 2)
	case dataplane.FragmentationNeeded:
		return lawOfError(in, out, q, a, 3, 4)
	case dataplane.TimeExceeded:
		return lawOfError(in, out, q, a, 11, 0)
	default:
		return fmt.Errorf("no answer is known for %s", reason)
	}
	return nil
}

// lawOfAnswer6 checks the rules that differ in IPv6: RFC 4443 instead of RFC 792.
func lawOfAnswer6(in, out []byte, q, a frame.Header, reason dataplane.Reason) error {
	switch {
	case a.TTL != 64 || a.IsFragment() || a.L4 != a.L3+40:
		return errors.New("its hop limit is not 64, or it is a fragment, or has extension headers")
	case !transportSumOK(out, a):
		return errors.New("its transport checksum is wrong")
	}
	want := map[dataplane.Reason][2]uint8{dataplane.UnreachableNoService: {1, 4}, dataplane.UnreachableNoServer: {1, 4},
		dataplane.FragmentationNeeded: {2, 0}, dataplane.TimeExceeded: {3, 0}, dataplane.UnreachableProtocol: {4, 1}}
	switch reason {
	case dataplane.ResetNoService, dataplane.ResetNoConnection:
		return lawOfReset(in[q.L4:q.End], out[a.L4:], q, a)
	case dataplane.EchoReplied:
		echo := bytes.Clone(in[q.L4:q.End])
		echo[0] = 129
		copy(echo[2:4], out[a.L4+2:])
		if !bytes.Equal(out[a.L4:], echo) {
			return errors.New("the echo is not the request's")
		}
		return nil
	}
	typ, ok := want[reason]
	quote, whole := out[a.L4+8:], in[q.L3:q.End]
	switch {
	case !ok:
		return fmt.Errorf("no answer is known for %s", reason)
	case a.Proto != frame.ProtoICMPv6 || [2]uint8{a.ICMPType, a.ICMPCode} != typ:
		return fmt.Errorf("want ICMPv6 %v", typ)
	case len(quote) != min(len(whole), 1280-48) || !bytes.Equal(quote, whole[:len(quote)]):
		return errors.New("it does not quote the packet")
	case q.Proto == frame.ProtoICMPv6 && q.ICMPType < 128:
		return errors.New("an ICMPv6 error about one")
	}
	return nil
}

// lawOfReset is RFC 9293 section 3.10.7.1.
func lawOfReset(seg, rst []byte, q, a frame.Header) error {
	seqOf := func(b []byte) uint32 { return uint32(be16(b))<<16 | uint32(be16(b[2:])) }
	n := uint32(len(seg)) - uint32(seg[12]>>4)*4
	for _, f := range []uint8{frame.SYN, frame.FIN} {
		if q.Flags&f != 0 {
			n++
		}
	}
	flags, seq, ack := uint8(frame.RST|frame.ACK), uint32(0), seqOf(seg[4:])+n
	if q.Flags&frame.ACK != 0 {
		flags, seq, ack = frame.RST, seqOf(seg[8:]), 0
	}
	if q.Flags&frame.RST != 0 || len(rst) != 20 || a.SrcPort != q.DstPort || a.DstPort != q.SrcPort ||
		a.Flags != flags || seqOf(rst[4:]) != seq || seqOf(rst[8:]) != ack {
		return fmt.Errorf("want a reset with flags %06b, seq %d, ack %d", flags, seq, ack)
	}
	return nil
}

// lawOfError: an ICMP error quotes the packet as it came, and is at most 576
// bytes long.
func lawOfError(in, out []byte, q, a frame.Header, typ, code uint8) error {
	quote := out[a.L4+8:]
	whole := in[q.L3:q.End]
	if a.Proto != frame.ProtoICMP || a.ICMPType != typ || a.ICMPCode != code {
		return fmt.Errorf("want ICMP %d/%d", typ, code)
	}
	if len(quote) != min(len(whole), 576-28) || !bytes.Equal(quote, whole[:len(quote)]) {
		return errors.New("it does not quote the packet")
	}
	if q.Proto == frame.ProtoICMP && q.ICMPType != 8 {
		return errors.New("an ICMP error about ICMP")
	}
	return nil
}

// transportSumOK verifies the TCP or ICMP checksum of an answer, word by word.
func transportSumOK(f []byte, h frame.Header) bool {
	seg := f[h.L4:h.End]
	if h.Kind == frame.IPv6 {
		pseudo := slices.Concat(h.Src[:], h.Dst[:], []byte{0, 0, byte(len(seg) >> 8), byte(len(seg)), 0, 0, 0, byte(h.Proto)})
		return build.Checksum(append(pseudo, seg...)) == 0
	}
	if h.Proto == frame.ProtoICMP {
		return build.Checksum(seg) == 0
	}
	src, dst := h.Src.As4(), h.Dst.As4()
	pseudo := append(append(append([]byte{}, src[:]...), dst[:]...), 0, byte(h.Proto), byte(len(seg)>>8), byte(len(seg)))
	return build.Checksum(append(pseudo, seg...)) == 0
}
