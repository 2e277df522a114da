// Package mapping gives connection tables memory that is not the Go heap's: the
// garbage collector does not count it, and the kernel is asked to back it with
// huge pages, so that a look-up in a table of many megabytes does not wait for
// the page tables as well. It is touched only as the table fills.
package mapping
