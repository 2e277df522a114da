package frame

// SCTP chunk types (RFC 9260 section 3.2).
const (
	SCTPData             = 0
	SCTPInit             = 1
	SCTPAbort            = 6
	SCTPShutdown         = 7
	SCTPShutdownAck      = 8
	SCTPCookieEcho       = 10
	SCTPCookieAck        = 11
	SCTPShutdownComplete = 14
)

// SCTPChunk is the type of the first chunk of the SCTP packet in f, whose header
// Parse made; false: it has none. An INIT, and a SHUTDOWN COMPLETE, is always
// alone in its packet; a COOKIE ECHO is always first (RFC 9260 section 6.10).
func SCTPChunk(f []byte, h *Header) (uint8, bool) {
	const commonHeader, chunkHeader = 12, 4
	at := int(h.L4) + commonHeader
	if h.Proto != ProtoSCTP || h.FragOff != 0 || at+chunkHeader > int(h.End) {
		return 0, false
	}
	return f[at], true
}
