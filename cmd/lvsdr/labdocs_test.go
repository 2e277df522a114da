package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"lvsdr/bench/fault"
)

func TestTheLabsDocNamesEveryFaultAndEveryFlag(t *testing.T) {
	doc := readDoc(t, "docs/lab.md")
	for _, f := range fault.All() {
		if !strings.Contains(doc, "| `"+f.Name+"` | "+f.Summary) {
			t.Errorf("docs/lab.md does not say what %s is", f.Name)
		}
	}
	newLabBreak().Flags().VisitAll(func(f *pflag.Flag) {
		if !strings.Contains(doc, "--"+f.Name) {
			t.Errorf("docs/lab.md does not name --%s", f.Name)
		}
	})
}

// The topology file of the document is one.
func TestTheDocsTopologyIsGood(t *testing.T) {
	_, rest, ok := strings.Cut(readDoc(t, "docs/lab.md"), "```\n# ")
	text, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("no topology in docs/lab.md")
	}
	s := newLabSpec()
	if err := s.read("docs/lab.md", strings.NewReader("# "+text)); err != nil {
		t.Fatal(err)
	}
	if err := s.check(); err != nil || s.clients != 2 || len(s.weights) != 3 {
		t.Errorf("%v, %+v", err, s)
	}
}
