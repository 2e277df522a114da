package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What is printed is a part of a configuration, and what is not in it has a line number.
func TestImportMarks(t *testing.T) {
	const good = "*mangle\n-A PREROUTING -d 192.0.2.1/32 -p tcp -m multiport --dports 80,443 -j MARK --set-mark 7\nCOMMIT\n"
	for _, tt := range []struct {
		name, in string
		code     int
		out, err string
	}{
		{"all is said", good, 0, "global_defs {\n    # RULES:2\n    lvsdr_mark 7 192.0.2.1 80 tcp\n    lvsdr_mark 7 192.0.2.1 443 tcp\n}\n", "RULES: 2 lines, 0 rules not said, 0 rules that set no mark\n"},
		{"something is not said", good + "*mangle\n-A PREROUTING -i eth0 -j MARK --set-mark 8\n", 3, "lvsdr_mark 7 192.0.2.1 443 tcp", "RULES:5: not said: -i eth0: lines look at address, port and protocol alone\n"},
		{"no marks", "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority 0; policy drop;\n\t\ttcp dport 22 accept\n\t}\n}\n", 0, "", "RULES: 0 lines, 0 rules not said, 1 rules that set no mark\n"},
		{"no rule set", "hello\n", 1, "", "RULES: neither the text of nft list ruleset nor of iptables-save"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "rules")
			if err := os.WriteFile(name, []byte(tt.in), 0o600); err != nil {
				t.Fatal(err)
			}
			r := verb(t, "import-marks", name)
			out, errs := strings.ReplaceAll(r.stdout, name, "RULES"), strings.ReplaceAll(r.stderr, name, "RULES")
			if r.code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(errs, tt.err) || tt.out == "" && out != "" {
				t.Errorf("exit code %d, want %d:\n%s%s", r.code, tt.code, out, errs)
			}
		})
	}
	if r := verb(t, "import-marks", filepath.Join(t.TempDir(), "none")); r.code != 1 {
		t.Errorf("exit code %d of a file that is not there: %s", r.code, r.stderr)
	}
	if r := verb(t, "import-marks"); r.code != 2 {
		t.Errorf("exit code %d without a file: %s", r.code, r.stderr)
	}
}
