// Package ipvsadm is the runtime language of the director: the command line of
// ipvsadm 1.31 with its output, its refusals and its exit codes. What scripts,
// save files and eyes are used to works unchanged. It speaks to a director
// through an api.Admin: one in the same process, or a running one over its
// control socket.
//
// A command goes through four steps, a file each: the words are read
// (grammar.go says which there are, parse.go, values.go, aton.go and names.go
// read them), checked by the legality matrix (legal.go), and become an edit
// (edit.go, of many lines restore.go) or a listing (list.go, columns.go,
// conns.go, save.go, in the order of sort.go).
//
// Where it differs from ipvsadm on a kernel, on purpose:
//
//   - Servers of -i and -m are refused with exit code 255 until the director can
//     reach them. There are no persistence engines.
//   - The order of what the kernel keeps in hash tables is our own: -L -c sorts,
//     and --nosort lists services in the order of their keys. Servers are as in
//     the kernel, newest first.
//   - IPv6 addresses that hold an IPv4 address (::ffff:10.0.0.1) are refused.
//   - A line of -R may have 64 KiB.
//   - The words of -h are our own, and scheduler flags that are commas alone are
//     none.
package ipvsadm
