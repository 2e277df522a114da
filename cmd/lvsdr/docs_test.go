package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/control/keepalived"
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

// The configuration of the README loads without a word to say but notes.
func TestTheReadmesConfigurationIsGood(t *testing.T) {
	doc := readDoc(t, "README.md")
	_, rest, ok := strings.Cut(doc, "```\nvirtual_server")
	text, _, ok2 := strings.Cut(rest, "```")
	if !ok || !ok2 {
		t.Fatal("no configuration in the README")
	}
	file := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(file, []byte("virtual_server"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, found, err := keepalived.Load(file, keepalived.Options{Schedulers: scheduler.Names()})
	if err != nil || found.ExitCode() != keepalived.ExitOK {
		t.Fatalf("%v, %v", err, found)
	}
	if n := len(cfg.VirtualServers[0].RealServers); n != 2 {
		t.Errorf("%d real servers, want 2", n)
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
			if strings.Contains(link, "://") || strings.HasPrefix(link, "#") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), link)); err != nil {
				t.Errorf("%s: link to %s: %v", doc, link, err)
			}
		}
	}
}
