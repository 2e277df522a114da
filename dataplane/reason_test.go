package dataplane_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"lvsdr/dataplane"
)

var update = flag.Bool("update", false, "write the list of reasons into docs/operations.md")

// The list of reasons in the manual is made from the table.
func TestDocumentedReasons(t *testing.T) {
	const path, begin, end = "../docs/operations.md", "<!-- reasons:", "<!-- end of reasons -->"
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, found := strings.Cut(string(doc), begin)
	mark, rest, found2 := strings.Cut(rest, "\n")
	list, tail, found3 := strings.Cut(rest, end)
	if !found || !found2 || !found3 {
		t.Fatalf("%s has no place for the list", path)
	}
	var want strings.Builder
	want.WriteString("\n| reason | a frame |\n|---|---|\n")
	for r := range dataplane.Reasons() {
		fmt.Fprintf(&want, "| `%s` | %s |\n", r, r.Words())
	}
	want.WriteString("\n")
	switch {
	case list == want.String():
	case !*update:
		t.Errorf("the list of reasons in %s is not that of dataplane/reason.go; write it anew by -update", path)
	default:
		if err := os.WriteFile(path, []byte(head+begin+mark+"\n"+want.String()+end+tail), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Every reason has a name and a text of its own, and its texts are plain.
func TestReasonsHaveNamesAndTexts(t *testing.T) {
	names, texts := map[string]bool{"pending": true}, map[string]bool{}
	n := 0
	for r := range dataplane.Reasons() {
		n++
		name, text := r.String(), r.Words()
		if names[name] || texts[text] || name == "" || text == "" {
			t.Errorf("reason %d is %q, %q, as another is", r, name, text)
		}
		names[name], texts[text] = true, true
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") != "" {
			t.Errorf("%q is not in small letters", name)
		}
		for _, word := range []string{"begin", "nobody", "who ", "|"} {
			if strings.Contains(text, word) {
				t.Errorf("%s: %q has %q in it", name, text, word)
			}
		}
		if forwarded := strings.HasPrefix(text, "forwarded: "); forwarded != (r.Verdict() == dataplane.Forward) {
			t.Errorf("%s: %q, and its verdict is %s", name, text, r.Verdict())
		}
	}
	if n != dataplane.NumReasons-1 {
		t.Errorf("%d reasons, want all but pending of %d", n, dataplane.NumReasons)
	}
	beyond := dataplane.Reason(dataplane.NumReasons)
	if beyond.String() != "reason?" || beyond.Words() != "" || beyond.Verdict() != dataplane.Drop {
		t.Errorf("a reason there is not: %s, %q, %s", beyond, beyond.Words(), beyond.Verdict())
	}
	if some := slices.Collect(dataplane.Reasons()); some[0] != dataplane.Hit {
		t.Errorf("the first reason is %s", some[0])
	}
}
