package keepalived

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// An input is one place lines come from: an open file, the rest of a
// definition's text, or the files of an include that are not open yet.
type input struct {
	name  string   // of a file; empty otherwise
	lines []string // of a file, or of a definition's text
	files []string // of an include
	next  int      // index into lines or files
	pos   Pos      // of the line that used the definition, or of the include
	check includeCheck
}

// A source hands out the lines of a configuration one by one: comments gone,
// included files and definitions put in, conditional lines decided.
//
//	physical line ─▶ comment ─▶ continuation ─▶ include? ─▶ @id? ─▶ $X=? ─▶ $X ─▶ line
//	     ▲                                         │                          │
//	     └──────────── an input is pushed ◀─────────┴──────────────────────────┘
type source struct {
	opt    Options
	inputs []input
	defs   map[string]string // lines of a value are separated by \n
	left   int               // bytes that may still be read or made
	diags  Diagnostics
	err    error // what ended the reading
}

// Definitions may be used inside definitions; these bounds end the ones that
// use themselves.
const (
	maxTextFrames    = 64
	maxSubstitutions = 4096 // in one line
	substitutionCost = 16   // bytes, besides the text itself
)

func newSource(name string, opt Options) *source {
	s := &source{opt: opt, defs: map[string]string{}, left: opt.Limits.TotalSize}
	if err := s.open(filepath.Clean(name)); err != nil {
		s.err = fmt.Errorf("read configuration: %w", err)
	}
	return s
}

// open reads a file and makes it the source of the next lines.
func (s *source) open(name string) error {
	f, err := s.opt.Files.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() // it was only read
	limit := min(s.opt.Limits.FileSize, s.left)
	text, err := io.ReadAll(io.LimitReader(f, int64(limit)+1))
	if err != nil {
		return err
	}
	if len(text) > limit {
		return fmt.Errorf("%s: more than %d bytes", name, limit)
	}
	s.left -= len(text)
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	s.inputs = append(s.inputs, input{name: name, lines: lines, check: checkNone})
	return nil
}

// file is the innermost file that is being read.
func (s *source) file() *input {
	for i := len(s.inputs) - 1; i >= 0; i-- {
		if s.inputs[i].name != "" {
			return &s.inputs[i]
		}
	}
	return &input{}
}

// line is the next line that is not empty, and false at the end.
func (s *source) line() (string, Pos, bool) {
	for s.err == nil {
		text, pos, ok := s.logical()
		if !ok {
			break
		}
		if s.inputs[len(s.inputs)-1].name != "" {
			if check, arg, ok := includeLine(text); ok {
				s.include(check, arg, pos)
				continue
			}
		}
		if text = s.expand(text, pos); text != "" {
			return text, pos, true
		}
	}
	return "", Pos{}, false
}

// logical is the next line with its continuations: joined, or separated by \n
// when it defines something.
func (s *source) logical() (string, Pos, bool) {
	for len(s.inputs) > 0 {
		f := &s.inputs[len(s.inputs)-1]
		switch {
		case f.next < len(f.files):
			f.next++
			s.openIncluded(f.files[f.next-1], f.check, f.pos)
		case f.next >= len(f.lines):
			s.inputs = s.inputs[:len(s.inputs)-1]
		case f.name == "":
			f.next++
			return strings.TrimSpace(f.lines[f.next-1]), f.pos, true
		default:
			pos := Pos{f.name, f.next + 1}
			return s.continued(f), pos, true
		}
	}
	return "", Pos{}, false
}

func (s *source) continued(f *input) string {
	var whole strings.Builder
	separator := ""
	for f.next < len(f.lines) {
		text := strings.TrimRight(stripComment(f.lines[f.next]), " \t\v\f\r")
		f.next++
		more := endsInBackslash(text)
		if more {
			text = text[:len(text)-1]
		}
		if whole.Len() == 0 && isDefinition(text) {
			separator = "\n"
		}
		whole.WriteString(text)
		if !more {
			break
		}
		whole.WriteString(separator)
	}
	return strings.TrimSpace(whole.String())
}

// endsInBackslash reports whether the last backslash of s is not itself escaped.
func endsInBackslash(s string) bool {
	return (len(s)-len(strings.TrimRight(s, `\`)))%2 == 1
}

// expand is the line to parse that comes of text, or "" when nothing does:
// it was a definition, its condition does not hold, or it is wrong.
func (s *source) expand(text string, pos Pos) string {
	count := 0
	for {
		rest, holds := s.condition(text)
		if !holds || s.define(rest) {
			return ""
		}
		if text = s.substitute(rest, pos, &count); s.err != nil {
			return ""
		}
		text = strings.TrimSpace(text)
		if !strings.HasPrefix(text, "@") && !isDefinition(text) {
			break
		}
	}
	if _, _, ok := includeLine(text); ok {
		word, _, _ := strings.Cut(text, " ")
		s.diags.add(pos, Error, word, "is not possible in a conditional or substituted line; give it a line of its own")
		return ""
	}
	for _, block := range []string{"~SEQ(", "~SEQx(", "~LST("} {
		if strings.HasPrefix(text, block) {
			s.diags.add(pos, Error, strings.TrimSuffix(block, "("), "not used yet; the line is left out: write its repetitions one by one")
			return ""
		}
	}
	return text
}

// condition takes every @id and @^id off text and reports whether they all
// hold.
func (s *source) condition(text string) (rest string, holds bool) {
	holds = true
	for strings.HasPrefix(text, "@") {
		id, rest := cutSpace(text[1:])
		if want, negated := strings.CutPrefix(id, "^"); (want == s.opt.ConfigID) == negated {
			holds = false
		}
		text = rest
	}
	return text, holds
}

// cutSpace cuts s at its first white space.
func cutSpace(s string) (word, rest string) {
	for i := 0; i < len(s); i++ {
		if isSpace(s[i]) {
			return s[:i], strings.TrimSpace(s[i:])
		}
	}
	return s, ""
}
