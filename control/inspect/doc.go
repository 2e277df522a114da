// Package inspect answers questions about a running director: its status, the
// outcome for a client's next packet, the binding of a client to its servers, and
// the decisions about incoming frames.
//
// It reads what was published and what is counted. It waits for nothing that the
// director or an actor does, and holds up no new connection for longer than one
// service is read.
package inspect
