package site

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/control/health"
	"lvsdr/control/keepalived"
	"lvsdr/dataplane"
)

// heir is the State of another process that is told what s knows, as JSON, and reads cfg. It
// gives the notices of the file, too.
func heir(t tester, s *State, cfg *keepalived.Config) (*State, []Notice) {
	t.Helper()
	b, err := json.Marshal(s.Heritage())
	if err != nil {
		t.Fatal(err)
	}
	h := &Heritage{}
	if err := json.Unmarshal(b, h); err != nil {
		t.Fatal(err)
	}
	next, notices, err := New(s.options).Apply(Inherited{h, s.host})
	if err != nil || len(notices) > 0 {
		t.Fatalf("it is told %v, %v", notices, err)
	}
	next, notices, err = next.Apply(Loaded{Config: cfg, Host: s.host, At: s.now})
	if err != nil {
		t.Fatal(err)
	}
	return next, notices
}

// known is all that s says, as text. The order of services that share a server's checks
// and the like follow the file.
func known(s *State) string {
	return describe(s) + fmt.Sprintf("%+v", wishes(s)) + text(s.table) + owners(s.table)
}

// owners lists the owners of all services and servers of t.
func owners(t *Table) string {
	var b strings.Builder
	for s := range t.All() {
		fmt.Fprint(&b, serviceName(s.Config.Key), s.Owner)
		for _, r := range s.Servers {
			fmt.Fprint(&b, r.Config.Addr, r.Owner)
		}
	}
	return b.String()
}

// brief is the text of notices.
func brief(all []Notice) string {
	var b strings.Builder
	for i := range all {
		fmt.Fprintln(&b, all[i].Line(), all[i].Reason, all[i].ByFile, all[i].Command, all[i].Alert)
	}
	return b.String()
}

// A process that takes over with the same file knows what the one before knew, tells what a reload of it would tell,
// which is nothing as a rule, and goes on as that one would: whatever happened before, and whatever happens next.
func TestASuccessorGoesOnAsTheStateItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := newScene(t)
		content := func() string {
			return drawOthers(t) + drawWeb(t, rapid.SampledFrom([]string{"rr", "sh"}).Draw(t, "algorithm"), rapid.SampledFrom([]string{"", "weight 3", tcpCheck}).Draw(t, "11"))
		}
		sc.load(content())
		event := func() Event {
			if rapid.IntRange(0, 3).Draw(t, "by") == 0 {
				e := drawAdmin(t, func(Edit) bool { return false })
				if rapid.Bool().Draw(t, "drain") {
					e.Edits = append(e.Edits, Edit{Op: Drain, Service: config4(webKey, ""), Server: dataplane.ServerConfig{Addr: addr("192.168.1.12"), Port: 80}})
				}
				return e
			}
			return drawEvent(t, sc, hosts(), content, "")
		}
		for range rapid.IntRange(0, 10).Draw(t, "before") {
			sc.tryEvent(event())
		}
		cfg := sc.s.Config()
		other, notices := heir(t, sc.s, cfg)
		sc.s = wholly(sc.s)
		sc.do(Loaded{Config: cfg, Host: sc.s.host, At: sc.s.now})
		if got, want := known(other), known(sc.s); got != want || brief(notices) != brief(sc.notices) {
			t.Fatalf("it tells %s and knows\n%s\nwant %s\n%s", brief(notices), got, brief(sc.notices), want)
		}
		for range rapid.IntRange(0, 4).Draw(t, "after") {
			e := event()
			next, notices, err := other.Apply(e)
			_, wantErr := sc.try(e)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || brief(notices) != brief(sc.notices) || known(next) != known(sc.s) {
				t.Fatalf("after %+v: %v, %s\n%s\nwant %v, %s\n%s", e, err, brief(notices), known(next), wantErr, brief(sc.notices), known(sc.s))
			}
			other = next
		}
	})
}

// With another file it does what a reload of that file does; only what the old file would have had run for what it
// does not name any more is not known.
func TestASuccessorWithAnotherFileDoesWhatAReloadDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sc := newScene(t)
		content := func() string { return drawOthers(t) + drawWeb(t, "rr", tcpCheck) }
		sc.load(content())
		for range rapid.IntRange(0, 8).Draw(t, "before") {
			if rapid.IntRange(0, 3).Draw(t, "by") == 0 {
				sc.tryEvent(drawAdmin(t, func(Edit) bool { return false }))
			} else {
				sc.do(drawEvent(t, sc, hosts(), content, ""))
			}
		}
		cfg := config(t, content())
		other, notices := heir(t, sc.s, cfg)
		sc.do(Loaded{Config: cfg, Host: sc.s.host, At: sc.s.now})
		if got, want := known(other), known(sc.s); got != want {
			t.Fatalf("it knows\n%s\nwant\n%s", got, want)
		}
		if got, want := lines(notices), lines(sc.notices); !slices.Equal(got, want) {
			t.Fatalf("it tells\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}

// wholly is s, whose next reload looks at the whole file and not only at what has changed in it: a successor does, and
// so finds a quorum that was regained when the draining of a server was forgotten with its service.
func wholly(s *State) *State {
	next, p := *s, *s.plan
	p.foreign = true
	next.plan = &p
	return &next
}

// lines are those of notices.
func lines(all []Notice) (out []string) {
	for i := range all {
		out = append(out, all[i].Line())
	}
	return out
}

// What is told of a server that starts down, or is damped, is no start for the successor.
func TestASuccessorStartsNoServerDown(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11 alpha;"+tcpCheck, "12 "+tcpCheck))
	sc.check("192.168.1.11]", true)
	sc.check("192.168.1.12]", false)
	other, notices := heir(t, sc.s, sc.s.Config())
	v, _ := other.View(webKey)
	if len(notices) > 0 || !v.Servers[0].Up || v.Servers[1].Up || v.Servers[1].Reason == "" {
		t.Errorf("%v; %+v", notices, v.Servers)
	}
	next, notices, err := other.Apply(Checked{ID: other.Checks()[0].ID, Result: health.Result{Up: true}, Now: other.now})
	if err != nil || len(notices) > 0 || !next.table.equals(other.table) {
		t.Errorf("a good check of a server that is up tells %v, %v", notices, err)
	}
}

// equals reports whether t and o have the same content.
func (t *Table) equals(o *Table) bool { return reflect.DeepEqual(Diff(t, o), Diff(o, o)) }

// A build may not know a scheduler that another one has; its services are not taken over, and nothing breaks.
func TestASchedulerThatIsNotKnownIsLeftOut(t *testing.T) {
	sc := newScene(t)
	sc.load(web("11"))
	h := sc.s.Heritage()
	h.Table = slices.Clone(h.Table)
	h.Table[0].Config.Scheduler = "later"
	next, _, err := New(sc.s.options).Apply(Inherited{h, sc.s.host})
	if err != nil || next.table.Len() != 0 {
		t.Errorf("%v, %d services", err, next.table.Len())
	}
}
