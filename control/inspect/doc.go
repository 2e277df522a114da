// Package inspect answers questions about a running director: its status, what
// would become of a client's next packet, what binds a client to its servers,
// and what becomes of the frames that come in now.
//
// It reads what was published and what is counted. It waits for nothing that the
// director or an actor does, and holds up no new connection for longer than one
// service is read.
package inspect
