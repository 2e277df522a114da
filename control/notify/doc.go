// Package notify tells an administrator's programs what becomes of real servers and
// services: it runs the commands of notify_up, notify_down, quorum_up and quorum_down, and
// writes lines to the FIFOs of notify_fifo and lvs_notify_fifo, which notify_fifo_script and
// lvs_notify_fifo_script read.
//
// Tell never waits. Commands run beside the caller, a few at a time, those of one server or
// service one after another in the order of Tell. Each has a time limit. A queue of bounded
// length holds the rest; what has no room there is dropped and counted, and so is a line
// that a FIFO has no room for, because no program reads it.
package notify
