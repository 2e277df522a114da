package netns

import (
	"fmt"
	"os"
	"os/exec"
)

// Tool is the path of a program that a test needs, and that the Debian package pkg has.
// Without it the test is skipped or, when the environment has CI=true, fails; see Require.
func Tool(t T, name, pkg string) string {
	t.Helper()
	// Not all of these are in everybody's PATH.
	for _, file := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if path, err := exec.LookPath(file); err == nil {
			return path
		}
	}
	why := fmt.Sprintf("needs %s: apt-get install %s", name, pkg)
	if os.Getenv("CI") == "true" {
		t.Fatalf("CI=true and %s", why)
	}
	t.Skipf("%s", why)
	return ""
}
