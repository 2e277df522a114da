package arp

// A Sender puts Ethernet frames on the wire. The Service calls it from one
// goroutine at a time. Send must not wait long, and must not call SetVIPs,
// which waits for it.
type Sender interface {
	// Send transmits the frame by the interface with the index given. It does
	// not keep the frame. An error means that the frame was not sent; the
	// Service counts it and goes on.
	Send(ifindex int32, frame []byte) error
}
