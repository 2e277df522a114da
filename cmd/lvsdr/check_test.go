package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// check prints every word, and has the reports and the exit code of run -t.
func TestCheckPrintsEveryWord(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		code     int
		out, err string
	}{
		{"a good file", "global_defs {\n    router_id a\n    process_name b\n}\n", 0, "FILE:1:1: used: global_defs\nFILE:2:5: used: router_id in global_defs\nFILE:3:5: without effect: process_name in global_defs\nFILE: 0 virtual servers, 0 real servers\n", "FILE:3: note: process_name"},
		{"an unknown word", "global_defs {\n    router_idd a\n}\n", 5, "FILE:2:5: unknown: router_idd in global_defs; did you mean router_id?\n", "FILE:2: error: router_idd: unknown word in global_defs; did you mean router_id?"},
		{"a value is missing", "global_defs {\n    smtp_connect_timeout\n}\n", 2, "FILE:2:5: used: smtp_connect_timeout in global_defs\n", "a value is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "conf")
			if err := os.WriteFile(name, []byte(tt.in), 0o600); err != nil {
				t.Fatal(err)
			}
			r, same := verb(t, "check", name), verb(t, "run", "-t", "-c", name)
			out, errs := strings.ReplaceAll(r.stdout, name, "FILE"), strings.ReplaceAll(r.stderr, name, "FILE")
			if r.code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) {
				t.Errorf("exit code %d, want %d:\n%s%s", r.code, tt.code, out, errs)
			}
			if same.code != r.code || same.stderr != r.stderr {
				t.Errorf("run -t has exit code %d and says\n%s", same.code, same.stderr)
			}
			if few := verb(t, "check", "--unused", name); strings.Contains(few.stdout, ": used:") || few.code != tt.code {
				t.Errorf("with --unused:\n%s", few.stdout)
			}
		})
	}
	if r := verb(t, "check", filepath.Join(t.TempDir(), "none")); r.code != 1 || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("exit code %d of a file that is not there: %s", r.code, r.stderr)
	}
	if r := verb(t, "check"); r.code != 2 {
		t.Errorf("exit code %d without a file", r.code)
	}
}
