// Package actortest has fakes of the director's actors. They record their calls,
// and fail or hang when a test says so.
package actortest
