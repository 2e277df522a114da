package routing

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/keepalived"
)

// A fake is a kernel that has routes and rules by their keys.
type fake struct {
	has   []string // in the order in which they came
	calls int
	fail  string // what has this in it fails
}

func (f *fake) change(key string, add bool) error {
	f.calls++
	if f.fail != "" && strings.Contains(key, f.fail) {
		return errors.New("network is unreachable")
	}
	at := slices.Index(f.has, key)
	switch {
	case add && at < 0:
		f.has = append(f.has, key)
	case !add && at >= 0:
		f.has = slices.Delete(f.has, at, at+1)
	}
	return nil
}

func (f *fake) AddRoute(r *keepalived.Route) error { return f.change(r.Destination.String(), true) }

func (f *fake) RemoveRoute(r *keepalived.Route) error {
	return f.change(r.Destination.String(), false)
}

func (f *fake) AddRule(r *keepalived.Rule) error { return f.change(fmt.Sprint(r.Priority), true) }

func (f *fake) RemoveRule(r *keepalived.Rule) error { return f.change(fmt.Sprint(r.Priority), false) }

// read is the configuration of text.
func read(t *testing.T, text string) *keepalived.VRRP {
	t.Helper()
	cfg, ds, err := keepalived.Load("f", keepalived.Options{IPv6: true, Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
	}})
	if err != nil {
		t.Fatal(err, ds)
	}
	return &cfg.VRRP
}

// set are routes and rules from lines of a file.
func set(t *testing.T, routes, rules string) Set {
	t.Helper()
	lines := strings.NewReplacer("; ", "\n")
	v := read(t, "static_routes {\n"+lines.Replace(routes)+"\n}\nstatic_rules {\n"+lines.Replace(rules)+"\n}\n")
	return Set{v.StaticRoutes, v.StaticRules}
}

func TestWhatASetLeadsTo(t *testing.T) {
	a := set(t, "10.1.0.0/16 dev e0; 10.2.0.0/16 dev e0", "from 10.1.0.0/16 table 7 preference 3")
	b := set(t, "10.2.0.0/16 dev e0; 10.3.0.0/16 dev e0", "from 10.1.0.0/16 table 7 preference 4")
	loose := set(t, "10.1.0.0/16 dev e0 no_track", "from 10.1.0.0/16 table 7 preference 3 no_track")
	both := []string{"10.1.0.0/16", "10.2.0.0/16", "3"}
	for _, c := range []struct {
		law    string
		before []string // what the kernel has at first
		wishes []Wish
		lost   string // what somebody else removes before the last wish
		want   []string
	}{
		{"nothing is to be there", nil, []Wish{{}}, "", nil},
		{"what others made stays", []string{"10.9.0.0/16"}, []Wish{{Here: a}, {}}, "", []string{"10.9.0.0/16"}},
		{"routes come before rules", nil, []Wish{{Here: a}}, "", both},
		{"what is there already is no error", both, []Wish{{Here: a}}, "", both},
		{"at the start those of a backup are removed", both, []Wish{{Elsewhere: a}}, "", nil},
		{"a master becomes a backup", nil, []Wish{{Here: a}, {Elsewhere: a}}, "", nil},
		{"and master again", nil, []Wish{{Here: a}, {Elsewhere: a}, {Here: a}}, "", both},
		{"a file with others", nil, []Wish{{Here: a}, {Here: b}}, "", []string{"10.2.0.0/16", "10.3.0.0/16", "4"}},
		{"what one instance has and another has not is there", nil, []Wish{{Here: a, Elsewhere: b}}, "", both},
		{"a file without any", nil, []Wish{{Here: a}, {}}, "", nil},
		{"a route that somebody removes comes back", nil, []Wish{{Here: a}, {Here: a}}, "10.2.0.0/16", []string{"10.1.0.0/16", "3", "10.2.0.0/16"}},
		{"but not if it is not tracked", nil, []Wish{{Here: loose}, {Here: loose}}, "10.1.0.0/16", []string{"3"}},
		{"until the instance is master again", nil, []Wish{{Here: loose}, {Elsewhere: loose}, {Here: loose}}, "10.1.0.0/16", []string{"10.1.0.0/16", "3"}},
	} {
		t.Run(c.law, func(t *testing.T) {
			f := &fake{has: slices.Clone(c.before)}
			r := New(f)
			for k, w := range c.wishes {
				if k == len(c.wishes)-1 && c.lost != "" {
					f.has = slices.DeleteFunc(f.has, func(s string) bool { return s == c.lost })
				}
				if err := r.Set(w); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(f.has, c.want) {
				t.Errorf("the kernel has %v, want %v", f.has, c.want)
			}
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
			if len(f.has) > 0 && !slices.Equal(f.has, []string{"10.9.0.0/16"}) {
				t.Errorf("after the end the kernel has %v", f.has)
			}
		})
	}
}

// What a backup does not have is removed once: it may be that of another program afterwards.
func TestABackupRemovesItsRoutesOnce(t *testing.T) {
	a := set(t, "10.1.0.0/16 dev e0", "from 10.1.0.0/16 table 7 preference 3")
	f := &fake{}
	r := New(f)
	for range 5 {
		if err := r.Set(Wish{Elsewhere: a}); err != nil {
			t.Fatal(err)
		}
	}
	if f.calls != 2 {
		t.Errorf("%d calls, want one for the route and one for the rule", f.calls)
	}
}

// An item that fails is told of with its place in the file, keeps no other from its place, and is tried again.
func TestAnItemThatFailsKeepsNoOtherFromItsPlace(t *testing.T) {
	a := set(t, "10.1.0.0/16 dev e0; 10.2.0.0/16 dev e0", "from 10.1.0.0/16 table 7 preference 3")
	f := &fake{fail: "10.1"}
	r := New(f)
	err := r.Set(Wish{Here: a})
	if err == nil || err.Error() != "f:2: route 10.1.0.0/16: set it: network is unreachable" {
		t.Errorf("error %v", err)
	}
	if want := []string{"10.2.0.0/16", "3"}; !slices.Equal(f.has, want) {
		t.Errorf("the kernel has %v, want %v", f.has, want)
	}
	f.fail = ""
	if err := r.Set(Wish{Here: a}); err != nil || len(f.has) != 3 {
		t.Errorf("again: %v, the kernel has %v", err, f.has)
	}
	f.fail = "10.2"
	if err := r.Set(Wish{}); err == nil || !strings.Contains(err.Error(), "f:3: route 10.2.0.0/16: remove it: ") || !slices.Equal(f.has, []string{"10.2.0.0/16"}) {
		t.Errorf("removing: %v, the kernel has %v", err, f.has)
	}
	f.fail = ""
	if err := r.Set(Wish{}); err != nil || len(f.has) != 0 {
		t.Errorf("removing again: %v, the kernel has %v", err, f.has)
	}
}

// Whatever is wished and whatever fails, in the end the kernel has what the last wish says, and what others made.
func TestAfterAnyWishesTheKernelHasTheLastOne(t *testing.T) {
	var all []Set
	for k := range 6 {
		all = append(all, set(t, fmt.Sprintf("10.%d.0.0/16 dev e0; 10.%d.0.0/16 dev e0", k, k+1), fmt.Sprintf("from 10.1.0.0/16 table 7 preference %d", k+1)))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		f := &fake{has: []string{"172.16.0.0/12"}}
		r := New(f)
		var w Wish
		for range random.IntN(8) + 1 {
			w = Wish{}
			for _, s := range all {
				switch random.IntN(3) {
				case 0:
					w.Here.Routes, w.Here.Rules = append(w.Here.Routes, s.Routes...), append(w.Here.Rules, s.Rules...)
				case 1:
					w.Elsewhere.Routes, w.Elsewhere.Rules = append(w.Elsewhere.Routes, s.Routes...), append(w.Elsewhere.Rules, s.Rules...)
				}
			}
			f.fail = []string{"", "", "10.3", "5"}[random.IntN(4)]
			_ = r.Set(w) // some fail
		}
		f.fail = ""
		if err := r.Set(w); err != nil {
			t.Fatal(err)
		}
		want := []string{"172.16.0.0/12"}
		for _, x := range w.Here.Routes {
			want = append(want, x.Destination.String())
		}
		for _, x := range w.Here.Rules {
			want = append(want, fmt.Sprint(x.Priority))
		}
		slices.Sort(want)
		want = slices.Compact(want)
		slices.Sort(f.has)
		if !slices.Equal(f.has, want) {
			t.Fatalf("the kernel has %v, want %v", f.has, want)
		}
	}
}
