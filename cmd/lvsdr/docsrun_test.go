package main_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// How the blocks of the documents are marked, and what the tests do with them:
//
//	```sh       run by sh -e, block by block, each with exit code 0. A line that
//	            ends in "# exit N" must end with N instead. All blocks of a
//	            document run in one folder, empty at first, on a host of its own
//	            at 192.168.1.11 that is alone on its network, with lvsdr in PATH.
//	```sh held  one command that keeps a lab: it runs beside the following
//	            blocks, which join it, until the next heading.
//	```sh shared  as sh, of commands that would make a lab of the usual shape
//	            each: they join one that such blocks share.
//	```console  needs a machine; after "$ " or "# " stands a command. Its lvsdr
//	            commands must exist, with their flags.
//	```ini      the same, of lines Exec...=.
//	```text     output, drawings, files: nothing is done with it.
//
// Indented lines, lines of unmarked blocks and code in the text that begin with
// lvsdr are as console.
var blockMarks = []string{"sh", "sh held", "sh shared", "console", "ini", "text", "json", ""}

// A docBlock is a fenced part of a document, or, if its mark is "#", a heading.
type docBlock struct {
	line int
	mark string
	text string
}

// docBlocks are the blocks of a document, in order.
func docBlocks(t *testing.T, name string) (all []docBlock) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	open, indent := false, ""
	for i, line := range strings.Split(string(b), "\n") {
		before, mark, fence := strings.Cut(line, "```")
		fence = fence && strings.TrimSpace(before) == ""
		switch {
		case fence && open:
			open = false
		case fence:
			open, indent = true, before
			all = append(all, docBlock{line: i + 1, mark: mark})
		case open:
			all[len(all)-1].text += strings.TrimPrefix(line, indent) + "\n"
		case strings.HasPrefix(line, "#"):
			all = append(all, docBlock{line: i + 1, mark: "#"})
		default:
			all = append(all, docBlock{line: i + 1, mark: "prose", text: line})
		}
	}
	if open {
		t.Fatalf("%s: the last block does not end", name)
	}
	return all
}

// documents are the paths of all of them.
func documents(t *testing.T) []string {
	t.Helper()
	docs, err := filepath.Glob(filepath.Join(moduleRoot, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	return append(docs, filepath.Join(moduleRoot, "README.md"))
}

// moduleRoot is where go.mod is, from the folder of this test.
const moduleRoot = "../.."

// A docShell is where the blocks of a document run.
type docShell struct {
	host     *netns.Host
	dir      string // the blocks' folder
	run, tmp string // /run and the temporary files, both of this document only
	env      []string
	held     *netns.Cmd
	heldOut  netlab.Output
	shared   bool // what is held is for blocks that share it
	letGo    func() error
}

// newDocShell makes one, and wants that nothing is left in it at the end.
func newDocShell(t *testing.T) *docShell {
	t.Helper()
	lab := newLab(t, netlab.Spec{Servers: weighted(1)})
	bare(t, lab, lab.Servers[0])
	s := &docShell{host: lab.Servers[0].Host, dir: t.TempDir(), run: shortDir(t), tmp: shortDir(t)}
	path := t.TempDir()
	if err := os.Symlink(binary(), filepath.Join(path, "lvsdr")); err != nil {
		t.Fatal(err)
	}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		if !strings.HasPrefix(v, worldEnv) && !slices.Contains([]string{"PATH", "TMPDIR", "SHELL", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}, name) {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "TMPDIR="+s.tmp, "SHELL=/bin/sh", "PATH="+path+":"+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return s
}

// expected is a line whose command is to end with another code than 0.
var expected = regexp.MustCompile(`(?m)^(.*\S)\s+# exit (\d+)$`)

// command is a block as a process.
func (s *docShell) command(ctx context.Context, text string) *netns.Cmd {
	script := expected.ReplaceAllString(text, `code=0; $1 || code=$$?; [ $$code = $2 ] || { echo "exit code $$code, not $2"; exit 1; }`)
	cmd := s.host.Command(ctx, "sh", "-c", "mount --bind "+s.run+" /run && exec sh -e -c \"$1\" sh", "sh", script)
	cmd.Dir, cmd.Env = s.dir, s.env
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWNS
	return cmd
}

// play runs one block to its end.
func (s *docShell) play(t *testing.T, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := s.command(ctx, text).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s%s", err, text, out)
	}
}

// hold runs a block until let, and returns when its lab can be joined.
func (s *docShell) hold(t *testing.T, text string) {
	t.Helper()
	s.held, s.heldOut = s.command(context.WithoutCancel(t.Context()), text), netlab.Output{}
	s.held.Stdout, s.held.Stderr = &s.heldOut, &s.heldOut
	in, err := s.held.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.letGo = in.Close
	if err := s.held.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, "the lab of "+text, func() bool {
		names, _ := filepath.Glob(filepath.Join(s.tmp, "lvsdr-lab-of-*", "shell.sock"))
		if len(names) == 0 {
			return false
		}
		c, err := net.Dial("unix", names[0])
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// let ends what is held: its shell reads the end of its input.
func (s *docShell) let(t *testing.T) {
	t.Helper()
	if s.held == nil {
		return
	}
	if err := s.letGo(); err != nil {
		t.Error(err)
	}
	if err := s.held.Wait(); err != nil {
		t.Errorf("what was held ended with %v:\n%s", err, s.heldOut.String())
	}
	s.held, s.shared = nil, false
}

// What the first page tells the reader to type works. The commands of the other
// documents run among the long tests.
func TestTheCommandsOfTheREADMERun(t *testing.T) { playDocument(t, "README.md") }

// playDocument runs the blocks of the document with that name, beside other tests.
func playDocument(t *testing.T, name string) {
	t.Parallel() // they wait most of the time
	for _, name := range []string{"curl", "ip"} {
		tool(t, name, map[string]string{"curl": "curl", "ip": "iproute2"}[name])
	}
	all := documents(t)
	doc := all[slices.IndexFunc(all, func(path string) bool { return filepath.Base(path) == name })]
	s := newDocShell(t)
	defer s.let(t)
	for _, b := range docBlocks(t, doc) {
		switch {
		case b.mark == "#" && !s.shared:
			s.let(t)
		case b.mark == "sh":
			if s.shared {
				s.let(t)
			}
			s.play(t, b.text)
		case b.mark == "sh shared":
			if !s.shared {
				s.let(t)
				s.hold(t, "lvsdr lab shell")
				s.shared = true
			}
			s.play(t, b.text)
		case b.mark == "sh held":
			s.let(t)
			s.hold(t, b.text)
		}
		if t.Failed() {
			t.Fatalf("%s:%d", doc, b.line)
		}
	}
	s.let(t)
	if left, _ := filepath.Glob(filepath.Join(s.tmp, "*")); len(left) > 0 {
		t.Errorf("left among the temporary files: %v", left)
	}
}

// What is not run at least exists.
func TestTheCommandsOfTheDocumentsExist(t *testing.T) {
	t.Parallel()
	help := map[string]string{}
	for _, doc := range documents(t) {
		for _, b := range docBlocks(t, doc) {
			if b.mark != "#" && b.mark != "prose" && !slices.Contains(blockMarks, b.mark) {
				t.Errorf("%s:%d: a block is marked %q, which means nothing", doc, b.line, b.mark)
			}
			for _, c := range commandsOf(b) {
				if err := known(t, help, c); err != nil {
					t.Errorf("%s:%d: %q: %v", doc, b.line, c, err)
				}
			}
		}
	}
}

var (
	prompt   = regexp.MustCompile(`(?m)^[$#] (.*(?:\\\n.*)*)`)
	plain    = regexp.MustCompile(`(?m)^(lvsdr .*)`)
	unitExec = regexp.MustCompile(`(?m)^Exec\w+=(.*)$`)
	inline   = regexp.MustCompile("`((?:sudo )?lvsdr [^`]+)`")
	gap      = regexp.MustCompile(`\s{2,}.*`)
	verbName = regexp.MustCompile(`^[a-z][a-z-]*$`)
)

// commandsOf are the commands in a block that no test runs.
func commandsOf(b docBlock) (all []string) {
	find := func(re *regexp.Regexp) {
		for _, m := range re.FindAllStringSubmatch(b.text, -1) {
			all = append(all, strings.ReplaceAll(m[1], "\\\n", " "))
		}
	}
	switch b.mark {
	case "console":
		find(prompt)
	case "":
		find(plain)
	case "ini":
		find(unitExec)
	case "prose":
		find(inline)
		if text, ok := strings.CutPrefix(b.text, "    lvsdr "); ok {
			all = append(all, "lvsdr "+gap.ReplaceAllString(text, ""))
		}
	}
	return all
}

// known fails where a command line calls lvsdr with a verb or flag that it does
// not have. help is what it said so far.
func known(t *testing.T, help map[string]string, line string) error {
	words := strings.Fields(line)
	for {
		i := slices.IndexFunc(words, isLvsdr)
		if i < 0 {
			return nil
		}
		words = words[i+1:]
		path, verbs := "", true
		for len(words) > 0 && strings.Trim(words[0], quotes) != "--" && !strings.ContainsAny(words[0], "|;&<>#") && !isLvsdr(words[0]) {
			page, ok := help[path]
			if !ok {
				page = verb(t, append(strings.Fields(path), "--help")...).stdout
				help[path] = page
			}
			name, _, _ := strings.Cut(strings.Trim(words[0], quotes), "=")
			words = words[1:]
			switch {
			case strings.HasPrefix(name, "-"):
				verbs = false // what follows may be its value
				if !hasFlag(page, name) {
					return fmt.Errorf("`lvsdr%s` has no flag %s", path, name)
				}
			case !verbs || !verbName.MatchString(name) || !strings.Contains(page, "\nAvailable Commands:\n"):
				verbs = false // an argument
			case strings.Contains(page, "\n  "+name+" "):
				path += " " + name
			default:
				return fmt.Errorf("`lvsdr%s` has no command %s", path, name)
			}
		}
	}
}

// hasFlag reports whether a page of help has a flag, or each letter of several in
// one word, such as -Ln.
func hasFlag(page, name string) bool {
	has := func(name string) bool {
		return regexp.MustCompile(`(?m)^ +(-\w, )?` + name + `([ ,]|$)`).MatchString(page)
	}
	if has(name) || strings.HasPrefix(name, "--") {
		return has(name)
	}
	for _, letter := range name[1:] {
		if !has("-" + string(letter)) {
			return false
		}
	}
	return true
}

// isLvsdr tells whether a word of a command line may be this program.
func isLvsdr(w string) bool { return filepath.Base(strings.Trim(w, quotes)) == "lvsdr" }

// quotes may stand around a word.
const quotes = "'\"[]()"
