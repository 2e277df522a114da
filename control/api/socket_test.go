package api_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// A path given by mistake cost its file: whatever nobody listened on was removed.
func TestAFileThatIsNoSocketIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keepalived.conf")
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := api.Listen(path)
	if err == nil {
		l.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "not a socket") {
		t.Errorf("error %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
		t.Errorf("the file holds %q, %v", b, err)
	}
}
