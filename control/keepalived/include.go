package keepalived

import (
	"path/filepath"
	"strings"
)

// includeCheck says what makes an include an error rather than a note.
type includeCheck uint8

const (
	checkNone     includeCheck = 0
	checkReadable includeCheck = 1 << iota // a file cannot be read
	checkMatch                             // a plain name names no file
	checkWildcard                          // a pattern matches nothing
	checkBrace                             // an alternative in braces names no file
	checkAll      = checkReadable | checkMatch | checkWildcard | checkBrace
)

// Bounds of one include: what its braces may make, and the bytes of its name.
const (
	maxAlternatives = 256
	maxIncludeArg   = 4096
)

// includeLine reports whether text is an include, and what of.
func includeLine(text string) (check includeCheck, arg string, ok bool) {
	if !strings.HasPrefix(text, "include") {
		return 0, "", false // as most lines
	}
	word, arg := cutSpace(text)
	switch word {
	case "include":
		check = checkNone
	case "includer":
		check = checkReadable
	case "includem":
		check = checkMatch
	case "includew":
		check = checkWildcard
	case "includeb":
		check = checkBrace
	case "includea":
		check = checkAll
	default:
		return 0, "", false
	}
	return check, arg, true
}

// include makes the files arg names the source of the next lines. A relative
// name starts at the folder of the including file.
func (s *source) include(check includeCheck, arg string, pos Pos) {
	if strings.HasPrefix(arg, `"`) || strings.HasPrefix(arg, "'") {
		if toks, wrong := split(nil, strings.ReplaceAll(arg, "'", `"`)); wrong == 0 && len(toks) == 1 {
			arg = toks[0].word
		}
	}
	if arg == "" {
		s.diags.add(pos, Error, "include", "needs the name of a file")
		return
	}
	if len(arg) > maxIncludeArg {
		s.diags.add(pos, Error, "include", "the name is longer than %d bytes", maxIncludeArg)
		return
	}
	if !filepath.IsAbs(arg) {
		arg = filepath.Join(filepath.Dir(s.file().name), arg)
	}
	patterns, ok := expandBraces(arg)
	if !ok {
		s.diags.add(pos, Error, "include", "the braces make more than %d names", maxAlternatives)
		return
	}
	var files []string
	for _, p := range patterns {
		files = append(files, s.glob(p, len(patterns) > 1, check, pos)...)
	}
	s.inputs = append(s.inputs, input{files: files, pos: pos, check: check})
}

// glob is the files pattern names; braced says that it is one of several.
func (s *source) glob(pattern string, braced bool, check includeCheck, pos Pos) []string {
	if !strings.ContainsAny(pattern, "*?[") {
		return []string{pattern}
	}
	found, err := s.opt.Files.Glob(pattern)
	if err != nil {
		s.diags.add(pos, Error, "include", "%s: %v", pattern, err)
		return nil
	}
	// As in the shell, wildcards do not match hidden files: an editor's
	// .lvs.conf.swp is no configuration.
	var files []string
	for _, f := range found {
		if !strings.HasPrefix(filepath.Base(f), ".") || strings.HasPrefix(filepath.Base(pattern), ".") {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		wrong := check&checkWildcard != 0 || braced && check&checkBrace != 0
		s.diags.add(pos, noteUnless(wrong), "include", "%s matches no file", pattern)
	}
	return files
}

func noteUnless(wrong bool) Severity {
	if wrong {
		return Error
	}
	return Note
}

// openIncluded opens one file of an include. A file that is being read already
// is not opened again.
func (s *source) openIncluded(name string, check includeCheck, pos Pos) {
	name = filepath.Clean(name)
	open := 0
	for _, f := range s.inputs {
		if f.name == "" {
			continue
		}
		if open++; f.name == name {
			s.diags.add(pos, Error, "include", "%s includes itself: the files include each other in a circle", name)
			return
		}
	}
	if open >= s.opt.Limits.IncludeDepth {
		s.diags.add(pos, Error, "include", "%s: more than %d files deep", name, s.opt.Limits.IncludeDepth)
		return
	}
	if err := s.open(name); err != nil {
		wrong := check&(checkReadable|checkMatch|checkBrace) != 0
		s.diags.add(pos, noteUnless(wrong), "include", "the file is passed over: %v", err)
	}
}

// expandBraces expands {a,b} in pattern as the shell does: outermost
// braces first, from left to right. It is false when that is too much.
func expandBraces(pattern string) ([]string, bool) {
	todo, done := []string{pattern}, []string(nil)
	for steps := 0; len(todo) > 0; steps++ {
		if steps > 4*maxAlternatives || len(todo)+len(done) > maxAlternatives {
			return nil, false
		}
		p := todo[0]
		todo = todo[1:]
		prefix, alternatives, suffix := cutBraces(p)
		if len(alternatives) > maxAlternatives {
			return nil, false
		}
		if alternatives == nil {
			done = append(done, p)
			continue
		}
		var made []string
		for _, a := range alternatives {
			made = append(made, prefix+a+suffix)
		}
		todo = append(made, todo...)
	}
	return done, true
}

// cutBraces cuts p at its first pair of braces that closes. Without one there
// are no alternatives.
func cutBraces(p string) (prefix string, alternatives []string, suffix string) {
	start := strings.IndexByte(p, '{')
	if start < 0 {
		return p, nil, ""
	}
	depth, from := 0, start+1
	for i := start; i < len(p); i++ {
		switch p[i] {
		case '{':
			depth++
		case ',':
			if depth == 1 {
				alternatives = append(alternatives, p[from:i])
				from = i + 1
			}
		case '}':
			if depth--; depth == 0 {
				return p[:start], append(alternatives, p[from:i]), p[i+1:]
			}
		}
	}
	return p, nil, ""
}
