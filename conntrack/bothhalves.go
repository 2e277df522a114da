package conntrack

import "lvsdr/dataplane/frame"

// A Half of a connection is what one of its ends sends.
type Half uint8

// The halves.
const (
	ClientsHalf Half = iota
	ServersHalf
)

// NextTCPBoth is NextTCP for a connection of which the director sees both halves: the
// state after a segment of one half. The first end to send a FIN makes ESTABLISHED a
// CLOSE_WAIT if it is the client, a FIN_WAIT if it is the server, the second one makes it
// a TIME_WAIT. With secure only the server's SYN+ACK and ACK open a connection.
func NextTCPBoth(s State, half Half, flags uint8, secure bool) State {
	if s >= numStates {
		return Close
	}
	var event int
	switch {
	case flags&frame.RST != 0:
		event = tcpRST
	case flags&frame.SYN != 0:
		event = tcpSYN
	case flags&frame.FIN != 0:
		event = tcpFIN
	case flags&frame.ACK != 0:
		event = tcpACK
	default:
		return Close
	}
	if secure {
		return bothSecure(s, half, event)
	}
	return bothHalves[half][event][s]
}

// What a segment is, of RST, SYN, FIN and ACK the first that is set.
const (
	tcpSYN = iota
	tcpFIN
	tcpACK
	tcpRST
	tcpEvents
)

// bothHalves are the states after a segment of each half, by the state before.
var bothHalves = [2][tcpEvents][numStates]State{
	ClientsHalf: {
		tcpSYN: {None: SynRecv, Established: Established, SynSent: Established, SynRecv: SynRecv, FinWait: SynRecv,
			TimeWait: SynRecv, Close: SynRecv, CloseWait: SynRecv, LastAck: SynRecv, Listen: SynRecv, SynAck: SynRecv},
		tcpFIN: {None: Close, Established: CloseWait, SynSent: SynSent, SynRecv: TimeWait, FinWait: TimeWait,
			TimeWait: TimeWait, Close: Close, CloseWait: CloseWait, LastAck: LastAck, Listen: Listen, SynAck: TimeWait},
		tcpACK: {None: Established, Established: Established, SynSent: SynSent, SynRecv: Established, FinWait: FinWait,
			TimeWait: TimeWait, Close: Close, CloseWait: CloseWait, LastAck: Close, Listen: Listen, SynAck: Established},
		tcpRST: {None: Close, Established: Close, SynSent: Close, SynRecv: SynRecv, FinWait: Close,
			TimeWait: Close, Close: Close, CloseWait: Close, LastAck: LastAck, Listen: Listen, SynAck: SynRecv},
	},
	ServersHalf: {
		tcpSYN: {None: SynSent, Established: Established, SynSent: SynSent, SynRecv: SynRecv, FinWait: SynSent,
			TimeWait: SynSent, Close: SynSent, CloseWait: SynSent, LastAck: SynSent, Listen: SynSent, SynAck: SynRecv},
		tcpFIN: {None: TimeWait, Established: FinWait, SynSent: SynSent, SynRecv: TimeWait, FinWait: FinWait,
			TimeWait: TimeWait, Close: Close, CloseWait: TimeWait, LastAck: LastAck, Listen: Listen, SynAck: TimeWait},
		tcpACK: {None: Established, Established: Established, SynSent: SynSent, SynRecv: Established, FinWait: FinWait,
			TimeWait: TimeWait, Close: Close, CloseWait: CloseWait, LastAck: LastAck, Listen: Listen, SynAck: Established},
		tcpRST: {None: Close, Established: Close, SynSent: SynSent, SynRecv: Close, FinWait: Close,
			TimeWait: TimeWait, Close: Close, CloseWait: Close, LastAck: Close, Listen: Listen, SynAck: Close},
	},
}

// bothSecure is NextTCPBoth with secure: a client alone cannot open a connection.
func bothSecure(s State, half Half, event int) State {
	switch {
	case s == SynRecv && half == ClientsHalf && event == tcpACK:
		return SynRecv
	case s == SynRecv && half == ServersHalf && event == tcpSYN:
		return SynAck
	case s == SynRecv && half == ServersHalf && event == tcpACK:
		return Established
	case s == SynAck && half == ClientsHalf && event != tcpRST:
		return SynAck
	case s == SynAck && half == ClientsHalf:
		return Close
	case s == SynAck && half == ServersHalf && event == tcpSYN:
		return SynAck
	}
	return bothHalves[half][event][s]
}
