// Package netlab is the usual LVS-DR topology of client, director and real
// servers, built from the network namespaces of package netns, with everything
// needed to try a director there: working real servers, captures of every
// interface, `lvsdr run` as a process. The lab verb, the tests and the
// benchmarks all use it. It runs no external program but the lvsdr it is
// given.
//
//	if !netns.Inside() {
//		code, err := netns.Reexec(ctx)
//		if err != nil {
//			return err // names the missing privilege and the remedy
//		}
//		os.Exit(code)
//	}
//	lab, err := netlab.Build(ctx, netlab.Spec{Clients: 2})
//	...
//	defer lab.Close()
//
// # Captures
//
// The cables are veth pairs at default offloads, as between containers: frames
// in a Capture may have unfinished transport checksums and be up to 64 KiB
// long. A Capture shows, at any moment, at least every frame whose effect the
// program has already observed, so tests need not wait before they look.
package netlab
