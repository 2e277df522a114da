package keepalived

import (
	"bufio"
	"strings"
)

// A Standing says what becomes of a word of a file.
type Standing uint8

// The standings.
const (
	Used     Standing = iota // it has its effect
	NotYet                   // keepalived's, and not used yet
	NoEffect                 // of keepalived's own processes or of old releases
	Unknown                  // no word of its block
)

// String is the standing in words.
func (s Standing) String() string {
	switch s {
	case Used:
		return "used"
	case NotYet:
		return "not used yet"
	case NoEffect:
		return "without effect"
	case Unknown:
		return "unknown"
	}
	return "standing?"
}

// A Use is one word of a file.
type Use struct {
	Pos      Pos
	Column   int    // in the line, in bytes from 1; of the first word where a definition hides it
	Block    string // that it is in, such as "virtual_server real_server"; empty: none
	Keyword  string
	Standing Standing
	Why      string // more about a word that is not used; of an unknown one what may be meant
}

// Survey lists every word of a file and of those that it includes, in their order. The
// lines of blocks of addresses, routes and names are none. The error is that of Parse.
func Survey(name string, opt Options) ([]Use, error) {
	opt = opt.withDefaults()
	nodes, _, err := Parse(name, opt)
	if err != nil {
		return nil, err
	}
	s := surveyor{files: opt.Files, lines: map[string][]string{}, from: map[Pos]int{}}
	s.walk(nodes, grammar(), "", Used)
	return s.uses, nil
}

// A surveyor walks the tree along the grammar.
type surveyor struct {
	files Files
	lines map[string][]string // of each file
	from  map[Pos]int         // where in a line the next word is looked for
	uses  []Use
}

// walk lists nodes, which are in b. A word that is used within one that is not stands as
// that does.
func (s *surveyor) walk(nodes []*Node, b *block, path string, around Standing) {
	if b.data {
		return
	}
	for _, n := range nodes {
		u := Use{Pos: n.Pos, Column: s.column(n), Block: path, Keyword: strings.Clone(n.Keyword), Standing: Unknown}
		w := b.find(n.Keyword)
		if w == nil {
			u.Why = s.meant(n, b)
			s.uses = append(s.uses, u)
			continue
		}
		if u.Standing, u.Why = w.status.standing(), w.why; u.Standing == Used {
			u.Standing = around
		}
		s.uses = append(s.uses, u)
		if w.block != nil {
			s.walk(n.Children, w.block, strings.TrimSpace(path+" "+w.name), u.Standing)
		}
	}
}

// standing is the Standing of words of this status.
func (s status) standing() Standing {
	switch s {
	case used, renamed:
		return Used
	case later, missing:
		return NotYet
	}
	return NoEffect
}

// meant names the word that an unknown one may have been meant to be.
func (s *surveyor) meant(n *Node, b *block) string {
	var known []string
	for i := range b.words {
		known = append(known, b.words[i].name)
	}
	return strings.TrimPrefix(meant(n.Keyword, known), ", ")
}

// column is where n's keyword is in its line.
func (s *surveyor) column(n *Node) int {
	lines, known := s.lines[n.Pos.File]
	if !known {
		lines = s.read(n.Pos.File)
		s.lines[n.Pos.File] = lines
	}
	if n.Pos.Line < 1 || n.Pos.Line > len(lines) {
		return 1
	}
	line, from := lines[n.Pos.Line-1], s.from[n.Pos]
	if i := strings.Index(line[min(from, len(line)):], n.Keyword); i >= 0 {
		s.from[n.Pos] = from + i + len(n.Keyword)
		return from + i + 1
	}
	return len(line) - len(strings.TrimLeft(line, " \t")) + 1
}

// read is the lines of a file; nil: it cannot be read any more.
func (s *surveyor) read(name string) []string {
	f, err := s.files.Open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	var lines []string
	const longest = 1 << 20
	r := bufio.NewScanner(f)
	r.Buffer(nil, longest)
	for r.Scan() {
		lines = append(lines, r.Text())
	}
	return lines
}
