package fault_test

import (
	"context"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/fault"
	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	_ "lvsdr/control" // what the program under test is made of: a result is not reused when it changes
)

// binaryEnv names the lvsdr that directs. Where it is not set TestMain builds
// it.
const binaryEnv = "LVSDR_E2E_BINARY"

func TestMain(m *testing.M) { os.Exit(netns.RunTestsWith(m, binaryEnv, "lvsdr/cmd/lvsdr")) }

const port = 8080

// newScene is a site that works, until the test ends.
func newScene(t *testing.T, spec netlab.Spec) *fault.Scene {
	t.Helper()
	netns.Require(t)
	lab, err := netlab.Build(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	s := &fault.Scene{Lab: lab, Port: port, Binary: os.Getenv(binaryEnv)}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the scene: %v", err)
		}
		if s.Director != nil {
			if err := s.Director.Stop(); err != nil {
				t.Errorf("the director ended badly: %v; it wrote:\n%s", err, s.Director.Log.String())
			}
		}
		if err := lab.Close(); err != nil {
			t.Errorf("close the lab: %v", err)
		}
	})
	if err := lab.StartHTTP(port); err != nil {
		t.Fatal(err)
	}
	s.Config = lab.Config(netlab.Service{Port: port, Persistence: "0"})
	// The test's own context ends before its clean-ups begin.
	s.Director, err = lab.StartDirector(context.WithoutCancel(t.Context()), s.Binary, s.Config, netlab.SmallTable)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// look wants evidence.
func look(t *testing.T, o *fault.Observer, patience time.Duration) *fault.Evidence {
	t.Helper()
	e, err := o.Look(t.Context(), patience)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Every fault befalls a site that serves, on which its symptom does not show,
// and shows it afterwards.
func TestEveryFaultShowsItsSymptomAndOnlyAfterIt(t *testing.T) {
	v6 := netip.MustParsePrefix("fd00:1::/64")
	shapes := map[string]netlab.Spec{"flat": {}, "ipv6 both": {Net: v6, Routed: true, TwoArmed: true}} // one, and what is least like it
	if long() {
		shapes["NAT"], shapes["NAT, routed"], shapes["NAT, ipv6"] = netlab.Spec{Method: netlab.NAT}, netlab.Spec{Method: netlab.NAT, Routed: true}, netlab.Spec{Method: netlab.NAT, Net: v6}
		shapes["TUN"], shapes["GUE, routed"], shapes["TUN, ipv6"] = netlab.Spec{Method: netlab.TUN}, netlab.Spec{Method: netlab.TUN, Tunnel: "gue", Routed: true}, netlab.Spec{Method: netlab.TUN, Net: v6}
		shapes["routed"], shapes["two-armed"] = netlab.Spec{Routed: true}, netlab.Spec{TwoArmed: true}
		shapes["both"], shapes["ipv6"] = netlab.Spec{Routed: true, TwoArmed: true}, netlab.Spec{Net: v6}
	}
	for i, f := range fault.All() {
		for shape, spec := range shapes {
			turn := "flat" // the only one in the plain run: by turns, where there is a choice
			if i%2 == 1 && f.Fits(shapes["ipv6 both"]) == nil && !testing.Short() {
				turn = "ipv6 both"
			}
			if f.Fits(spec) == nil && (shape == turn || long()) {
				t.Run(shape+" "+f.Name, func(t *testing.T) { t.Parallel(); befall(t, f, spec) })
			}
		}
	}
}

// long reports whether tests may take long, as in a step of its own of .ci/run.
func long() bool { return os.Getenv("LVSDR_LONG") != "" }

func befall(t *testing.T, f fault.Fault, spec netlab.Spec) {
	s := newScene(t, spec)
	o, err := fault.Observe(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	before := look(t, o, fault.Long)
	if !before.Serves() {
		t.Fatalf("the lab does not serve: small %v, large %v, kept %v, direct %v", before.Small, before.Large, before.Kept, before.Direct)
	}
	for _, any := range fault.All() {
		if found := any.Shows(before); found.Shown {
			t.Errorf("%s shows on a site that works: %s", any.Name, found.Text)
		}
	}
	if err := f.Break(context.WithoutCancel(t.Context()), s); err != nil {
		t.Fatal(err)
	}
	after := look(t, o, fault.Short)
	found := f.Shows(after)
	if !found.Shown || len(found.Packets) == 0 {
		t.Errorf("not shown: %s\nsmall %v, large %v, kept %v, direct %v", found.Text, after.Small, after.Large, after.Kept, after.Direct)
	}
	t.Log(found.Text)
}

func TestFaultsThatCannotBeSaySo(t *testing.T) {
	for name, spec := range map[string]netlab.Spec{
		"rp-filter":      {Net: netip.MustParsePrefix("fd00:1::/64")},
		"rs-answers-arp": {TwoArmed: true},
		"rs-wrong-port":  {Method: netlab.NAT},
	} {
		f, err := fault.Find(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Fits(spec); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if err := f.Fits(netlab.Spec{}); err != nil {
			t.Error(err)
		}
	}
}

func TestFaultsAreDescribed(t *testing.T) {
	kebab := regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)
	seen := map[string]bool{}
	for _, f := range fault.All() {
		if !kebab.MatchString(f.Name) || seen[f.Name] {
			t.Errorf("%q is no name, or not one of its own", f.Name)
		}
		seen[f.Name] = true
		if f.Summary == "" || strings.ContainsAny(f.Summary, "\n.") || len(f.Summary) > 80 {
			t.Errorf("%s: summary %q", f.Name, f.Summary)
		}
		for _, line := range strings.Split(f.Explain, "\n") {
			if line == "" || len(line) > 82 {
				t.Errorf("%s: line %q", f.Name, line)
			}
		}
		if got, err := fault.Find(f.Name); err != nil || got.Name != f.Name {
			t.Errorf("find %s: %q, %v", f.Name, got.Name, err)
		}
	}
	if len(seen) != 13 {
		t.Errorf("%d faults, want 13", len(seen))
	}
	if _, err := fault.Find("none"); err == nil || !strings.Contains(err.Error(), "rs-wrong-port") {
		t.Errorf("a name that does not exist: %v", err)
	}
}
