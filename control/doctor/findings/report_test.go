package findings

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// names are the names of findings, from the source.
func names(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "names.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			name, err := strconv.Unquote(lit.Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, name)
		}
		return true
	})
	return all
}

func TestEveryFindingIsExplained(t *testing.T) {
	b, err := os.ReadFile("../../../docs/doctor.md")
	if err != nil {
		t.Fatal(err)
	}
	all := names(t)
	if len(all) < 30 {
		t.Fatalf("only %d names", len(all))
	}
	for i, name := range all {
		if !strings.Contains(string(b), "| `"+name+"` | ") {
			t.Errorf("docs/doctor.md does not explain %s", name)
		}
		if slices.Contains(all[:i], name) {
			t.Errorf("%s is there twice", name)
		}
	}
}

func TestSeveritiesAreReadAsTheyAreWritten(t *testing.T) {
	for s := Info; s <= Error; s++ {
		b, err := s.MarshalText()
		var back Severity
		if err != nil || back.UnmarshalText(b) != nil || back != s {
			t.Errorf("%v is written as %q and read as %v", s, b, back)
		}
	}
	var s Severity
	if s.UnmarshalText([]byte("fatal")) == nil {
		t.Error("a severity that is none is read")
	}
	if s = Error + 1; s.String() != "severity?" {
		t.Errorf("a severity out of range is called %q", s)
	}
}

func TestAReportHasTheWorstFirst(t *testing.T) {
	r := &Report{Place: "director", Findings: []Finding{}}
	if r.ExitCode() != ExitHealthy {
		t.Errorf("an empty report ends with %d", r.ExitCode())
	}
	r.Add("one", []Finding{{Name: "a"}, {Name: "b", Severity: Warning}})
	if r.ExitCode() != ExitWarning {
		t.Errorf("a warning ends with %d", r.ExitCode())
	}
	r.Add("two", nil)
	r.Add("three", []Finding{{Name: "c", Severity: Error}, {Name: "d", Severity: Warning}})
	r.Sort()
	var got []string
	for _, f := range r.Findings {
		got = append(got, f.Name)
	}
	if strings.Join(got, "") != "cbda" || r.ExitCode() != ExitError || strings.Join(r.Checks, " ") != "one two three" {
		t.Errorf("findings %v, exit code %d, checks %v", got, r.ExitCode(), r.Checks)
	}
}

func TestAReportAsText(t *testing.T) {
	r := &Report{Place: "director"}
	write := func() string {
		var b strings.Builder
		if err := r.WriteText(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got, want := write(), "\nhealthy: 0 errors, 0 warnings, 0 infos from 0 checks of this director\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	r.Add("title", []Finding{{Name: RSDown, Severity: Error, About: "rs", Text: "text", Evidence: []string{"a", "b"}, Remedy: "ip addr"}, {Name: MTU, About: "eth0", Text: "1500"}})
	want := "\nerror: rs-down: rs\n  text\n    seen: a\n    seen: b\n    fix:  ip addr\n" +
		"\ninfo: mtu: eth0\n  1500\n" +
		"\nnot healthy: 1 errors, 0 warnings, 1 infos from 1 checks of this director\n"
	if got := write(); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestProgressCountsWhatIsToBeFixed(t *testing.T) {
	for want, found := range map[string][]Finding{
		"ok       title\n":           {{Severity: Info}},
		"warning  title: 1 to fix\n": {{Severity: Info}, {Severity: Warning}},
		"error    title: 2 to fix\n": {{Severity: Error}, {Severity: Warning}},
	} {
		var b strings.Builder
		if WriteProgress(&b, "title", found); b.String() != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	}
}

// The names of JSON fields are a promise.
func TestAReportAsJSON(t *testing.T) {
	r := Report{Place: "director", Worst: Error, Checks: []string{"a"},
		Findings: []Finding{{Name: "n", Severity: Error, About: "x", Text: "t", Evidence: []string{"e"}, Remedy: "r"}, {Name: "m"}}}
	b, err := json.Marshal(r)
	want := `{"place":"director","worst":"error","checks":["a"],"findings":[` +
		`{"name":"n","severity":"error","about":"x","text":"t","evidence":["e"],"remedy":"r"},` +
		`{"name":"m","severity":"info","about":"","text":""}]}`
	if err != nil || string(b) != want {
		t.Errorf("%s, %v, want %s", b, err, want)
	}
}
