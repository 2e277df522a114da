// Package api is the director's control interface: HTTP with JSON over a unix
// socket. Every process that may open the socket may ask and edit.
//
// openapi.yaml describes all requests, and docs/api.md explains them. Those about
// services and servers one by one are resources; those of ipvsadm, which edits and
// lists many at a time, are /v1/edits and /v1/services.
//
// A request that is not carried out has a status of 400 or more and says why in
// {"error": "...", "code": "..."}. With 4xx nothing was changed.
//
// The types belong to the wire, not to the engine: a real server is a Server
// here and in all texts for people, and a destination in the engine and in
// ipvsadm's words. Types that people read print themselves (WriteText).
//
// A director is asked through a Client, and answers through a Backend, which is
// small interfaces. Serve bounds how many clients there are and how long they
// may stay silent.
package api
