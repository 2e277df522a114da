package ipvsadm_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/api"
	"lvsdr/control/ipvsadm"
)

// A recorded command holds what ipvsadm 1.31 did on a kernel 6.1, as
// /sbin/ipvsadm, from an empty table on. <usage> stands for the help text.
type recorded struct {
	Args   []string `json:"args"`
	Cmd    *string  `json:"cmd"` // or the arguments with blanks between
	Stdin  string   `json:"stdin"`
	Exit   int      `json:"exit"`
	Stdout string   `json:"stdout"`
	Stderr string   `json:"stderr"`
}

// The names that the recording machine knew.
const (
	recordedHosts    = "127.0.0.1 localhost\n10.0.0.1 vip1\n10.2.0.11 rs1\n10.2.0.12 rs2\n"
	recordedServices = "ftp 21/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp www\nhttps 443/tcp\nhttps 443/udp\n"
)

// lines reads the JSON of each line of a file into a T.
func lines[T any](t *testing.T, name string) []T {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	var all []T
	for sc.Scan() {
		var v T
		if err := json.Unmarshal(sc.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// replay runs a session on a table and wants what was recorded, but for the
// lines that passed names. It returns how many commands were compared.
func replay(t *testing.T, session []recorded, passed func(*recorded) bool) (compared int) {
	t.Helper()
	names, err := ipvsadm.FileNames(strings.NewReader(recordedHosts), strings.NewReader(recordedServices))
	if err != nil {
		t.Fatal(err)
	}
	director := newTable()
	i := &ipvsadm.Interpreter{Admin: director, Names: names, Name: "/sbin/ipvsadm"}
	for k := range session {
		c := &session[k]
		if c.Cmd != nil {
			c.Args = strings.Fields(*c.Cmd)
		}
		r := i.Run(t.Context(), c.Args, strings.NewReader(c.Stdin))
		director.reorder(i, session[k+1:])
		if passed(c) {
			continue
		}
		compared++
		r.Out = strings.ReplaceAll(r.Out, ipvsadm.Usage(), "<usage>\n") // those words are our own
		want := c.Stdout
		if slices.Contains(c.Args, "--nosort") {
			r.Out, want = sortedBlocks(r.Out), sortedBlocks(want)
		}
		if r.Exit != c.Exit || r.Out != want || r.Err != c.Stderr {
			t.Errorf("%q < %q: exit code %d, %q\n%s\nrecorded: %d, %q\n%s", c.Args, c.Stdin, r.Exit, r.Err, r.Out, c.Exit, c.Stderr, want)
		}
	}
	return compared
}

// reorder puts the services into the order in which the kernel listed them with
// --nosort after these commands, which list and do not edit: where ipvsadm's
// order is none, what it makes of them depends on that.
func (t *table) reorder(i *ipvsadm.Interpreter, next []recorded) {
	for _, c := range next {
		switch {
		case c.Cmd != nil || !strings.HasPrefix(c.Args[0], "-L") && !strings.HasPrefix(c.Args[0], "-S"):
			return
		case slices.Equal(c.Args, []string{"-Ln", "--nosort"}):
			ours, kernel := blocks(run(i, "-Ln --nosort").Out), blocks(c.Stdout)
			if len(ours) != len(kernel) {
				return
			}
			services := make([]api.Service, len(t.services))
			for n, block := range ours {
				if at := slices.Index(kernel, block); at >= 0 && n >= heads {
					services[at-heads] = t.services[n-heads]
				}
			}
			t.services = services
			return
		}
	}
}

// heads is the number of blocks above the services of a listing.
const heads = 2

// blocks are the services of a listing, each with its servers, behind the two
// titles.
func blocks(listing string) (all []string) {
	for line := range strings.Lines(listing) {
		if strings.HasPrefix(line, "  ->") && len(all) > 0 {
			all[len(all)-1] += line
		} else {
			all = append(all, line)
		}
	}
	return all
}

// sortedBlocks sorts the services of a listing: with --nosort they are in the
// order of the kernel's hash table.
func sortedBlocks(listing string) string {
	all := blocks(listing)
	slices.Sort(all)
	return strings.Join(all, "")
}

// Odd addresses, masks, numbers and flags, wrong files for -R, and lists whose
// order is none.
func TestOddCommandsAreAnsweredAsRecorded(t *testing.T) {
	commands := 0
	for _, session := range lines[[]recorded](t, "testdata/odd.jsonl") {
		commands += replay(t, session, func(*recorded) bool { return false })
	}
	if commands < 800 {
		t.Errorf("only %d commands: this test proves little", commands)
	}
}

// The sessions, but for what needs packets.
func TestSessionsAreAnsweredAsRecorded(t *testing.T) {
	files, err := filepath.Glob("testdata/sessions/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	commands, all := 0, 0
	for _, file := range files {
		session := slices.DeleteFunc(lines[recorded](t, file), func(c recorded) bool { return c.Cmd == nil })
		all += len(session)
		t.Run(filepath.Base(file), func(t *testing.T) {
			commands += replay(t, session, func(c *recorded) bool {
				return counts(file, c)
			})
		})
	}
	if all-commands > 60 || commands < 600 {
		t.Errorf("%d commands of %d were compared", commands, all)
	}
}

// counts reports whether a command lists connections or what they have counted,
// in a session with packets.
func counts(file string, c *recorded) bool {
	packets := slices.Contains([]string{"lists-connections.jsonl", "stats.jsonl", "names.jsonl"}, filepath.Base(file))
	return packets && c.Exit == 0 && strings.HasPrefix(*c.Cmd, "-L")
}
