package netlab

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Commands that are given the files of a site find its configuration, whether
// its director runs or not, and never the director of the machine.
func TestTheFilesOfASiteAreItsOwn(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s := &Site{Text: "virtual_server 192.168.1.100 8080 {\n}\n"}
	socket, config, release, err := s.Files()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(config); err != nil || string(b) != s.Text {
		t.Errorf("without a director: %q, %v", b, err)
	}
	if filepath.Dir(socket) != filepath.Dir(config) || filepath.Dir(filepath.Dir(config)) != os.TempDir() {
		t.Errorf("without a director: the socket is %s, the configuration %s", socket, config)
	}
	if err := release(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(config); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after release: %v", err)
	}

	s.Running = &Director{Socket: "/there/socket", config: "/there/configuration"}
	socket, config, release, err = s.Files()
	if err != nil || socket != "/there/socket" || config != "/there/configuration" {
		t.Errorf("with a director: %s, %s, %v", socket, config, err)
	}
	if err := release(); err != nil {
		t.Errorf("the director's files are its own: %v", err)
	}

	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "none"))
	if _, _, _, err := (&Site{}).Files(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a folder for temporary files: %v", err)
	}
}
