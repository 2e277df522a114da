package netlab

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestATopologyFileSaysWhatFlagsSay(t *testing.T) {
	s := NewTopology()
	if err := s.flags.Parse([]string{"--mtu", "1400"}); err != nil {
		t.Fatal(err)
	}
	text := "# a site\nclients 2\n\n  weights  5,0,1 # three servers\ntwo-armed\nrouted false\nmtu 9000\nscheduler rr"
	if err := s.read("site", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	if err := s.check(); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%v %v %v %v %v %v %v %v", s.Clients, s.Servers, s.Weights, s.TwoArmed, s.Routed, s.IPv6, s.MTU, s.Scheduler)
	if want := "2 3 [5 0 1] true false false 1400 rr"; got != want {
		t.Errorf("%s, want %s: a flag of the command line overrides the file", got, want)
	}
}

func TestErrorsInATopologyFileNameFileLineAndWord(t *testing.T) {
	for text, want := range map[string]string{
		"clients 2\nserver 3":         `site:2: "server": no such word; there are clients, `,
		"directors":                   `site:1: "directors": no value`,
		"mtu":                         `site:1: "mtu": no value`,
		"\n\nmtu 1400 bytes":          `site:3: "bytes": one word too many`,
		"mtu big":                     `site:1: "big": not a value of mtu: `,
		"two-armed perhaps":           `site:1: "perhaps": not a value of two-armed: `,
		"mtu 1400\n#\nmtu 1400":       `site:3: "mtu": given before, in line 1`,
		"topology other":              `site:1: "topology": no such word`,
		"weights 1,x":                 `site:1: "1,x": not a value of weights: `,
		strings.Repeat("x", 1<<13):    `site:1: `,
		"--clients 2":                 `site:1: "--clients": no such word`,
		"clients 1\nrouted\nrouted 1": `site:3: "routed": given before, in line 2`,
	} {
		if err := NewTopology().read("site", strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", text, err, want)
		}
	}
}

func TestWeightsAndServersGoTogether(t *testing.T) {
	for _, c := range []struct {
		args string
		want []int // nil: refused
	}{
		{"", []int{3, 2, 1}},
		{"--servers 3", []int{3, 2, 1}},
		{"--servers 2", []int{1, 1}},
		{"--weights 4,0", []int{4, 0}},
		{"--weights 4,0 --servers 2", []int{4, 0}},
		{"--weights 4,0 --servers 3", nil},
		{"--weights 0,0", nil},
		{"--weights -1,2", nil},
		{"--weights 65536", nil},
		{"--servers 0", nil},
		{"--servers 40", nil},
		{"--servers 1000000000", nil},
		{"--clients 0", nil},
		{"--directors 0", nil},
		{"--directors 1", []int{3, 2, 1}},
		{"--directors 2", []int{3, 2, 1}},
		{"--directors 3", nil},
		{"--directors 2 --servers 39", nil},
		{"--clients 51", nil},
		{"--mtu 575", nil},
		{"--mtu 1000 --ipv6", nil},
		{"--mtu 1000", []int{3, 2, 1}},
		{"--scheduler best", nil},
		{"--persistence -1", nil},
		{"--persistence 2678401", nil},
		{"--persistence 2678400", []int{3, 2, 1}},
	} {
		s := NewTopology()
		if err := s.flags.Parse(strings.Fields(c.args)); err != nil {
			t.Fatal(err)
		}
		err := s.check()
		if c.want == nil && err == nil {
			t.Errorf("%q: accepted with weights %v", c.args, s.Weights)
		}
		if c.want != nil && (err != nil || !reflect.DeepEqual(s.Weights, c.want)) {
			t.Errorf("%q: weights %v, %v, want %v", c.args, s.Weights, err, c.want)
		}
	}
}

func TestATopologyFileMayNameAPair(t *testing.T) {
	s := NewTopology()
	if err := s.read("site", strings.NewReader("directors 2\nservers 1\nrouted\n")); err != nil {
		t.Fatal(err)
	}
	if err := s.check(); err != nil || s.Spec().Directors != 2 {
		t.Errorf("%v, %+v", err, s.Spec())
	}
	if got := strings.Join(s.Hosts(), " "); got != "client director director2 rs1 router" {
		t.Errorf("the hosts are %s", got)
	}
	if got := strings.Join(s.Given(), " "); !strings.Contains(got, "--directors") {
		t.Errorf("given: %s", got)
	}
}

// Whatever a file holds is refused by an error that names a line of it, or makes
// a shape that a lab can be checked against.
func FuzzTopology(f *testing.F) {
	f.Add("clients 2\nweights 3,2\ntwo-armed\n")
	f.Add("mtu 1400 # small\nrouted false\nipv6 1")
	f.Add("servers 1000000000")
	f.Fuzz(func(t *testing.T, text string) {
		s := NewTopology()
		if err := s.read("site", strings.NewReader(text)); err != nil {
			line := 0
			if n, _ := fmt.Sscanf(err.Error(), "site:%d:", &line); n != 1 || line < 1 || line > strings.Count(text, "\n")+1 {
				t.Fatalf("%v", err)
			}
			return
		}
		if s.check() != nil {
			return
		}
		if spec := s.Spec(); len(spec.Servers) != s.Servers || spec.Clients != s.Clients || spec.Check() != nil {
			t.Fatalf("%+v", spec)
		}
	})
}
