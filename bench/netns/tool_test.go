package netns

import (
	"strings"
	"testing"
)

// A test that lacks a program is skipped and says which package has it; on a build machine
// it fails.
func TestATestThatLacksAProgramIsSkippedOrFails(t *testing.T) {
	need := func(name string) (path string, f fakeT) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			path = Tool(&f, name, "the-package")
		}()
		<-done
		return path, f
	}
	for _, c := range []struct{ name, ci, program, path, skipped, failed string }{
		{"one that is there", "true", "sh", "/sh", "", ""},
		{"one that is not", "", "no-such-program", "", "no-such-program: apt-get install the-package", ""},
		{"one that is not, on a build machine", "true", "no-such-program", "", "", "CI=true and %s"},
	} {
		t.Setenv("CI", c.ci)
		path, f := need(c.program)
		if !strings.HasSuffix(path, c.path) || (path == "") != (c.path == "") || !strings.HasSuffix(f.skipped, c.skipped) ||
			(f.skipped == "") != (c.skipped == "") || f.failed != c.failed {
			t.Errorf("%s: %q, %+v", c.name, path, f)
		}
	}
}
