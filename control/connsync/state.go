package connsync

import "lvsdr/conntrack"

// How many states IPVS has of each protocol, in messages.
const (
	tcpStates  = 11
	sctpStates = 14
)

// The states of SCTP in messages, as far as there are such here.
const (
	wireInit1       = 1
	wireInit        = 2
	wireEstablished = 8
	wireShutdown    = 10 // SHUTDOWN came from the client
	wireRejected    = 12
	wireClosed      = 13
)

// sctpToWire is each state of SCTP as messages have it.
var sctpToWire = [...]uint16{
	conntrack.SCTPNone: 0, conntrack.SCTPInit1: wireInit1, conntrack.SCTPInit: wireInit, conntrack.SCTPEstablished: wireEstablished,
	conntrack.SCTPShutdown: wireShutdown, conntrack.SCTPRejected: wireRejected, conntrack.SCTPClosed: wireClosed,
}

// sctpFromWire are the states here by those of a message. The states between INIT and
// ESTABLISHED become INIT: to tell them apart, one must see the server's half.
var sctpFromWire = [sctpStates]conntrack.State{
	0: conntrack.SCTPNone, wireInit1: conntrack.SCTPInit1, wireInit: conntrack.SCTPInit,
	3: conntrack.SCTPInit, 4: conntrack.SCTPInit, 5: conntrack.SCTPInit, 6: conntrack.SCTPInit, 7: conntrack.SCTPInit,
	wireEstablished: conntrack.SCTPEstablished, 9: conntrack.SCTPShutdown, wireShutdown: conntrack.SCTPShutdown, 11: conntrack.SCTPShutdown,
	wireRejected: conntrack.SCTPRejected, wireClosed: conntrack.SCTPClosed,
}
