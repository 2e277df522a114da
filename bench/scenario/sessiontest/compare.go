package sessiontest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"lvsdr/bench/scenario"
)

// How says how a session was played.
type How struct {
	// Host says that a director on a host played the session: real servers at the
	// address of their service are left out, and so are the packets. From the session's first packet on, listings are compared without
	// connections and counts.
	Host bool
}

// Compare lists the differences of a session that was played from the recorded
// one. left are the numbers, from 1, of the lines that something was left out of.
func (h How) Compare(recorded, played []*scenario.Op) (left []int, diffs []string) {
	o := others{how: h, servers: map[[2]string]bool{}, clients: map[string]bool{}}
	for i, w := range recorded {
		out, diff := o.compare(w, played[i])
		if diff != "" {
			diffs = append(diffs, fmt.Sprintf("line %d: %s", i+1, diff))
		}
		if out {
			left = append(left, i+1)
		}
	}
	return left, diffs
}

// Ranges writes ascending numbers, those that follow each other as 3-7.
func Ranges(numbers []int) string {
	var all []string
	for i := 0; i < len(numbers); {
		first := numbers[i]
		for i++; i < len(numbers) && numbers[i] == numbers[i-1]+1; i++ {
		}
		if last := numbers[i-1]; last > first {
			all = append(all, fmt.Sprintf("%d-%d", first, last))
		} else {
			all = append(all, fmt.Sprint(first))
		}
	}
	return strings.Join(all, " ")
}

// exitUsage is ipvsadm's exit code for what it refuses itself.
const exitUsage = 2

// compare describes the difference of a line that was played from the recorded
// one, and reports whether something was left out.
func (o *others) compare(want, got *scenario.Op) (left bool, diff string) {
	if want.Session == nil {
		return o.packet(want, got)
	}
	w, g := *want.Session, *got.Session
	text := w.Cmd + "\n" + w.Stdin
	for line := range strings.Lines(text) {
		left = o.note(strings.Fields(line)) || left
	}
	if left {
		if w.Exit == exitUsage && w != g {
			diff = fmt.Sprintf("%s: %+v, recorded %+v", w.Cmd, g, w)
		}
		return w != g, diff
	}
	if args := strings.Fields(w.Cmd); lists(args) {
		full := w.Stdout
		w.Stdout, g.Stdout = o.without(w.Stdout), o.without(g.Stdout)
		left = w.Stdout != full
		if o.sent && o.how.Host {
			w.Stdout, g.Stdout = withoutCounts(w.Stdout), withoutCounts(g.Stdout)
		}
		if slices.ContainsFunc(unordered, func(s string) bool { return slices.Contains(args, s) }) {
			w.Stdout, g.Stdout = sorted(w.Stdout), sorted(g.Stdout)
		}
	}
	if w != g {
		diff = fmt.Sprintf("%s: exit code %d, %q\n%s\nrecorded: %d, %q\n%s", w.Cmd, g.Exit, g.Stderr, g.Stdout, w.Exit, w.Stderr, w.Stdout)
	}
	return left, diff
}

// lists reports whether a command prints the table.
func lists(args []string) bool {
	return len(args) == 0 || slices.ContainsFunc([]string{"-L", "-l", "-S", "--list", "--save"}, func(s string) bool { return strings.HasPrefix(args[0], s) })
}

// unordered are the arguments of listings in the order of the kernel's hash
// tables.
var unordered = []string{"-Lnc", "-Lc", "-c", "--connection", "--nosort"}

// sorted sorts the services of a listing, with their servers, and the
// connections.
func sorted(text string) string {
	var blocks []string
	for line := range strings.SplitSeq(text, "\n") {
		if n := len(blocks); strings.HasPrefix(line, "  ->") && n > 0 {
			blocks[n-1] += "\n" + line
		} else {
			blocks = append(blocks, line)
		}
	}
	slices.Sort(blocks[1:])
	return strings.Join(blocks, "\n")
}

var (
	connection = regexp.MustCompile(`(?m)^\w+ +\d\d:\d\d .*\n`)
	counts     = regexp.MustCompile(`(?m)( +[0-9]+[KMGT]?)+ *$`)
)

// withoutCounts leaves connections out of a listing, and the numbers behind
// services and servers.
func withoutCounts(text string) string {
	return counts.ReplaceAllString(connection.ReplaceAllString(text, ""), "")
}
