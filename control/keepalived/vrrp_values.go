package keepalived

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lvsdr/control/script"
)

// What the lines of a block of VRRP say. The table of words has reported what is wrong with them; here a line that is
// wrong is not there, as it is for keepalived. The last line of a keyword counts.

// good is the last line with this keyword whose values test takes, or nil.
func (n *Node) good(word string, test valueTest) *Node {
	for _, line := range slices.Backward(n.all(word)) {
		if test(line.Args) == nil {
			return line
		}
	}
	return nil
}

// number is the number of the last good line with this keyword, and otherwise where there is none.
func (n *Node) number(word string, lo, hi, otherwise uint32) uint32 {
	line := n.good(word, numbers(lo, hi))
	if line == nil {
		return otherwise
	}
	v, err := parseNumber(line.Args[0], lo, hi)
	if err != nil {
		return otherwise
	}
	return v
}

// timer is the time of the last good line with this keyword, and otherwise where there is none.
func (n *Node) timer(word string, lo, hi, otherwise time.Duration) time.Duration {
	line := n.good(word, seconds(lo, hi))
	if line == nil {
		return otherwise
	}
	d, err := parseTimer(line.Args[0], lo, hi)
	if err != nil {
		return otherwise
	}
	return d
}

// wholeSeconds is the whole number of seconds of the last good line.
func (n *Node) wholeSeconds(word string, hi uint32, otherwise time.Duration) time.Duration {
	return time.Duration(n.number(word, 0, hi, uint32(otherwise/time.Second))) * time.Second
}

// flag is the BOOL of the last good line; without a value it is on.
func (n *Node) flag(word string, otherwise bool) bool {
	line := n.good(word, isBool)
	switch {
	case line == nil:
		return otherwise
	case len(line.Args) == 0:
		return true
	}
	v, err := parseBool(line.Args[0])
	return err == nil && v
}

// has reports whether there is a line with this keyword.
func (n *Node) has(word string) bool { return n.last(word) != nil }

// text is the first value of the last line that has one.
func (n *Node) text(word string) string {
	if line := n.good(word, isText); line != nil {
		return strings.Clone(line.Args[0])
	}
	return ""
}

// ip is the address of the last good line.
func (n *Node) ip(word string) netip.Addr {
	if line := n.good(word, isIP); line != nil {
		a, _ := parseIP(line.Args[0]) // isIP has taken it
		return a
	}
	return netip.Addr{}
}

// command is that of the last line with this keyword that names a program.
func (n *Node) command(word string) Command {
	names := func(args []string) error {
		if len(args) == 0 {
			return errMissing
		}
		words, err := script.Split(args[0])
		if err == nil && len(words) == 0 {
			err = errMissing
		}
		return err
	}
	line := n.good(word, names)
	if line == nil {
		return Command{}
	}
	c := Command{Line: strings.Clone(line.Args[0])}
	c.User, c.Group = userGroup(line.Args[1:])
	c.User, c.Group = strings.Clone(c.User), strings.Clone(c.Group)
	return c
}

// notifies are the commands about roles in an instance or a group.
func (n *Node) notifies() VRRPNotify {
	return VRRPNotify{
		Master: n.command("notify_master"), Backup: n.command("notify_backup"), Fault: n.command("notify_fault"),
		Stop: n.command("notify_stop"), Deleted: n.command("notify_deleted"),
		LowerPriority: n.command("notify_master_rx_lower_pri"), Any: n.command("notify"),
	}
}

// trackWord says what a block of tracks may hold.
type trackWord struct {
	kind TrackKind
	word string
	most int64
}

func trackWords() []trackWord {
	return []trackWord{
		{TrackOfInterface, "track_interface", maxTrackWeight}, {TrackOfScript, "track_script", maxTrackWeight},
		{TrackOfProcess, "track_process", maxTrackWeight + 1}, {TrackOfFile, "track_file", maxTrackWeight + 1},
	}
}

// tracks are the lines of n's blocks of tracks that name something which is there.
func (r *reader) tracks(n *Node) []Track {
	var all []Track
	for _, w := range trackWords() {
		for _, line := range n.lines(w.word) {
			if tracked(w.most, true)(line.fields()) != nil {
				continue
			}
			t := Track{Kind: w.kind, Name: strings.Clone(line.Keyword), Pos: line.Pos}
			own := t.Kind == TrackOfInterface && t.Name == n.value("interface") // it is always tracked
			if own || !r.defaultWeight(&t) || slices.ContainsFunc(all, func(o Track) bool { return o.Kind == t.Kind && o.Name == t.Name }) {
				continue
			}
			if len(line.Args) > 1 {
				t.Weight, _ = strconv.Atoi(line.Args[1]) // tracked has taken it
				t.Reverse = len(line.Args) > 2 && line.Args[2] == "reverse"
			}
			all = append(all, t)
		}
	}
	return all
}

// defaultWeight sets the weight that what is tracked has; false: nothing has the name.
func (r *reader) defaultWeight(t *Track) bool {
	switch t.Kind {
	case TrackOfScript:
		s := find(r.vrrp.made.Scripts, func(s *TrackScript) bool { return s.Name == t.Name })
		if s == nil {
			return false
		}
		t.Weight, t.Reverse = s.Weight, s.Reverse
	case TrackOfProcess:
		p := find(r.vrrp.made.Processes, func(p *TrackProcess) bool { return p.Name == t.Name })
		if p == nil {
			return false
		}
		t.Weight, t.Reverse = p.Weight, p.Reverse
	case TrackOfFile:
		f := find(r.vrrp.made.Files, func(f *TrackFile) bool { return f.Name == t.Name })
		if f == nil {
			return false
		}
		t.Weight, t.Reverse = int(f.File.Weight), f.File.Reverse
	}
	return true
}

// find is the first of list that is meant, or nil.
func find[T any](list []*T, meant func(*T) bool) *T {
	if i := slices.IndexFunc(list, meant); i >= 0 {
		return list[i]
	}
	return nil
}

// without is list without those that are dropped; nil where none is left.
func without[T any](list []T, drop func(T) bool) []T {
	if list = slices.DeleteFunc(list, drop); len(list) == 0 {
		return nil
	}
	return list
}
