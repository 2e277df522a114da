package keepalived

import (
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

// An input is one place lines come from: an open file, the rest of a
// definition's text, the files of an include that are not open yet, or the line that a
// ~SEQ or ~LST repeats.
type input struct {
	name  string      // of a file; empty otherwise
	text  string      // of a file, or of a definition, from the next line on
	line  int         // how many lines of the file have been read
	files []string    // of an include: the next ones
	again *repetition // of ~SEQ or ~LST; nil otherwise
	pos   Pos         // of the line that used the definition, or of the include
	check includeCheck
}

// cut takes the next line.
func (f *input) cut() (line string) {
	f.line++
	line, f.text, _ = strings.Cut(f.text, "\n")
	return line
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
	text, err := readText(f, limit)
	if err != nil {
		return err
	}
	if len(text) > limit {
		return fmt.Errorf("%s: more than %d bytes", name, limit)
	}
	s.left -= len(text)
	s.inputs = append(s.inputs, input{name: name, text: strings.TrimPrefix(text, "\ufeff"), check: checkNone})
	return nil
}

// readText reads f to its end, or to the first byte behind limit.
func readText(f io.Reader, limit int) (string, error) {
	var text strings.Builder
	if file, ok := f.(fs.File); ok {
		if info, err := file.Stat(); err == nil {
			text.Grow(int(min(max(info.Size(), 0), int64(limit))) + 1)
		}
	}
	_, err := io.Copy(&text, io.LimitReader(f, int64(limit)+1))
	return text.String(), err
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
			if plain(text) && len(text) <= s.opt.Limits.LineLength {
				if text == "" {
					continue
				}
				return text, pos, true
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
		case len(f.files) > 0:
			name := f.files[0]
			f.files = f.files[1:]
			s.openIncluded(name, f.check, f.pos)
		case f.again != nil && s.repeat(f.again):
			return f.again.rest, f.pos, true
		case f.text == "":
			s.inputs = s.inputs[:len(s.inputs)-1]
		case f.name == "":
			return trimBlanks(f.cut()), f.pos, true
		default:
			pos := Pos{f.name, f.line + 1}
			return trimBlanks(f.continued()), pos, true
		}
	}
	return "", Pos{}, false
}

// continued takes the next line. A definition goes on where a line ends in a
// backslash; elsewhere that is a part of a word.
func (f *input) continued() string {
	text, more := f.part()
	if !more {
		return text
	}
	if !isDefinition(text) {
		return strings.TrimRight(text, " \t") + `\`
	}
	var whole strings.Builder
	for {
		whole.WriteString(text)
		if !more || f.text == "" {
			return whole.String()
		}
		whole.WriteByte('\n')
		text, more = f.part()
	}
}

// part takes the next line without its comment and the backslash that joins the
// line behind it; more says that there was one.
func (f *input) part() (text string, more bool) {
	text = f.cut()
	if plain(text) {
		return text, false
	}
	text = strings.TrimRight(stripComment(text), " \t\v\f\r")
	if more = endsInBackslash(text); more {
		text = text[:len(text)-1]
	}
	return text, more
}

// trimBlanks is s without the white space around it; only ASCII has any.
func trimBlanks(s string) string { return strings.Trim(s, " \t\n\v\f\r") }

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
		if !holds || s.define(rest) || s.repeats(rest, pos) {
			return ""
		}
		if text = s.substitute(rest, pos, &count); s.err != nil {
			return ""
		}
		text = trimBlanks(text)
		if !strings.HasPrefix(text, "@") && !isDefinition(text) && !isRepetition(text) {
			break
		}
	}
	if _, _, ok := includeLine(text); ok {
		word, _, _ := strings.Cut(text, " ")
		s.diags.add(pos, Error, word, "is not possible in a conditional or substituted line; give it a line of its own")
		return ""
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
			return s[:i], trimBlanks(s[i:])
		}
	}
	return s, ""
}
