package offload

// version is that of everything that the tables hold: raise it with any change of their
// layout or of what is in them.
const version = 1

// What the program and the director share, in memory that both map. Numbers are in the
// machine's byte order.
const (
	// A flow: where it goes, its state, and what both sides count for the handing over.
	flowDest   = 0  // u32: the index of its server
	flowState  = 4  // u32: a State
	flowPunted = 8  // u32: frames that the program passed up, counted
	flowAcked  = 12 // u32: those of them that the director has sent
	flowLast   = 16 // u64: the director's clock when the program forwarded one last
	flowIf     = 24 // u32: index of the interface that its frames come in by
	flowSize   = 32

	// A server: the frame's new addresses, and how it leaves. The addresses begin at 2,
	// where words of them are as aligned as in a frame.
	destMACs = 2  // 6 bytes to, 6 bytes from
	destIf   = 16 // u32: index of the interface
	destMTU  = 20 // u32: the longest packet
	destPeer = 24 // u32: not 0: the frame goes to the peer of that interface, in another namespace
	destOn   = 28 // u32: 0: its flows go up
	destSize = 32

	// What was sent to a server: as many counters as there are stripes, so that CPUs
	// seldom share one.
	totalPackets = 0
	totalBytes   = 8
	totalSize    = 16
	stripes      = 4

	// The head: the clock, and whose the tables are.
	headOffset  = 0  // u64: what the director's clock, ns, is ahead of the kernel's ticks
	headBeat    = 8  // u64: the tick at which the director was alive last
	headTick    = 16 // u64: the tick at which it looked
	headVersion = 24 // u32: version
	headPID     = 28 // u32: of the process whose they are
	headSince   = 32 // u64: since when it has had its connection table
	headSize    = 40

	key4Size = 16 // source, destination, ports, protocol and three zeros
	key6Size = 40
	vipSize  = 20 // an address, IPv4 as IPv4-mapped, and the index of the interface
)

// A State is that of a flow in the table.
type State = uint32

// The states of a flow.
const (
	Pending State = iota // frames that were passed up may still be on their way
	Fast                 // the kernel forwards it
	Closed               // a frame came that ends or changes it: all go up again
)

// Packet types, <linux/if_packet.h>.
const (
	toHost     = 0
	counted    = 2 // PACKET_MULTICAST: of a flow in the table, and counted there
	shielded   = 3 // PACKET_OTHERHOST: what the host's stack drops
	passToNext = -1
)
