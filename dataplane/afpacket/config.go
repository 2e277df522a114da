package afpacket

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// The defaults of [Config].
const (
	DefaultSlots      = 4096 // fewer where slots are long: a ring of about 8 MiB
	DefaultSYNSlots   = 16384
	DefaultMaxFrame   = 65535 + 14 + 4 // the longest IPv4 packet, Ethernet header, one VLAN tag
	DefaultSendBuffer = 4 << 20
)

// adaptiveSpin is how long an empty ring is watched by default: longer than an exchange
// takes that begins with a sleep, so that the next one does without.
const adaptiveSpin = 250 * time.Microsecond

// Bounds of [Config].
const (
	minMaxFrame = 60
	maxMaxFrame = 1 << 18 // a slot must fit into a block, see newLayout
	maxSlots    = 1 << 16
)

// A Config says how a NIC is opened. The zero value of a field means its
// default.
type Config struct {
	// Interface is where frames are received; required. It is found again by
	// its Index; Name appears in error messages.
	Interface *net.Interface

	// VIPs are the IPv4 and IPv6 addresses whose frames are handed out, beside
	// all ARP and, with an IPv6 address among them, all neighbour discovery
	// (ICMPv6 types 133 to 137 with hop limit 255, RFC 4861). The interface
	// joins the solicited-node multicast groups of the IPv6 ones. None means
	// ARP only.
	//
	// About 3000 fit; of IPv6 addresses without a common prefix, 400. The
	// kernel also sets a bound with net.core.optmem_max, against which the
	// filters before and after a change count together: before Linux 6.8,
	// where its default was 20480, about 500 and 60 can be changed.
	VIPs []netip.Addr
	// Sources are the addresses of servers whose answers go back by this host: what comes
	// from them is handed out as well, and with Errors all ICMP errors.
	Sources []netip.Addr
	Errors  bool

	// Neighbours6 hands out neighbour discovery also without an IPv6 address
	// among VIPs: for an interface that has IPv6 real servers behind it only.
	Neighbours6 bool

	// Slots is how many frames the ring holds between two calls of Recv, 1 to
	// 65536, rounded up so that the last block is full. Default 4096, or as
	// many as 8 MiB have room for, which is some milliseconds at half a million
	// frames per second. Every slot has room for SlotFrame and costs that much
	// memory, which the kernel does not swap:
	//
	//	slot  = 138 + SlotFrame, rounded up to 64         1664 bytes
	//	block = the least power of two that wastes at
	//	        most 1/32 of itself, or else 2 MiB        32 KiB, 19 slots
	//	ring  = Slots / slots per block, in blocks        216 blocks, 7 MiB
	Slots int

	// SYNSlots is how many SYNs wait besides, in a ring of their own whose slots take
	// 256 bytes. Default 16384, in 4 MiB: a burst of 10 000 in 7 ms finds room also
	// while the worker does not run. Under a heavy load without a flood SYNs wait
	// in the other ring.
	SYNSlots int

	// SlotFrame is the longest frame that comes by the ring, in bytes from the
	// Ethernet header on. Longer ones, the super-frames of segmentation
	// offload, come by the socket's queue, at a system call each. Default what
	// the interface's MTU needs, at most 16 KiB.
	//
	// Without CAP_NET_ADMIN in the initial user namespace, as in a container
	// of its own, the queue is as small as net.core.rmem_max says, 208 KiB by
	// default, and would lose super-frames: then the default is MaxFrame, with
	// 496 slots: a ring of 32 MiB.
	SlotFrame int

	// MaxFrame is the longest frame handed out, in bytes from the Ethernet
	// header on, 60 to 262144; longer ones are counted as truncated. Default
	// 65553, room for every segmentation-offload super-frame but those of
	// "BIG TCP" (gso_max_size or gso_ipv4_max_size above 65536).
	MaxFrame int

	// Spin is how long Recv watches an empty ring before it sleeps, if frames
	// came while it did lately. Watching costs up to a whole CPU, and saves 50 to
	// 100 µs for each wake-up. 0: up to 250 µs, and only while there are more frames
	// for it, as where each is the answer to the last; negative: never.
	Spin time.Duration

	// SendBuffer is the socket's send buffer in bytes: how much may wait in
	// device queues before Send has to wait. Default 4 MiB; without
	// CAP_NET_ADMIN the system's net.core.wmem_max limits it.
	SendBuffer int

	// BypassQdisc sends around the queueing discipline (PACKET_QDISC_BYPASS):
	// faster, but without shaping, and frames are refused as soon as the
	// device queue is full.
	BypassQdisc bool

	// XDP sends batches of 16 frames or more, of which no checksum is
	// unfinished and none is a super-frame, by an AF_XDP socket in copy mode
	// on the interface they leave by: 1.5 times as fast. They pass neither
	// traffic control nor egress hooks, and are not seen by packet sockets such
	// as tcpdump's; SetVisible switches it off while there is one. Where the
	// kernel refuses such a socket, or has no queue left for this NIC, frames
	// are sent with sendmmsg, until it gives one after a later
	// SetVisible(false).
	XDP bool

	// Protocol is the EtherType of the frames that are received; 0: of any. A socket for
	// one protocol gets a frame after traffic control (tc ingress), one for all before.
	Protocol uint16

	// Mark, if not 0, is what frames carry (SO_MARK's, skb->mark) that are handed out in
	// whatever way they came: those that a program of dataplane/offload passes up. Of
	// them those of packet type PACKET_MULTICAST are dataplane.Packet.Counted.
	Mark uint32

	// Fanout is the number of the fan-out group to join, and SYNs join the next one;
	// both are unique in the network namespace. 0 lets the kernel choose a free one if several NICs are
	// opened (OpenGroup), and joins none for a single NIC.
	Fanout uint16
}

// withDefaults fills in the defaults and checks the bounds.
func (c Config) withDefaults() (Config, error) {
	if c.Interface == nil {
		return c, fmt.Errorf("open NIC: no interface given")
	}
	if c.SYNSlots == 0 {
		c.SYNSlots = DefaultSYNSlots
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = DefaultMaxFrame
	}
	if c.SendBuffer == 0 {
		c.SendBuffer = DefaultSendBuffer
	}
	switch {
	case c.Slots < 0 || c.Slots > maxSlots:
		return c, fmt.Errorf("open NIC %s: %d slots, want 1 to %d", c.Interface.Name, c.Slots, maxSlots)
	case c.SYNSlots < 0 || c.SYNSlots > maxSlots:
		return c, fmt.Errorf("open NIC %s: %d slots for SYNs, want 1 to %d", c.Interface.Name, c.SYNSlots, maxSlots)
	case c.SlotFrame < 0 || c.SlotFrame > maxMaxFrame:
		return c, fmt.Errorf("open NIC %s: slots for %d bytes, want at most %d", c.Interface.Name, c.SlotFrame, maxMaxFrame)
	case c.MaxFrame < minMaxFrame || c.MaxFrame > maxMaxFrame:
		return c, fmt.Errorf("open NIC %s: frames of %d bytes, want %d to %d", c.Interface.Name, c.MaxFrame, minMaxFrame, maxMaxFrame)
	case c.SendBuffer < 0:
		return c, fmt.Errorf("open NIC %s: send buffer of %d bytes", c.Interface.Name, c.SendBuffer)
	}
	return c, nil
}

// What the two rings of a NIC take at most by default, in bytes.
const (
	RingBytes    = 8 << 20
	SYNRingBytes = DefaultSYNSlots * 256
)

// The default ring: RingBytes, slots no longer than that; and the number
// of slots of one whose slots are for any frame.
const (
	maxSlotFrame  = 16 << 10
	longRingSlots = 496
)

// layout is the geometry of the ring; queued says whether the socket has a queue
// for frames longer than a slot.
func (c Config) layout(queued bool) layout {
	frame, slots := c.SlotFrame, c.Slots
	switch {
	case frame != 0:
	case queued:
		frame = min(max(c.Interface.MTU, 1500)+etherLen+vlanTagLen, maxSlotFrame)
	default:
		frame = c.MaxFrame
	}
	frame = min(frame, c.MaxFrame)
	if slots == 0 {
		slots = min(DefaultSlots, RingBytes/slotSize(frame))
		if frame > maxSlotFrame {
			slots = longRingSlots
		}
	}
	return newLayout(slots, frame)
}
