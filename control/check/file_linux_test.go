package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/control/ask"
	"lvsdr/control/health"
)

func add(n int) health.Weight { return health.Weight{Kind: health.AddWeight, N: n} }

func TestFileProbe(t *testing.T) {
	dir := t.TempDir()
	must(t, unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "plain"), nil, 0o600))
	for _, c := range []struct {
		name, text string // the text is in the file "f"
		ask        ask.File
		outcome    Outcome
		weight     health.Weight
		err        string
	}{
		{"a number", "3\n", ask.File{Path: "f", Weight: 2}, Good, add(6), ""},
		{"0 says nothing", "0\n", ask.File{Path: "f", Weight: 2}, Good, health.Weight{}, ""},
		{"no number is 0", "x\n", ask.File{Path: "f", Weight: 2}, Good, health.Weight{}, ""},
		{"no file is 0", "", ask.File{Path: "none", Weight: 2}, Good, health.Weight{}, ""},
		{"no folder is 0", "", ask.File{Path: "none/f"}, Good, health.Weight{}, ""},
		{"a file in the place of a folder is 0", "", ask.File{Path: "plain/f"}, Good, health.Weight{}, ""},
		{"a failure", "1", ask.File{Path: "f"}, Bad, health.Weight{}, "f says 1"},
		{"a failure by 0", "0", ask.File{Path: "f", Reverse: true}, Bad, health.Weight{}, "f says 0"},
		{"a file far too long", "12" + strings.Repeat(" ", 1<<20), ask.File{Path: "f", Weight: 1}, Good, add(12), ""},
		{"a FIFO without a writer", "", ask.File{Path: "fifo", Weight: 1}, NotMade, health.Weight{}, "it is no regular file"},
		{"a folder", "", ask.File{Path: ".", Weight: 1}, NotMade, health.Weight{}, "it is no regular file"},
	} {
		must(t, os.WriteFile(filepath.Join(dir, "f"), []byte(c.text), 0o600))
		c.ask.Path = filepath.Join(dir, c.ask.Path)
		got := File{&c.ask}.Check(t.Context())
		if got.Outcome() != c.outcome || got.Weight != c.weight || c.err != "" && !strings.HasSuffix(got.Err.Error(), c.err) {
			t.Errorf("%s: %+v, want %v with %+v, %q", c.name, got, c.outcome, c.weight, c.err)
		}
	}
}

// What is written to a file counts at once, not after delay_loop, also if it comes and goes by
// another name; whatever else is in its folder does not.
func TestAFileThatChangesIsReadAtOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	changes := make(chan Change, 10)
	r := New(Config{OnChange: func(c Change) { changes <- c }})
	defer r.Close()
	must(t, os.WriteFile(path, []byte("1"), 0o600))
	long := Settings{DelayLoop: time.Hour, ConnectTimeout: time.Minute}
	specs := []Spec{{ID: "weight", Settings: long, Probe: File{&ask.File{Path: path, Weight: 1}}}, {ID: "switch", Settings: long, Probe: OnLink{Probe: File{&ask.File{Path: path}}, Links: allUp{}}}}
	must(t, r.Set(specs))
	got := map[string]Change{}
	want := func(step string, up bool, w health.Weight) {
		t.Helper()
		for len(got) < 2 || got["weight"].Result.Weight != w || got["switch"].Up != up {
			select {
			case c := <-changes:
				got[c.ID] = c
			case <-time.After(patience):
				t.Fatalf("%s: %+v", step, got)
			}
		}
	}
	want("at first", false, add(1))
	must(t, os.WriteFile(path, []byte("0"), 0o600))
	want("written to", true, health.Weight{})
	must(t, os.WriteFile(path+"2", []byte("5"), 0o600))
	must(t, os.Rename(path+"2", path))
	want("replaced", false, add(5))
	must(t, os.Remove(path))
	want("removed", true, health.Weight{})
	must(t, os.WriteFile(path, []byte("-3"), 0o600))
	want("there again", false, add(-3))
	must(t, os.Rename(path, path+"3"))
	want("moved away", true, health.Weight{})
	must(t, r.Set(specs[:1])) // the other one is not asked any more
	must(t, os.WriteFile(path, []byte("9"), 0o600))
	got["switch"] = Change{Up: true}
	want("with one check", true, add(9))
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.byFile[path]); n != 1 {
		t.Errorf("%d checks look at the file", n)
	}
}

// A folder that goes is watched again when it is back, from the next attempt on.
func TestAFolderThatComesBackIsWatchedAgain(t *testing.T) {
	told := make(chan string, 10)
	w := NewWatcher(func(path string) { told <- path })
	defer w.Close()
	dir := filepath.Join(t.TempDir(), "folder")
	path := filepath.Join(dir, "f")
	w.Ensure(path) // there is none
	for range 2 {
		must(t, os.Mkdir(dir, 0o700))
		w.Ensure(path)
		w.Ensure(path)
		must(t, os.WriteFile(path, nil, 0o600))
		if got := <-told; got != path {
			t.Errorf("told %s", got)
		}
		must(t, os.RemoveAll(dir))
		if got := <-told; got != path { // it is removed
			t.Errorf("told %s", got)
		}
		for gone := false; !gone; { // the end of the watch follows
			w.mu.Lock()
			_, there := w.of[dir]
			gone = !there
			w.mu.Unlock()
		}
	}
	w.Close()
	w.Ensure(path) // nothing happens
}
