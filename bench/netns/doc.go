// Package netns builds small real networks from Linux network namespaces:
// hosts, a switch and veth cables between them. It imports nothing else of this
// module, so the tests of every package may use it. It runs no external
// program: everything is done by netlink, sysctl files and system calls. Only
// RunTestsWith builds one, with the go command, for tests.
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
//	if !netns.Inside() {
//		code, err := netns.Reexec(ctx)
//		if err != nil {
//			return err // names the missing privilege and the remedy
//		}
//		os.Exit(code)
//	}
//	if err := netns.Settle(); err != nil {
//		return err
//	}
//
// A test binary enters it from TestMain, with all its flags, and each test
// that needs the world says so:
//
//	func TestMain(m *testing.M) { os.Exit(netns.RunTests(m)) }
//
//	func TestForward(t *testing.T) {
//		netns.Require(t) // or NewTestHost, which does
//		...
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
// /proc/sys/net and /proc/thread-self/net show the namespace of the thread
// that opens them: read them inside Do, or by Host.ReadSysctl and
// Host.ReadProc.
package netns
