package netns

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

func TestATestAloneHasANetworkOfItsOwn(t *testing.T) {
	home := os.Getenv(marker)
	netnsOf := func() string {
		ns, err := os.Readlink("/proc/self/ns/net")
		if err != nil {
			t.Fatal(err)
		}
		return ns
	}
	const parent = "NETNS_TEST_PARENT"
	if os.Getenv(parent) == "" {
		t.Setenv(parent, netnsOf()) // which forbids t.Parallel
	}
	if !Alone(serial{t}) {
		return
	}
	if ns := netnsOf(); !together() && (ns == os.Getenv(parent) || ns == home) {
		t.Errorf("the network is %s, which is that of others", ns)
	}
	all, err := net.Interfaces()
	if err != nil || len(all) != 1 || all[0].Flags&net.FlagUp == 0 {
		t.Errorf("%v, %v; want lo alone, up", all, err)
	}
}

// serial is a test that may call t.Setenv.
type serial struct{ *testing.T }

func (serial) Parallel() {}

// An outcome is the result of a test, as Alone tells it.
type outcome struct {
	*testing.T
	name, failed, skipped string
}

func (o *outcome) Name() string                 { return o.name }
func (o *outcome) Parallel()                    {}
func (o *outcome) Errorf(s string, args ...any) { o.failed = fmt.Sprintf(s, args...) }
func (o *outcome) Skipf(s string, args ...any)  { o.skipped = fmt.Sprintf(s, args...) }

func TestTheOutcomeOfATestAloneIsTold(t *testing.T) {
	Require(t)
	if together() {
		return
	}
	for name, want := range map[string]outcome{
		"TestAloneFails":      {failed: "for the sake of another test"},
		"TestAloneSkips":      {skipped: "a subtest is skipped"},
		"TestAloneIsNotThere": {failed: "no tests to run"},
		"TestAlonePasses":     {},
		"TestAloneInPart/a.b": {failed: "for the sake of another test"},
	} {
		got := outcome{T: t, name: name}
		if Alone(&got) {
			t.Fatalf("%s: it runs here", name)
		}
		for what, pair := range map[string][2]string{"failed": {got.failed, want.failed}, "skipped": {got.skipped, want.skipped}} {
			if (pair[0] == "") != (pair[1] == "") || !strings.Contains(pair[0], pair[1]) || strings.Contains(pair[0], "the other part runs") {
				t.Errorf("%s %s: %q, want %q", name, what, pair[0], pair[1])
			}
		}
	}
}

// The tests of which TestTheOutcomeOfATestAloneIsTold wants to be told.
func TestAlonePasses(*testing.T) {}

func TestAloneFails(t *testing.T) {
	if os.Getenv(alone) == t.Name() {
		t.Error("for the sake of another test")
	}
}

func TestAloneInPart(t *testing.T) {
	if os.Getenv(alone) == t.Name() {
		t.Error("the other part runs")
	}
	for _, name := range []string{"a.b", "aab"} {
		t.Run(name, func(t *testing.T) {
			switch os.Getenv(alone) {
			case t.Name():
				t.Error("for the sake of another test")
			case "TestAloneInPart/a.b":
				t.Error("the other part runs")
			}
		})
	}
}

func TestAloneSkips(t *testing.T) {
	if os.Getenv(alone) == t.Name() {
		t.Run("a part", func(t *testing.T) { t.Skip("a subtest is skipped") })
	}
}
