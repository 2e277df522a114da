package offload

// A flow is one of the table: memory that the program reads and writes.
type flow []byte

func (f flow) state() State       { return load32(f, flowState) }
func (f flow) server() uint32     { return load32(f, flowDest) }
func (f flow) last() int64        { return int64(load64(f, flowLast)) }
func (f flow) setPunted(n uint32) { store32(f, flowPunted, n) }
func (f flow) ack(n uint32)       { store32(f, flowAcked, n) }
func (f flow) close()             { store32(f, flowState, Closed) }

// force makes a pending flow fast, though frames of it may be on their way.
func (f flow) force() bool { return swap32(f, flowState, Pending, Fast) }

// begin makes it one to a server, whose frames come in by an interface.
func (f flow) begin(server uint32, in int32, s State) {
	store32(f, flowDest, server)
	store32(f, flowIf, uint32(in))
	store32(f, flowState, s)
	store64(f, flowPunted, 0) // and flowAcked
	store64(f, flowLast, 0)
}
