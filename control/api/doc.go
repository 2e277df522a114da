// Package api is the director's control interface: HTTP with JSON over a unix
// socket. Every process that may open the socket may ask and edit.
//
//	GET  /v1/status      a Status
//	GET  /v1/explain     an Explained, of client, client_port, address, port, protocol
//	GET  /v1/sticky      a Persistence, of client, and of a service as above or all
//	GET  /v1/trace       a TraceLine a line, of filter, sample, snaplen; until the client goes
//	GET  /v1/events      an Event a line; until the client goes
//	GET  /v1/services    a Service a line; of the service in the query, or all
//	GET  /v1/connections a Conn a line
//	GET  /v1/timeouts    Timeouts
//	POST /v1/edits       a list of Edits; answered by a list of refusals, null for what was done
//	POST /v1/reload      Reloaded, once the configuration is in force or refused
//
// A request that cannot be answered has a status of 400 or more and says why in
// {"error": "...", "code": "..."}: 409 is a second trace, 501 a request that this
// director does not support.
//
// The types belong to the wire, not to the engine: a real server is a Server
// here and in all texts for people, and a destination in the engine and in
// ipvsadm's words. Types that people read print themselves (WriteText).
//
// A director is asked through a Client, and answers through a Backend, which is
// small interfaces. Serve bounds how many clients there are and how long they
// may stay silent.
package api
