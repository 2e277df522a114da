package netns

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// The program of every test binary is whole, whoever builds at the same time.
func TestProgramsForTestsAreBuiltOnce(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skipf("needs the go command: %v", err)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("GOCACHE", goEnv(t, "GOCACHE")) // follows XDG_CACHE_HOME otherwise
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(src, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(src, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("hello.go", "package main\n\nfunc main() { println(\"one\") }\n")
	var all sync.WaitGroup
	paths := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b"), filepath.Join(dir, "c")}
	for _, path := range paths[:2] {
		all.Go(func() {
			if err := buildProgram(path, filepath.Join(src, "hello.go")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	write("hello.go", "package main\n\nfunc main() { println(\"two\") }\n")
	if err := buildProgram(paths[2], filepath.Join(src, "hello.go")); err != nil {
		t.Error(err)
	}
	for i, want := range []string{"one\n", "one\n", "two\n"} {
		out, err := exec.Command(paths[i]).CombinedOutput()
		if err != nil || !bytes.Equal(out, []byte(want)) {
			t.Errorf("program %d says %q, %v, want %q", i, out, err, want)
		}
	}
	if err := buildProgram(filepath.Join(dir, "d"), "./no/such/package"); err == nil {
		t.Error("what is not there was built")
	}
}

// goEnv is a setting of the go command as it was before the test changed its
// environment.
func goEnv(t *testing.T, name string) string {
	t.Helper()
	cmd := exec.Command("go", "env", name)
	for _, v := range os.Environ() {
		if v != "XDG_CACHE_HOME="+os.Getenv("XDG_CACHE_HOME") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(out))
}

func TestAFolderForOthersIsNotBuiltIn(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	dir, unlock, err := lockBuilds()
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := lockBuilds(); err == nil {
		t.Errorf("%s is for all, and is built in", dir)
	}
}
