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
