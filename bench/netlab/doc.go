// Package netlab builds small real networks out of Linux network namespaces:
// hosts, a switch, veth cables between them, and the usual LVS-DR topology of
// client, director and real servers. The lab verb, the tests and the
// benchmarks all stand on it. It runs no external program: everything is done
// by netlink, sysctl files and system calls. Only RunTestsWith builds one, with
// the go command, for tests.
//
// # The world
//
// Namespaces are made inside a world: a private user, network, mount and
// process-id namespace the program moves into by running itself once more
// (Reexec). An unprivileged user may do this where user namespaces are
// allowed; root may always. Nothing done in a world touches the machine's own
// network, and when the first process of a world dies the kernel kills
// everything else in it.
//
// A program enters it at the top of main:
//
//	if !netlab.Inside() {
//		code, err := netlab.Reexec(ctx)
//		if err != nil {
//			return err // names the missing privilege and the remedy
//		}
//		os.Exit(code)
//	}
//	lab, err := netlab.Build(ctx, netlab.Spec{})
//
// A test binary enters it from TestMain, with all its flags, and each test
// that needs the world says so:
//
//	func TestMain(m *testing.M) { os.Exit(netlab.RunTests(m)) }
//
//	func TestForward(t *testing.T) {
//		netlab.Require(t)
//		lab, err := netlab.Build(t.Context(), netlab.Spec{Clients: 2})
//		...
//		defer lab.Close()
//	}
//
// # Hosts
//
// A Host is a network namespace. Sockets, commands, sysctls and netlink
// requests of a host are made by its methods; Do runs any other code in it.
// A socket belongs for ever to the host it was made in and may be used from
// any goroutine afterwards. What a host made is closed by its Close.
//
// # Things to know
//
// The cables are veth pairs at default offloads, as between containers: frames
// in a Capture may have unfinished transport checksums and be up to 64 KiB
// long. A Capture shows, at any moment, at least every frame whose effect the
// program has already observed, so tests need not wait before they look.
//
// /proc/sys/net and /proc/thread-self/net show the namespace of the thread
// that opens them: read them inside Do, or by Host.ReadSysctl.
package netlab
