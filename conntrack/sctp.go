package conntrack

import "lvsdr/dataplane/frame"

// The states of an SCTP association as its client's half shows it (RFC 9260
// section 4). The director sees neither INIT ACK nor COOKIE ACK, so the client's
// COOKIE ECHO, which only who got an INIT ACK can send, stands for the answer
// to it.
//
//	      INIT             INIT again          COOKIE ECHO
//	NONE ──────▶ INIT1 ─────────────▶ INIT ─────────────────▶ ESTABLISHED
//	                └────────── COOKIE ECHO ───────────────────▲   │ SHUTDOWN, SHUTDOWN ACK
//	       ABORT, SHUTDOWN COMPLETE: from all                      ▼
//	                 CLOSED  ◀─────────────────────────────── SHUTDOWN
const (
	SCTPNone State = iota
	SCTPInit1
	SCTPInit
	SCTPEstablished
	SCTPShutdown
	SCTPRejected
	SCTPClosed
	numSCTP
)

var sctpNames = [numSCTP]string{"NONE", "INIT1", "INIT", "ESTABLISHED", "SHUTDOWN", "REJECTED", "CLOSED"}

func sctpName(s State) string {
	if s < numSCTP {
		return sctpNames[s]
	}
	return "STATE?"
}

// NextSCTPBoth is NextSCTP for an association of which the director sees both halves: the
// server's INIT ACK changes nothing, its COOKIE ACK says that the client's COOKIE ECHO was
// taken, and either end closes.
func NextSCTPBoth(s State, half Half, chunk uint8) State {
	if half == ClientsHalf {
		return NextSCTP(s, chunk)
	}
	switch chunk {
	case frame.SCTPCookieAck:
		return SCTPEstablished
	case frame.SCTPShutdown, frame.SCTPShutdownAck, frame.SCTPAbort, frame.SCTPShutdownComplete:
		return NextSCTP(s, chunk)
	}
	return s
}

// NextSCTP is the state after a client's packet whose first chunk is of the
// given type.
func NextSCTP(s State, chunk uint8) State {
	switch chunk {
	case frame.SCTPInit:
		switch s {
		case SCTPEstablished:
			return s // RFC 9260 section 5.2.2: an unexpected INIT changes nothing
		case SCTPInit1, SCTPInit:
			return SCTPInit
		}
		return SCTPInit1
	case frame.SCTPCookieEcho:
		return SCTPEstablished
	case frame.SCTPShutdown, frame.SCTPShutdownAck:
		if s == SCTPEstablished {
			return SCTPShutdown
		}
		return s
	case frame.SCTPAbort, frame.SCTPShutdownComplete:
		return SCTPClosed
	}
	if s == SCTPNone {
		return SCTPEstablished // taken up in the middle (sloppy_sctp)
	}
	return s
}
