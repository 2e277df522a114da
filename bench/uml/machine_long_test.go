//go:build long

package uml

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// wants names a test of this file that is to fail or to hang inside.
const wants = "LVSDR_UML_WANTS"

// The first process of a machine is this test, as root, with what it asked for.
func TestAMachineHasWhatItsTestAskedFor(t *testing.T) {
	if !Inside() {
		Rerun(t, Machine{Modules: []string{"veth", "ip_vs", "ip_vs_rr"}})
		return
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		t.Fatal(err)
	}
	t.Logf("Linux %s", unix.ByteSliceToString(name.Release[:]))
	if _, err := os.Stat("/proc/net/ip_vs"); err != nil {
		t.Error("the kernel has no IPVS")
	}
	if cpu, err := os.ReadFile("/proc/cpuinfo"); err != nil || !strings.Contains(string(cpu), "User Mode Linux") {
		t.Errorf("this is another kernel: %s%v", cpu, err)
	}
	if !netns.Inside() {
		t.Error("it is no world")
	}
	h := netns.NewTestHost(t, "h", netns.HostConfig{})
	if _, err := h.ReadSysctl("net.ipv4.vs.sync_version"); err != nil {
		t.Errorf("a host does not have the settings of IPVS: %v", err)
	}
	if l, err := h.Listen("unix", t.TempDir()+"/s"); err != nil {
		t.Errorf("no socket among the temporary files: %v", err)
	} else {
		l.Close()
	}
}

// A test that fails, ends or hangs inside fails outside, with what it wrote.
func TestWhatFailsInAMachineFails(t *testing.T) {
	if Inside() {
		switch os.Getenv(wants) {
		case "fail":
			t.Error("as it should")
		case "end":
			os.Exit(3)
		}
		return
	}
	kernel := netns.Tool(t, "linux.uml", "user-mode-linux")
	for _, c := range []struct {
		does, wrote, err string
		patience         time.Duration
	}{
		{"fail", "as it should", "exit code 1", 0},
		{"end", "", "the machine ended before the test did", 0},
		{"hang", "", "not done after 1s", time.Second},
	} {
		t.Setenv(wants, c.does)
		m := Machine{Memory: 128, Patience: c.patience}
		out, err := m.run(kernel, t.TempDir(), "-test.v", "-test.run", "^"+t.Name()+"$")
		if !strings.Contains(out, c.wrote) || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v; it wrote %s", c.does, err, out)
		}
	}
	m := Machine{Modules: []string{"none"}}
	if _, err := m.run(kernel, t.TempDir()); err == nil {
		t.Error("a machine with a module that there is not runs")
	}
}
