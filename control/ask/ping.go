package ask

// Ping sends an echo request of ICMP; PING_CHECK. A server works that answers.
type Ping struct{}

var _ Ask = (*Ping)(nil)

// String is "echo".
func (*Ping) String() string { return "echo" }
