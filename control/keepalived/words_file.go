package keepalived

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lvsdr/control/ask"
)

// A trackFile is a block track_file.
type trackFile struct {
	name string
	ask  ask.File
}

// maxFileWeight is the greatest weight of a track_file.
const maxFileWeight = 254

// trackFileBlock is track_file, by this name: of old releases it is vrrp_track_file.
func trackFileBlock(name string) word {
	return word{name: name, min: 1, max: anyArgs, set: func(r *reader, n *Node) {
		r.file = &trackFile{strings.Clone(n.Args[0]), ask.File{Weight: 1}}
	}, end: (*reader).endTrackFile, block: &block{name: name, words: []word{
		{name: "file", max: anyArgs, text: true, set: (*reader).setFilePath},
		{name: "weight", max: anyArgs, set: func(r *reader, n *Node) {
			r.setFileWeight(n, maxFileWeight, &r.file.ask.Weight, &r.file.ask.Reverse)
		}},
		{name: "init_file", max: anyArgs, set: (*reader).setInitFile},
	}}}
}

func (r *reader) setFilePath(n *Node) {
	if len(n.Args) == 0 {
		r.add(n, Warning, "a value is missing, and keepalived leaves the line out")
		return
	}
	r.file.ask.Path = strings.Clone(n.Args[0])
}

// setFileWeight reads N [reverse|noreverse], where N is at most most.
func (r *reader) setFileWeight(n *Node, most int64, weight *int32, reverse *bool) bool {
	err := integers(-most, most)(n.Args)
	back := false
	if err == nil && len(n.Args) > 1 {
		if back = n.Args[1] == "reverse"; !back && n.Args[1] != "noreverse" {
			err = fmt.Errorf("%q is not understood", n.Args[1])
		}
	}
	if err != nil {
		r.add(n, Warning, "%v, and keepalived leaves the line out", err)
		return false
	}
	v, _ := strconv.ParseInt(n.Args[0], 10, 32) // it is within its bounds
	*weight, *reverse = int32(v), back
	return true
}

// setInitFile reads [N] [overwrite], in either order.
func (r *reader) setInitFile(n *Node) {
	f := &r.file.ask
	for _, s := range n.Args {
		v, err := strconv.ParseInt(s, 10, 32)
		switch {
		case s == "overwrite":
			f.Overwrite = true
		case err != nil:
			r.add(n, Warning, "%q is neither a number nor overwrite, and keepalived leaves it out", s)
		default:
			f.Value = int32(v)
		}
	}
	f.Init = true
}

func (r *reader) endTrackFile(n *Node) {
	if r.file.ask.Path == "" {
		r.add(n, Warning, "has no file, and keepalived leaves the block out")
		return
	}
	defines("track_file")(r, n)
	r.files[r.file.name] = r.file
	r.vrrp.made.Files = append(r.vrrp.made.Files, &TrackFile{Name: r.file.name, File: r.file.ask, Pos: n.Pos})
}

// fileChecker is FILE_CHECK.
func fileChecker() []word {
	return []word{{name: "FILE_CHECK", max: anyArgs, set: func(r *reader, n *Node) {
		r.beginCheck(n)
		r.check.c.Kind = FileCheck
	}, end: (*reader).endFileCheck, block: &block{name: "FILE_CHECK", words: []word{
		{name: "track_file", min: 1, max: 1, text: true, set: func(r *reader, n *Node) {
			f := r.files[n.Args[0]]
			if f == nil {
				r.add(n, Error, "no track_file before it is called %s; the line is left out", n.Args[0])
				return
			}
			r.check.file = f
		}},
		{name: "weight", max: anyArgs, set: func(r *reader, n *Node) {
			var w ask.File
			if r.setFileWeight(n, math.MaxInt32, &w.Weight, &w.Reverse) {
				r.check.weight = &w
			}
		}},
	}}}}
}

func (r *reader) endFileCheck(n *Node) {
	d := r.check
	if d.file == nil {
		r.add(n, Error, "has no track_file; the check is left out")
		r.dropCheck(n)
		return
	}
	f := d.file.ask
	if d.weight != nil {
		f.Weight, f.Reverse = d.weight.Weight, d.weight.Reverse
	}
	d.c.Ask = &f
	r.endCheck(n)
}
