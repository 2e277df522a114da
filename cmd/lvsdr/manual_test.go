package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

// The Debian package is made with this flag: see .ci/package.
var manual = flag.String("manual", "", "write man pages and completions to this `FOLDER`")

// The man pages, made of the command tree, hold every command and every flag with its text.
func TestTheManPagesHoldEveryCommandAndFlag(t *testing.T) {
	dir := *manual
	if dir == "" {
		dir = t.TempDir()
	}
	t.Setenv(socketVariable, "") // they are about the defaults
	t.Setenv(configVariable, "")
	root := newRoot()
	date := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // the same sources give the same pages
	root.DisableAutoGenTag = true
	header := &doc.GenManHeader{Section: "8", Source: "lvsdr " + release, Manual: "lvsdr", Date: &date}
	if err := doc.GenManTree(root, header, dir); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		pages++
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".8"
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		page := strings.ReplaceAll(string(b), `\`, "")
		if !strings.Contains(page, cmd.Short) || !strings.HasPrefix(page, ".nh") {
			t.Errorf("%s does not say %q", name, cmd.Short)
		}
		cmd.NonInheritedFlags().VisitAll(func(f *pflag.Flag) {
			_, usage := pflag.UnquoteUsage(f)
			if first, _, _ := strings.Cut(f.Usage, "`"); !strings.Contains(page, "--"+f.Name) || !strings.Contains(page, strings.TrimSpace(first)) {
				t.Errorf("%s lacks --%s: %s", name, f.Name, usage)
			}
		})
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				visit(c)
				if see := strings.ReplaceAll(c.CommandPath(), " ", "-"); !strings.Contains(page, see+"(8)") {
					t.Errorf("%s does not lead to %s", name, see)
				}
			}
		}
	}
	visit(root)
	if written, err := filepath.Glob(filepath.Join(dir, "*.8")); err != nil || len(written) != pages || pages < 25 {
		t.Errorf("%d pages of %d commands, %v", len(written), pages, err)
	}
	if err := errors.Join(root.GenBashCompletionFileV2(filepath.Join(dir, "lvsdr.bash"), true), root.GenZshCompletionFile(filepath.Join(dir, "_lvsdr")),
		root.GenFishCompletionFile(filepath.Join(dir, "lvsdr.fish"), true)); err != nil {
		t.Error(err)
	}
}
