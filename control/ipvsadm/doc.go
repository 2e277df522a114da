// Package ipvsadm is the runtime language of the director: the command line of
// ipvsadm 1.31 with its output, its refusals and its exit codes, over a
// dataplane.Director in the same process. Scripts, save files and habits work
// unchanged.
//
// A command goes through four steps, a file each: the words are read
// (grammar.go says which there are, parse.go and values.go read them), checked
// against the legality matrix (legal.go), carried out (edit.go, restore.go) or
// listed (list.go, conns.go, save.go).
//
// Where it differs from ipvsadm on a kernel, on purpose:
//
//   - Direct Routing only: servers of -i and -m, persistence engines and the sync
//     daemon are refused with exit code 255. There are no local servers.
//   - --nosort lists services in the order of their keys, not in that of the
//     kernel's hash table; servers are in the scheduler's order, newest first.
//     -L -c sorts, too.
//   - IPv4 addresses and masks are four decimal numbers. The tool takes the short
//     and the octal forms of inet_aton as well, so that "-M 24" is the mask
//     0.0.0.24.
//   - IPv6 addresses that hold an IPv4 address (::ffff:10.0.0.1) are refused.
//   - -R passes over lines that begin with #. With the tool, ipvsadm-restore does
//     so.
//   - The words of -h are our own.
package ipvsadm
