package ladder

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane/frame"
)

// Where the kernel forwards nothing for the director, the candidates say what they need, and
// a note says why; nothing else changes.
func TestOffloadThatIsRefusedIsNoNumber(t *testing.T) {
	for _, reason := range []string{"", "load the BPF program: operation not permitted"} {
		l := Live{Lvsdr: "/lvsdr", Naive: []string{"x"}, Nft: "/nft", HAProxy: "/haproxy", Offload: reason}
		found := 0
		for _, r := range liveRungs(&l) {
			for _, c := range r.Candidates {
				want := ""
				if strings.HasPrefix(c.Name, "lvsdr, offload") {
					found++
					if reason != "" {
						want = "CAP_BPF"
					}
				}
				if c.Needs != want {
					t.Errorf("%s, %s needs %q, want %q", r.Name, c.Name, c.Needs, want)
				}
			}
		}
		if found < 8 {
			t.Errorf("offload is measured in %d rungs", found)
		}
		noted := slices.ContainsFunc(l.notes(), func(n string) bool { return strings.Contains(n, "offload") && strings.Contains(n, reason) })
		if noted != (reason != "") {
			t.Errorf("refused with %q: %q", reason, l.notes())
		}
	}
}

// A turn in which the kernel was to forward flows and forwarded none is no number; without
// offload nobody asks.
func TestATurnWithoutOffloadedFramesIsNoNumber(t *testing.T) {
	broken, refused := errors.New("broken"), errors.New("refused")
	count := func(n uint64, err error) func() (uint64, error) { return func() (uint64, error) { return n, err } }
	for law, c := range map[string]struct {
		measured  error
		offloaded func() (uint64, error)
		fails     bool
	}{
		"no offload":                  {nil, nil, false},
		"some frames":                 {nil, count(1, nil), false},
		"none":                        {nil, count(0, nil), true},
		"the director does not say":   {nil, count(0, refused), true},
		"the measurement went wrong":  {broken, count(1, nil), true},
		"it did, without any offload": {broken, nil, true},
	} {
		f := offloading(func(context.Context, *site, time.Duration) ([]float64, error) { return []float64{7}, c.measured })
		v, err := f(t.Context(), &site{offloaded: c.offloaded}, 0)
		if (err != nil) != c.fails || c.measured != nil && !errors.Is(err, c.measured) {
			t.Errorf("%s: %v", law, err)
		}
		if len(v) != 1 || v[0] != 7 {
			t.Errorf("%s: %v", law, v)
		}
	}
}

// The configuration of each method is one that lvsdr reads.
func TestConfigurationsOfTheLiveRungs(t *testing.T) {
	vip, server := netip.MustParseAddr("192.168.1.100"), netip.MustParseAddr("192.168.2.11")
	for _, kind := range []string{"DR", "TUN", "NAT"} {
		for _, proto := range []string{"TCP", "UDP"} {
			v := service{proto: proto, kind: kind}
			file := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(file, []byte(v.config(vip, server)), 0o600); err != nil {
				t.Fatal(err)
			}
			c, reports, err := keepalived.Load(file, keepalived.Options{Schedulers: []string{"wrr"}})
			if err != nil || reports.ExitCode() != 0 || len(c.VirtualServers) != 1 {
				t.Fatalf("%s %s: %v, %v", kind, proto, reports, err)
			}
			if got := c.VirtualServers[0].Method.String(); !strings.HasPrefix(got, kind) {
				t.Errorf("%s is read as %s", kind, got)
			}
		}
	}
}

// The map has one element for each flow of the flood, and no other.
func TestFlowMapHasTheFlowsOfTheFlood(t *testing.T) {
	client, mac := netip.MustParseAddr("192.168.1.50"), frame.MAC(netlab.MAC(netlab.RoleServer, 1))
	var all []string
	for _, command := range flowElements(client, netlab.MAC(netlab.RoleServer, 1)) {
		elements, begins := strings.CutPrefix(command, "add element netdev bench flows { ")
		elements, ends := strings.CutSuffix(elements, " }")
		some := strings.Split(elements, ",")
		if !begins || !ends || len(some) > flowsAtOnce {
			t.Fatalf("%d elements in %.80s", len(some), command)
		}
		all = append(all, some...)
	}
	if len(all) != smallFlows {
		t.Fatalf("%d elements", len(all))
	}
	for i, e := range all {
		if want := fmt.Sprintf("%s . %d : %s", client, 1024+i, mac); strings.TrimSpace(e) != want {
			t.Fatalf("element %d is %q, want %q", i, e, want)
		}
	}
}
