// Package actortest has fakes of the director's actors. They keep what they were
// told, and fail or hang when a test says so.
package actortest
