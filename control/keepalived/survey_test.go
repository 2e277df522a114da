package keepalived

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// surveyed is the survey of a file "f", a line a word.
func surveyed(t *testing.T, files map[string]string) string {
	t.Helper()
	o := testOptions("")
	o.Files = memFiles(files)
	uses, err := Survey("f", o)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, u := range uses {
		fmt.Fprintf(&b, "%v:%d %s: %s", u.Pos, u.Column, u.Standing, strings.TrimSpace(u.Block+" "+u.Keyword))
		if u.Why != "" {
			fmt.Fprintf(&b, " (%s)", u.Why)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestSurvey(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"each kind of word", map[string]string{"f": "global_defs {\n    router_id a\n    process_name b\n\tlvs_sync_daemon eth0\n  router_idd c\n    lvs_id d\n}\n"},
			"f:1:1 used: global_defs\nf:2:5 used: global_defs router_id\nf:3:5 without effect: global_defs process_name\nf:4:2 used: global_defs lvs_sync_daemon\n" +
				"f:5:3 unknown: global_defs router_idd (did you mean router_id?)\nf:6:5 without effect: global_defs lvs_id (the line should go)\n"},
		{"words within a block that is not used", map[string]string{"f": "bfd_instance V {\n  min_rx 5\n  min_rxx 5\n}\n"},
			"f:1:1 not used yet: bfd_instance (" + noBFD + ")\nf:2:3 not used yet: bfd_instance min_rx\nf:3:3 unknown: bfd_instance min_rxx (did you mean min_rx?)\n"},
		{"words of a virtual router", map[string]string{"f": "vrrp_instance V {\n  interface eth0\n  virtual_ipaddress {\n    10.0.0.1\n  }\n  intrface eth1\n}\n"},
			"f:1:1 used: vrrp_instance\nf:2:3 used: vrrp_instance interface\nf:3:3 used: vrrp_instance virtual_ipaddress\nf:6:3 unknown: vrrp_instance intrface (did you mean interface?)\n"},
		{"a word that nothing is like", map[string]string{"f": "xyzzyxyzzy 1\n"}, "f:1:1 unknown: xyzzyxyzzy\n"},
		{"an included file", map[string]string{"f": "include g\n", "g": "\n  global_defs {\n}\n"}, "g:2:3 used: global_defs\n"},
		{"nested blocks", map[string]string{"f": "virtual_server 10.0.0.1 80 {\n  real_server 10.0.0.2 80 {\n    TCP_CHECK {\n      connect_timeout 3\n    }\n  }\n}\n"},
			"f:1:1 used: virtual_server\nf:2:3 used: virtual_server real_server\nf:3:5 used: virtual_server real_server TCP_CHECK\nf:4:7 used: virtual_server real_server TCP_CHECK connect_timeout\n"},
		{"a word out of a definition", map[string]string{"f": "$W=router_id\nglobal_defs {\n    $W x\n}\n"}, "f:2:1 used: global_defs\nf:3:5 used: global_defs router_id\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := surveyed(t, tt.files); got != tt.want {
				t.Errorf("\n%swant\n%s", got, tt.want)
			}
		})
	}
}

// The survey and the reports of Load agree: a word is unknown in both or in none.
func TestSurveyAgreesWithLoad(t *testing.T) {
	names, err := filepath.Glob("testdata/corpus/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("testdata/*.conf")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, more...) {
		uses, err := Survey(name, corpusOptions())
		_, ds, loadErr := Load(name, corpusOptions())
		if (err != nil) != (loadErr != nil) {
			t.Fatalf("%s: %v, and %v", name, err, loadErr)
		}
		unknown := map[string]bool{}
		for _, u := range uses {
			if u.Standing == Unknown {
				unknown[u.Pos.String()+u.Keyword] = true
			}
		}
		for _, d := range ds {
			if strings.Contains(d.Text, "unknown word in") || strings.Contains(d.Text, "belongs in") {
				if !unknown[d.Pos.String()+d.Keyword] {
					t.Errorf("%s: %v is not unknown in the survey", name, d)
				}
				delete(unknown, d.Pos.String()+d.Keyword)
			}
		}
		for at := range unknown {
			t.Errorf("%s: %s is unknown in the survey alone", name, at)
		}
	}
}

func TestSurveyOfAFileThatIsNotThere(t *testing.T) {
	o := testOptions("")
	o.Files = memFiles(nil)
	if _, err := Survey("f", o); err == nil {
		t.Error("no error")
	}
}
