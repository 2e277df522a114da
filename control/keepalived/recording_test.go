package keepalived

import (
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
)

// A configuration that is read from its recording is the same, with the same reports:
// with includes, patterns, files that are not there and lines for other hosts.
func TestARecordingIsReadAsWhatWasRecorded(t *testing.T) {
	const server = "virtual_server 192.0.2.1 80 {\n lb_kind DR\n protocol TCP\n real_server 10.0.0.1 80 {\n weight 3\n }\n}\n"
	for _, c := range []struct {
		law   string
		files map[string]string
	}{
		{"one file", map[string]string{"f": server}},
		{"an included file", map[string]string{"f": "include d/a.conf\n", "d/a.conf": server}},
		{"a pattern", map[string]string{"f": "include d/*.conf\n", "d/a.conf": server, "d/b.conf": strings.ReplaceAll(server, "192.0.2.1", "192.0.2.2"), "d/c.txt": "nonsense"}},
		{"an include of an include", map[string]string{"f": "include a\n", "a": "include b\n", "b": server}},
		{"a file that is not there", map[string]string{"f": "include nowhere\n" + server}},
		{"a pattern without a match", map[string]string{"f": "include *.nothing\n" + server}},
		{"another host's line", map[string]string{"f": "@other include nowhere\n@main include a\n", "a": server}},
		{"mistakes", map[string]string{"f": server + "virtual_server {\n nonsense\n"}},
		{"an empty file", map[string]string{"f": ""}},
	} {
		o := testOptions("")
		o.Files = memFiles(c.files)
		want, found, err := Load("f", o)
		var r Recording
		o.Files = r.Over(memFiles(c.files))
		got, again, recErr := Load("f", o)
		if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(again, found) || (recErr == nil) != (err == nil) {
			t.Errorf("%s: recording changes what is read", c.law)
		}
		o.Files = r.Replay()
		got, again, recErr = Load("f", o)
		if !reflect.DeepEqual(got, want) || (recErr == nil) != (err == nil) {
			t.Errorf("%s: another configuration: %v", c.law, recErr)
		}
		if len(again) != len(found) {
			t.Errorf("%s: reports %v, want %v", c.law, again, found)
		}
		for name := range r.Files {
			if _, ok := c.files[name]; !ok || r.Files[name] != c.files[name] {
				t.Errorf("%s: %s is recorded as %q", c.law, name, r.Files[name])
			}
		}
		if _, read := r.Files["d/c.txt"]; read {
			t.Errorf("%s: a file is recorded that was not read", c.law)
		}
	}
}

// Without files of their own, options read those of the host.
func TestARecordingIsOfTheHostsFiles(t *testing.T) {
	name := t.TempDir() + "/f"
	if err := os.WriteFile(name, []byte("global_defs {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var r Recording
	if _, _, err := Load(name, Options{Files: r.Over(Files{})}); err != nil || r.Files[name] != "global_defs {\n}\n" {
		t.Errorf("%v, %q", err, r.Files)
	}
	if _, err := r.Replay().Open(name + "x"); !os.IsNotExist(err) {
		t.Errorf("a file that was not recorded: %v", err)
	}
	if f, err := r.Replay().Open(name); err != nil {
		t.Error(err)
	} else if text, err := io.ReadAll(f); err != nil || string(text) != r.Files[name] {
		t.Errorf("%s, %v", text, err)
	}
}
