package conntrack

import "lvsdr/dataplane/frame"

// NextTCPBoth is NextTCP for a connection of which the director sees both halves: the
// state after a segment of the client's. It differs in a FIN: the client closes first,
// which makes ESTABLISHED a CLOSE_WAIT, and after the server's FIN a TIME_WAIT.
func NextTCPBoth(s State, flags uint8) State {
	if flags&(frame.RST|frame.SYN|frame.FIN) == frame.FIN {
		switch s {
		case Established:
			return CloseWait
		case FinWait:
			return TimeWait
		}
	}
	if s == SynAck && flags&frame.RST != 0 {
		return SynRecv
	}
	return NextTCP(s, flags, false)
}
