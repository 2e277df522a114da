// Package uml runs tests under a kernel of their own: User Mode Linux, which is an
// ordinary process and needs no privilege, from Debian's package user-mode-linux. It
// has modules that the kernel of a build machine may lack, such as IPVS.
//
// A test runs once more inside, in the same test binary, which the machine starts as
// its first process. The machine's root is the file system of the host, so that
// programs and files are found where they are; /run and /var/tmp are its own.
//
//	func TestMain(m *testing.M) { os.Exit(uml.Main(func() int { return netns.RunTests(m) })) }
//
//	func TestAgainstIPVS(t *testing.T) {
//		if !uml.Inside() {
//			uml.Rerun(t, uml.Machine{Modules: []string{"veth", "ip_vs"}})
//			return
//		}
//		... // as root of the machine, in a world as package netns has it
//	}
package uml
