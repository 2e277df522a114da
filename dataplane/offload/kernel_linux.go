package offload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"

	"lvsdr/conntrack"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// maxMTU is more than any packet has.
const maxMTU = 1 << 20

// server is the memory of the server of an index.
func (t *tables) server(at uint32) []byte { return t.destMem[at*destSize:][:destSize] }

// setServer writes the server of an index; with peer its frames go to the peer of their link. While
// it changes, frames of its flows go up.
func (t *tables) setServer(at uint32, to dataplane.NextHop, peer bool) {
	mem := t.server(at)
	var b [destSize]byte
	copy(b[destMACs:], to.MAC[:])
	copy(b[destMACs+len(to.MAC):], to.From[:])
	binary.NativeEndian.PutUint32(b[destIf:], uint32(to.Link))
	binary.NativeEndian.PutUint32(b[destMTU:], uint32(min(to.MTU, maxMTU)))
	if peer {
		binary.NativeEndian.PutUint32(b[destPeer:], 1)
	}
	if to.Plain && [destOn]byte(mem) == [destOn]byte(b[:]) && load32(mem, destOn) != 0 {
		return
	}
	store32(mem, destOn, 0)
	for i := 0; i < destOn; i += 8 {
		store64(mem, i, binary.NativeEndian.Uint64(b[i:]))
	}
	if to.Plain {
		store32(mem, destOn, 1)
	}
}

func (t *tables) flow(slot uint32) flow { return t.flowMem[slot*flowSize:][:flowSize] }

// put has the program know the flow of k by its slot.
func (t *tables) put(k conntrack.Key, slot uint32) error {
	m, key := t.keyed(k)
	return m.Update(key, slot, ebpf.UpdateNoExist)
}

// remove has it forget the flow.
func (t *tables) remove(k conntrack.Key) error {
	m, key := t.keyed(k)
	return m.Delete(key)
}

// keyed is the table of k's family, and the key as the program makes it from a frame.
func (t *tables) keyed(k conntrack.Key) (*ebpf.Map, []byte) {
	if k.Client.Is4() {
		var b [key4Size]byte
		src, dst := k.Client.As4(), k.Virtual.As4()
		copy(b[:], src[:])
		copy(b[4:], dst[:])
		putPorts(b[8:], k)
		return t.flows4, b[:]
	}
	var b [key6Size]byte
	copy(b[:], k.Client[:])
	copy(b[16:], k.Virtual[:])
	putPorts(b[32:], k)
	return t.flows6, b[:]
}

// each gives all flows of the tables, with their slots.
func (t *tables) each() (all map[conntrack.Key]uint32, err error) {
	all = map[conntrack.Key]uint32{}
	for _, m := range []*ebpf.Map{t.flows4, t.flows6} {
		key, slot := make([]byte, m.KeySize()), uint32(0)
		it := m.Iterate()
		for it.Next(&key, &slot) {
			if slot < t.flows.MaxEntries() {
				all[keyFrom(key)] = slot
			}
		}
		if err := it.Err(); err != nil {
			return nil, fmt.Errorf("read the flows: %w", err)
		}
	}
	return all, nil
}

// keyFrom is the key that the program knows as b.
func keyFrom(b []byte) (k conntrack.Key) {
	ports := b[8:]
	if len(b) == key4Size {
		k.Client, k.Virtual = frame.AddrFrom4([4]byte(b)), frame.AddrFrom4([4]byte(b[4:]))
	} else {
		k.Client, k.Virtual, ports = frame.Addr(b[:16]), frame.Addr(b[16:32]), b[32:]
	}
	k.ClientPort, k.VirtualPort = binary.BigEndian.Uint16(ports), binary.BigEndian.Uint16(ports[2:])
	k.Proto = frame.Proto(binary.NativeEndian.Uint32(ports[4:]))
	return k
}

// putPorts writes ports and protocol of a key, the protocol as a word of the machine.
func putPorts(b []byte, k conntrack.Key) {
	binary.BigEndian.PutUint16(b, k.ClientPort)
	binary.BigEndian.PutUint16(b[2:], k.VirtualPort)
	binary.NativeEndian.PutUint32(b[4:], uint32(k.Proto))
}

// total is the number of packets and bytes that the program has sent to a server.
func (t *tables) total(server uint32) (sum conntrack.Load) {
	for i := range stripes {
		at := (int(server)*stripes + i) * totalSize
		sum.Packets += load64(t.totalMem, at+totalPackets)
		sum.Bytes += load64(t.totalMem, at+totalBytes)
	}
	return sum
}

// takenTotal is the part of that which the director has counted; setTaken notes it.
func (t *tables) takenTotal(server uint32) conntrack.Load {
	at := int(server) * totalSize
	return conntrack.Load{Packets: load64(t.takenMem, at+totalPackets), Bytes: load64(t.takenMem, at+totalBytes)}
}

func (t *tables) setTaken(server uint32, n conntrack.Load) {
	at := int(server) * totalSize
	store64(t.takenMem, at+totalPackets, n.Packets)
	store64(t.takenMem, at+totalBytes, n.Bytes)
}

// on reports whether the program forwards to a server.
func (t *tables) on(server uint32) bool { return load32(t.destMem, int(server)*destSize+destOn) != 0 }

// shielded are the addresses that the shield is for, by interface.
func (t *tables) shielded() (map[int][]netip.Addr, error) {
	all := map[int][]netip.Addr{}
	k, on := make([]byte, vipSize), byte(0)
	it := t.vips.Iterate()
	for it.Next(&k, &on) {
		i := int(binary.NativeEndian.Uint32(k[16:]))
		all[i] = append(all[i], frame.Addr(k[:16]).IP())
	}
	return all, it.Err()
}

// vipKey is the key of an address that an interface is shielded for.
func vipKey(ifindex int, a netip.Addr) (k [vipSize]byte) {
	addr := frame.AddrFrom(a)
	copy(k[:], addr[:])
	binary.NativeEndian.PutUint32(k[len(addr):], uint32(ifindex))
	return k
}

// setVIPs says for what addresses the shield is on an interface: new ones are added before
// old ones go.
func (t *tables) setVIPs(ifindex int, old, vips []netip.Addr) error {
	for _, a := range vips {
		k := vipKey(ifindex, a)
		if err := t.vips.Update(k[:], []byte{1}, ebpf.UpdateAny); err != nil {
			return fmt.Errorf("shield %s by BPF: %w", a, err)
		}
	}
	for _, a := range old {
		if slices.Contains(vips, a) {
			continue
		}
		k := vipKey(ifindex, a)
		if err := t.vips.Delete(k[:]); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("unshield %s by BPF: %w", a, err)
		}
	}
	return nil
}
