package keepalived

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// isDefinition reports whether text defines something, perhaps on a condition.
func isDefinition(text string) bool {
	text = trimBlanks(text)
	for strings.HasPrefix(text, "@") {
		_, text = cutSpace(text)
	}
	_, _, ok := cutDefinition(text)
	return ok
}

// cutDefinition cuts $NAME=VALUE. There is no white space before the "=", and a
// name does not start with a digit.
func cutDefinition(text string) (name, value string, ok bool) {
	if !strings.HasPrefix(text, "$") {
		return "", "", false
	}
	name, value, ok = strings.Cut(text[1:], "=")
	if !ok || name == "" || '0' <= name[0] && name[0] <= '9' {
		return "", "", false
	}
	for i := 0; i < len(name); i++ {
		if !isName(name[i]) {
			return "", "", false
		}
	}
	return name, value, true
}

// define stores the definition in text and reports whether it is one. The value
// is kept as it is written; what it uses is looked up when it is used.
func (s *source) define(text string) bool {
	name, value, ok := cutDefinition(text)
	if !ok {
		return false
	}
	lines := strings.Split(value, "\n")
	for i, l := range lines {
		lines[i] = trimBlanks(l)
	}
	if len(lines) > 1 && lines[0] == "" {
		lines = lines[1:]
	}
	s.defs[name] = strings.Join(lines, "\n")
	return true
}

// substitute puts definitions into text: ${NAME} anywhere, $NAME where white
// space or the end of the line follows. What is not defined stays. If a value
// has several lines the first is put in, and the others become the next lines;
// where more of text follows it stays too. count is the number of substitutions in the line so
// far.
func (s *source) substitute(text string, pos Pos, count *int) string {
	if len(text) > s.opt.Limits.LineLength {
		s.err = fmt.Errorf("%v: line is longer than %d bytes", pos, s.opt.Limits.LineLength)
		return ""
	}
	for i := 0; i < len(text); {
		n, value, ok := 0, "", false
		if text[i] == '$' {
			n, value, ok = s.use(text[i:])
			// A value of several lines ends the line that uses it.
			ok = ok && (!strings.Contains(value, "\n") || trimBlanks(text[i+n:]) == "")
		}
		if !ok {
			i++
			continue
		}
		first, others, several := strings.Cut(value, "\n")
		if several {
			s.inputs = append(s.inputs, input{text: others, pos: pos})
		}
		text = text[:i] + first + text[i+n:]
		*count++
		s.left -= len(value) + substitutionCost
		if err := s.overrun(len(text), *count); err != nil {
			s.err = fmt.Errorf("%v: put in definitions: %w", pos, err)
			return ""
		}
	}
	return text
}

// overrun is the bound that the definitions have passed, or nil.
func (s *source) overrun(length, count int) error {
	texts := 0
	for i := len(s.inputs) - 1; i >= 0 && s.inputs[i].name == ""; i-- {
		texts++
	}
	switch {
	case count > maxSubstitutions:
		return fmt.Errorf("more than %d in one line", maxSubstitutions)
	case texts > maxTextFrames:
		return fmt.Errorf("nested deeper than %d; does one use itself?", maxTextFrames)
	case length > s.opt.Limits.LineLength:
		return fmt.Errorf("line becomes longer than %d bytes", s.opt.Limits.LineLength)
	case s.left < 0:
		return fmt.Errorf("they make more than %d bytes", s.opt.Limits.TotalSize)
	}
	return nil
}

// use is the length and the value of the definition that s, which starts with
// "$", uses.
func (s *source) use(text string) (n int, value string, ok bool) {
	if strings.HasPrefix(text, "${") {
		end := strings.IndexByte(text, '}')
		if end < 0 {
			return 0, "", false
		}
		value, ok = s.lookup(text[2:end])
		return end + 1, value, ok
	}
	n = 1
	for n < len(text) && isName(text[n]) {
		n++
	}
	if n < len(text) && !isSpace(text[n]) {
		return 0, "", false
	}
	value, ok = s.lookup(text[1:n])
	return n, value, ok
}

// lookup is the value of name, which may be one of the predefined names with
// its arguments.
func (s *source) lookup(name string) (string, bool) {
	if v, ok := s.defs[name]; ok {
		return v, true
	}
	word, arg := cutSpace(name)
	switch word {
	case "_PWD":
		return filepath.Dir(s.file().name), arg == ""
	case "_INSTANCE":
		return s.opt.ConfigID, arg == ""
	case "_HASH":
		return "#", arg == ""
	case "_BANG":
		return "!", arg == ""
	case "_ENV":
		// A value of several lines would be taken for lines of configuration.
		v, ok := s.opt.Env(arg)
		return v, ok && !strings.Contains(v, "\n")
	case "_RANDOM":
		return s.random(arg)
	}
	return "", false
}

// random is a number in [MIN, MAX], by default [0, 32767].
func (s *source) random(arg string) (string, bool) {
	bounds := [2]uint64{0, 32767}
	fields := strings.Fields(arg)
	if len(fields) > len(bounds) {
		return "", false
	}
	for i, f := range fields {
		v, err := strconv.ParseUint(f, 10, 32)
		if err != nil {
			return "", false
		}
		bounds[i] = v
	}
	if bounds[0] > bounds[1] {
		return "", false
	}
	return strconv.FormatUint(bounds[0]+s.opt.Random(bounds[1]-bounds[0]+1), 10), true
}
