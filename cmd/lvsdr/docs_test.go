package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"lvsdr/arp"
	"lvsdr/dataplane"
	"lvsdr/scheduler"
)

func readDoc(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(moduleRoot, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestEveryReasonIsExplained(t *testing.T) {
	doc := readDoc(t, "docs/operations.md")
	for r := dataplane.Hit; int(r) < dataplane.NumReasons; r++ {
		if !strings.Contains(doc, "| `"+r.String()+"` | "+r.Words()+" |\n") || r.Words() == "" {
			t.Errorf("docs/operations.md does not explain the reason %s", r)
		}
	}
}

// What the ARP side counts and logs is explained too.
func TestEveryARPCounterAndEventIsExplained(t *testing.T) {
	doc := readDoc(t, "docs/operations.md")
	for name, text := range arp.Counters() {
		if !strings.Contains(doc, "| `"+name+"` | "+text+" |\n") {
			t.Errorf("docs/operations.md does not explain the ARP counter %s", name)
		}
	}
	for e := arp.TakeoverAttempt; e <= arp.RealServerLost; e++ {
		if !strings.Contains(doc, "`"+e.String()+"`") {
			t.Errorf("docs/operations.md does not explain the event %s", e)
		}
	}
}

func TestTheReadmeNamesTheSchedulersThereAre(t *testing.T) {
	if want := "| schedulers | " + strings.Join(scheduler.Names(), ", ") + " |"; !strings.Contains(readDoc(t, "README.md"), want) {
		t.Errorf("README.md has no line %q", want)
	}
}

func TestLinksInTheDocsLeadSomewhere(t *testing.T) {
	docs, err := filepath.Glob(filepath.Join(moduleRoot, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, filepath.Join(moduleRoot, "README.md")) {
		b, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(b), "](")[1:] {
			link, _, _ := strings.Cut(part, ")")
			if strings.Contains(link, "://") {
				continue
			}
			file, heading, _ := strings.Cut(link, "#")
			target := doc
			if file != "" {
				target = filepath.Join(filepath.Dir(doc), file)
			}
			text, err := os.ReadFile(target)
			if err != nil {
				t.Errorf("%s: link to %s: %v", doc, link, err)
			} else if heading != "" && !slices.Contains(anchors(string(text)), heading) {
				t.Errorf("%s: link to %s: there is no such heading", doc, link)
			}
		}
	}
}

// anchors are the names by which the headings of a document can be linked to, as
// GitHub makes them: lower case, blanks to dashes, no punctuation.
func anchors(text string) (all []string) {
	for _, line := range strings.Split(text, "\n") {
		title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, title))
	}
	return all
}
