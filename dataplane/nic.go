package dataplane

import "lvsdr/dataplane/frame"

// A Verdict says what becomes of a frame.
type Verdict uint8

// The verdicts.
const (
	Drop    Verdict = iota // nothing is sent
	Forward                // the frame, rewritten in place, leaves by Packet.Out
	Answer                 // the frame is dropped; frames of ours instead are in Batch.Replies
	ToARP                  // an ARP frame: copied to the ARP side, see Worker
)

// String is the verdict in lower case.
func (v Verdict) String() string {
	switch v {
	case Drop:
		return "drop"
	case Forward:
		return "forward"
	case Answer:
		return "answer"
	case ToARP:
		return "arp"
	}
	return "verdict?"
}

// Headroom is how many bytes a NIC leaves free before each frame, for the
// headers of tunnels: an outer IPv6 header, UDP, and GUE or GRE with room to
// spare.
const Headroom = 72

// A Packet is one frame on its way through a batch. The NIC fills Data, Front,
// GSOSize, Partial and Unfinished; Process fills the rest.
type Packet struct {
	// Data is the frame from its Ethernet header on, a stripped VLAN tag put
	// back. It belongs to the NIC and is valid until its next Recv; Process
	// edits it in place when the verdict is Forward.
	Data []byte
	// Front is free memory that ends where Data starts, and reaches over it by
	// its capacity: at least Headroom bytes of a frame from a NIC; see Prepend.
	Front []byte
	// Slot is the NIC's own mark for the frame.
	Slot uint32
	// Out is the index of the interface a forwarded frame leaves by.
	Out int32
	// GSOSize is the segment size of a segmentation-offload super-frame,
	// which may be longer than the MTU; 0 for an ordinary frame.
	GSOSize uint16
	// Mark is the firewall mark, where the NIC knows one.
	Mark uint32
	// Partial says that the transport checksum is not finished yet
	// (CHECKSUM_PARTIAL; VIRTIO_NET_HDR_F_NEEDS_CSUM) or was already verified:
	// it must not be checked.
	Partial bool
	// Unfinished says that it is the former: the transport checksum covers the pseudo
	// header alone, and stays so where addresses are changed.
	Unfinished bool
	// Counted says that who forwards flows in the director's place knows the frame's flow,
	// has left the frame to the director, and counted it; see Follower.
	Counted bool

	Verdict Verdict
	Reason  Reason
	// First and Segments say which of Batch.Segments leave in place of a forwarded
	// super-frame, the first and how many; Segments 0: the frame itself does.
	First, Segments uint16

	header frame.Header
	flow   flow
}

// Prepend makes the frame n bytes longer at its start and returns them, with
// anything in them; nil: there are not as many in front of it.
func (p *Packet) Prepend(n int) []byte {
	at := len(p.Front) - n
	if at < 0 {
		return nil
	}
	p.Data = p.Front[at : len(p.Front)+len(p.Data)]
	p.Front = p.Front[:at]
	return p.Data[:n]
}

// Hash is that of the connection that Process looked up for a packet with ports.
func (p *Packet) Hash() uint64 { return p.flow.id.Hash }

// Header is the result of Process's parsing.
func (p *Packet) Header() *frame.Header { return &p.header }

// A Reply is a frame made by Process, Data and Body one behind the other: an echo reply, a reset or an ICMP error,
// which leaves by the interface the frame it answers came in by; or a fragment on
// its way to a real server.
type Reply struct {
	Data []byte
	Body []byte // a part of a packet of the batch; nil: nothing
	Out  int32  // index of the interface it leaves by
}

// MaxBatch is the greatest number of frames in a batch.
const MaxBatch = 256

// A Batch is one harvest of frames. Make it with NewBatch and use it again and
// again; it is not safe for concurrent use.
type Batch struct {
	// Packets holds the frames received; Recv sets its length, at most
	// MaxBatch.
	Packets []Packet
	// Replies are the frames to send beside them; Process sets them.
	// They are valid until its next call.
	Replies []Reply
	// Segments are those of forwarded super-frames; see Packet.First. As Replies.
	Segments []Reply
	// In is the index of the interface the frames came in by.
	In int32
	// Local says that the frames are this host's own; see Worker.
	Local bool
	// Pressed says that many more frames wait: the NIC is about to lose some. Process
	// drops those then that are worth least, see Overload.
	Pressed bool
}

// NewBatch makes an empty batch with room for MaxBatch packets.
func NewBatch() *Batch {
	return &Batch{Packets: make([]Packet, 0, MaxBatch), Replies: make([]Reply, 0, maxReplies)}
}

// A NIC is where frames come from and go to. One worker uses a NIC; only
// Wake, Stop, Close and Stats may be called from other goroutines.
type NIC interface {
	// Recv waits until there are frames, or Stop is called, and sets
	// b.Packets, b.In and b.Pressed. Each frame has Headroom free bytes before it. It may
	// return no frames. After Stop it returns os.ErrClosed.
	Recv(b *Batch) error
	// Send transmits every packet of b with verdict Forward by the interface
	// Packet.Out, as it is, as Prepend made it, or its segments, and b.Replies by theirs. What cannot be sent is counted in
	// Stats and is not an error; an error means that the NIC is of no use
	// any more.
	Send(b *Batch) error
	// Wake makes a waiting Recv, or the next one, return soon, with frames or
	// without.
	Wake()
	// Stop makes a waiting Recv, and every later one, return os.ErrClosed at
	// once. It may be called more than once.
	Stop()
	// Close gives everything back. Recv and Send must have ended.
	Close() error
	// Stats are the NIC's counters so far.
	Stats() NICStats
}

// NICStats are the counters of a NIC, in frames.
type NICStats struct {
	Received  uint64 `json:"received"`   // handed out by Recv
	Missed    uint64 `json:"missed"`     // the kernel had no room for them (PACKET_STATISTICS); SYNs are not among them
	MissedSYN uint64 `json:"missed_syn"` // SYNs for which it had no room in the ring they have
	Truncated uint64 `json:"truncated"`  // longer than the NIC takes, or than it had room for; not handed out
	Sent      uint64 `json:"sent"`       // taken by the kernel
	SentXDP   uint64 `json:"sent_xdp"`   // of them by an AF_XDP socket, unseen by captures
	SendFull  uint64 `json:"send_full"`  // refused: the device queue stayed full (ENOBUFS, EAGAIN)
	SendError uint64 `json:"send_error"` // refused for any other reason
}
