package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// units are the units of docs/operations.md, by their names: that of lvsdr, and the
// one that cleans up, which the text has it require.
func units(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, doc, _ := strings.Cut(string(file), "\n## As a service\n")
	blocks := regexp.MustCompile("(?s)```ini\n(.*?)```").FindAllStringSubmatch(doc, -1)
	if len(blocks) < 2 {
		t.Fatalf("docs/operations.md has %d units", len(blocks))
	}
	unit := strings.Replace(blocks[0][1], "[Unit]\n", "[Unit]\nRequires=lvsdr-shield.service\nAfter=lvsdr-shield.service\n", 1)
	return map[string]string{"lvsdr.service": unit, "lvsdr-shield.service": blocks[1][1]}
}

// systemd takes the units of the document, without a word, and finds that the one of
// lvsdr gives away no more than the document says.
func TestSystemdTakesTheDocumentedUnits(t *testing.T) {
	t.Parallel()
	analyze := tool(t, "systemd-analyze", "systemd")
	dir := t.TempDir()
	var files []string
	for name, text := range units(t) {
		file := filepath.Join(dir, name)
		text = strings.ReplaceAll(text, "/usr/local/bin/lvsdr", binary()) // it looks whether that is there
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	verify := append([]string{"verify", "--man=no", "--recursive-errors=no"}, files...)
	if out, err := exec.Command(analyze, verify...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	const most = "20" // tenths
	if out, err := exec.Command(analyze, "security", "--offline=true", "--threshold="+most, filepath.Join(dir, "lvsdr.service")).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	for _, line := range []string{"NoNewPrivilegs=yes", "WatchdogSec=soon"} {
		bad := filepath.Join(dir, "bad.service")
		if err := os.WriteFile(bad, []byte(units(t)["lvsdr-shield.service"]+line+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if out, _ := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", bad).CombinedOutput(); len(out) == 0 {
			t.Errorf("systemd-analyze has nothing against %s: this test proves nothing", line)
		}
	}
}
