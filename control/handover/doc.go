// Package handover gives a director's work from the process that runs to its successor,
// which may be another build with another configuration, without a gap. This is the conversation
// of the two; what is told and done is the caller's.
//
//	successor                                        the process that runs
//	─────────                                        ─────────────────────
//	reads and checks its configuration
//	connects ─────────────────────────────────────▶  checks the user and the protocol
//	         ◀──────────────────────────── Welcome
//	asks for the state ───────────────────────────▶  takes no events any more, frames it does
//	         ◀────────────────────────────── State
//	opens sockets, hides what is new
//	has its frames wait
//	says stop ────────────────────────────────────▶  its workers rest; frames wait in both rings
//	         ◀─── Stopped, the moment, descriptors   (lock, control socket, metrics)
//	gives back the frames before that moment
//	says commit ══════════════════════════════════▶  closes the connection table
//	         ◀─────────────────────────────── Left   ends, and takes nothing from the host
//	opens the table, starts workers
//
// Until the commit the process that runs needs nothing that the successor may have
// broken: if the connection ends, or nothing is heard for too long, its workers go on and no frame is lost, as its
// rings were open all the time. From the commit on the successor alone is the director, and if it ends that is as
// any other crash of a director: what connections there are is in the table.
//
// Frames are in both rings, and not in one that is handed over, so that the number of workers and the form of
// the rings may change. The successor's rings are open before the other's workers rest, and are emptied until
// then; what came before that moment, told by the kernel's timestamps, is given back undone. A
// frame around that moment may be done twice, which TCP does not notice, rather than not at all.
//
// The socket is beside the control socket, as PATH.takeover. Only the director's own user and
// root are listened to (SO_PEERCRED, unix(7)), and the successor tells its work to no other either. Messages are a
// kind of one byte, a length of four and JSON; descriptors come with the length (SCM_RIGHTS).
package handover
