package conntrack

import "lvsdr/dataplane/frame"

// A State is the state of a connection as its client's half shows it, with the
// numbers the IPVS synchronisation protocol uses. In Direct Routing the
// director never sees the server's half, so only NONE, ESTABLISHED, SYN_RECV,
// FIN_WAIT, TIME_WAIT and CLOSE occur (and SYNACK under secure_tcp).
//
//	      SYN            ACK                FIN
//	NONE ─────▶ SYN_RECV ─────▶ ESTABLISHED ─────▶ FIN_WAIT
//	               │ FIN             │ RST             │ RST
//	               ▼                 ▼                 ▼
//	           TIME_WAIT ──RST──▶  CLOSE  ◀────────────┘
//
// A SYN leads every closing state back to SYN_RECV.
type State uint8

// The states of TCP. None is also that of UDP, and of a template none of whose
// connections was established yet.
const (
	None State = iota
	Established
	SynSent
	SynRecv
	FinWait
	TimeWait
	Close
	CloseWait
	LastAck
	Listen
	SynAck
	numStates
)

// Assured is the state of a template one of whose connections was established.
const Assured = Established

var stateNames = [numStates]string{"NONE", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT",
	"TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "SYNACK"}

// String is the state's name as ipvsadm -Lc prints it for TCP.
func (s State) String() string {
	if s < numStates {
		return stateNames[s]
	}
	return "STATE?"
}

// StateName is e's state as ipvsadm -Lc prints it.
func (e *Entry) StateName() string {
	switch {
	case e.Template() && e.State() == Assured:
		return "ASSURED"
	case e.Template():
		return None.String()
	case e.proto() == frame.ProtoUDP:
		return "UDP"
	case e.proto() == frame.ProtoSCTP:
		return sctpName(e.State())
	}
	return e.State().String()
}

// active reports whether a connection in s counts as active.
func (e *Entry) active() bool {
	if e.proto() == frame.ProtoSCTP {
		return e.State() == SCTPEstablished
	}
	switch e.State() {
	case Established, SynSent, SynRecv, SynAck:
		return true
	}
	return false
}

// NextTCP is the state after a client's segment with the given TCP flags.
// RST is looked at first, then SYN, FIN and ACK; a segment with none of them
// closes. With secure a SYN leads to SYNACK where it led to SYN_RECV.
func NextTCP(s State, flags uint8, secure bool) State {
	switch {
	case flags&frame.RST != 0:
		// A forged RST must not kill a half-open entry.
		if s == SynRecv || s == LastAck || s == Listen {
			return s
		}
		return Close
	case flags&frame.SYN != 0:
		switch {
		case s == Established || s == SynSent:
			return Established
		case secure && s != SynRecv:
			return SynAck
		}
		return SynRecv
	case flags&frame.FIN != 0:
		switch s {
		case Established:
			return FinWait
		case SynRecv, SynAck:
			return TimeWait
		case None:
			return Close
		}
		return s
	case flags&frame.ACK != 0:
		switch s {
		case None, SynRecv, SynAck, Established:
			return Established
		case LastAck:
			return Close
		}
		return s
	}
	return Close
}

// Timeouts are the lifetimes of entries after their last packet, in seconds.
type Timeouts struct {
	TCP  [numStates]int
	SCTP [numSCTP]int
	UDP  int
}

// DefaultTimeouts are the kernel's.
func DefaultTimeouts() Timeouts {
	return Timeouts{
		TCP: [numStates]int{None: 2, Established: 900, SynSent: 120, SynRecv: 60, FinWait: 120,
			TimeWait: 120, Close: 10, CloseWait: 60, LastAck: 30, Listen: 120, SynAck: 120},
		SCTP: [numSCTP]int{SCTPNone: 61, SCTPInit1: 4, SCTPInit: 61,
			SCTPEstablished: 900, SCTPShutdown: 61, SCTPRejected: 4, SCTPClosed: 61},
		UDP: 300,
	}
}

// Set changes what ipvsadm --set changes: ESTABLISHED, FIN_WAIT and UDP, in
// seconds; 0 keeps a value.
func (t *Timeouts) Set(tcp, tcpfin, udp int) {
	set := func(v *int, s int) {
		if s > 0 {
			*v = s
		}
	}
	set(&t.TCP[Established], tcp)
	set(&t.TCP[FinWait], tcpfin)
	set(&t.UDP, udp)
}
