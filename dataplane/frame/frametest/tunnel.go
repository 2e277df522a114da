package frametest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// A Tunnelled is a packet in a tunnel, as a far end of it would take it.
type Tunnelled struct {
	Src, Dst frame.Addr
	Encap    frame.Encapsulation
	TTL, TOS uint8
	DF       bool
	ID       uint16
	// SrcPort, DstPort are those of GUE.
	SrcPort, DstPort uint16
	HasSum           bool // of GRE or UDP; it is right
	Inner            []byte
	Kind             frame.Kind // of Inner
}

// Unwrap reads the packet in a tunnel that f, an Ethernet frame, carries, by the RFCs one
// field after the other, and checks every length and checksum of the outer headers: the
// slow reference for frame.Outer.
func Unwrap(f []byte) (t Tunnelled, err error) {
	if len(f) < 14 {
		return t, errors.New("no Ethernet header")
	}
	ip := f[14:]
	var next byte
	var body []byte
	switch typ := binary.BigEndian.Uint16(f[12:]); typ {
	case 0x0800:
		next, body, err = t.outer4(ip)
	case 0x86dd:
		next, body, err = t.outer6(ip)
	default:
		err = fmt.Errorf("EtherType %#04x", typ)
	}
	if err != nil {
		return t, err
	}
	switch next {
	case 4, 41:
		t.Encap, t.Inner, t.Kind = frame.IPinIP, body, kinds[next]
	case 47:
		err = t.gre(body)
	case 17:
		err = t.gue(body)
	default:
		err = fmt.Errorf("protocol %d", next)
	}
	if err == nil && len(t.Inner) > 0 && t.Inner[0]>>4 != map[frame.Kind]byte{frame.IPv4: 4, frame.IPv6: 6}[t.Kind] {
		err = fmt.Errorf("the headers name %v, the packet begins with %#02x", t.Kind, t.Inner[0])
	}
	return t, err
}

var kinds = map[byte]frame.Kind{4: frame.IPv4, 41: frame.IPv6}

// outer4 reads an outer IPv4 header that is no fragment's and has no options.
func (t *Tunnelled) outer4(ip []byte) (next byte, body []byte, err error) {
	switch {
	case len(ip) < 20 || ip[0] != 0x45:
		return 0, nil, errors.New("no IPv4 header of 20 bytes")
	case build.Checksum(ip[:20]) != 0:
		return 0, nil, errors.New("the outer header checksum is wrong")
	case int(binary.BigEndian.Uint16(ip[2:])) != len(ip):
		return 0, nil, fmt.Errorf("total length %d of %d bytes", binary.BigEndian.Uint16(ip[2:]), len(ip))
	case binary.BigEndian.Uint16(ip[6:])&^0x4000 != 0:
		return 0, nil, errors.New("a fragment")
	}
	t.TOS, t.TTL, t.DF, t.ID = ip[1], ip[8], ip[6]&0x40 != 0, binary.BigEndian.Uint16(ip[4:])
	t.Src, t.Dst = frame.AddrFrom4([4]byte(ip[12:])), frame.AddrFrom4([4]byte(ip[16:]))
	return ip[9], ip[20:], nil
}

// outer6 reads an outer IPv6 header without extension headers.
func (t *Tunnelled) outer6(ip []byte) (next byte, body []byte, err error) {
	switch {
	case len(ip) < 40 || ip[0]>>4 != 6:
		return 0, nil, errors.New("no IPv6 header")
	case int(binary.BigEndian.Uint16(ip[4:])) != len(ip)-40:
		return 0, nil, fmt.Errorf("payload length %d of %d bytes", binary.BigEndian.Uint16(ip[4:]), len(ip)-40)
	case ip[1]&0x0f != 0 || ip[2] != 0 || ip[3] != 0:
		return 0, nil, errors.New("a flow label")
	}
	t.TOS, t.TTL = ip[0]<<4|ip[1]>>4, ip[7]
	t.Src, t.Dst = frame.Addr(ip[8:]), frame.Addr(ip[24:])
	return ip[6], ip[40:], nil
}

// gre reads a GRE header (RFC 2784 section 2).
func (t *Tunnelled) gre(b []byte) error {
	t.Encap = frame.GRE
	if len(b) < 4 || b[0]&^0x80 != 0 || b[1] != 0 {
		return fmt.Errorf("the GRE header begins with % x", b[:min(len(b), 4)])
	}
	switch binary.BigEndian.Uint16(b[2:]) {
	case 0x0800:
		t.Kind = frame.IPv4
	case 0x86dd:
		t.Kind = frame.IPv6
	}
	t.Inner = b[4:]
	if b[0]&0x80 == 0 {
		return nil
	}
	t.HasSum = true
	if len(b) < 8 || build.Checksum(b) != 0 || b[6] != 0 || b[7] != 0 {
		return errors.New("the GRE checksum is wrong")
	}
	t.Inner = b[8:]
	return nil
}

// gue reads UDP and GUE headers.
func (t *Tunnelled) gue(b []byte) error {
	t.Encap = frame.GUE
	if len(b) < 12 || int(binary.BigEndian.Uint16(b[4:])) != len(b) {
		return errors.New("the UDP length is wrong")
	}
	t.SrcPort, t.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if b[6] != 0 || b[7] != 0 {
		t.HasSum = true
		src, dst := t.Src[:], t.Dst[:]
		if t.Dst.Is4() {
			src, dst = src[12:], dst[12:]
		}
		n := binary.BigEndian.AppendUint32(nil, uint32(len(b)))
		if build.Checksum(bytes.Join([][]byte{src, dst, n, {0, 0, 0, 17}, b}, nil)) != 0 {
			return errors.New("the UDP checksum is wrong")
		}
	}
	if b[8] != 0 || b[10] != 0 || b[11] != 0 {
		return fmt.Errorf("the GUE header is % x", b[8:12])
	}
	t.Inner, t.Kind = b[12:], kinds[b[9]]
	return nil
}
