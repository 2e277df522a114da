package ask

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// A Regex is a regular expression that a page must match, or must not; the zero Regex asks
// for nothing. It is written for PCRE2, which keepalived uses; a backtracking engine of the same family
// reads it, see Compile for what differs.
type Regex struct {
	Pattern string
	Options string // names of regex_options with a blank between two, sorted, each once
	NoMatch bool   // a match is bad (regex_no_match)
	// Min and Max are the bytes of the body between which a match must start; the
	// first is regex_min_offset, the second is regex_max_offset plus 1, or 0: no limit.
	Min, Max uint32
}

// String is such as `regex "^OK$" regex_options caseless`.
func (r *Regex) String() string {
	var t text
	t.addIf(true, "regex %q", r.Pattern)
	t.addIf(r.Options != "", "regex_options %s", r.Options)
	t.addIf(r.NoMatch, "regex_no_match")
	t.addIf(r.Min != 0, "regex_min_offset %d", r.Min)
	t.addIf(r.Max != 0, "regex_max_offset %d", int64(r.Max)-1)
	return t.Builder.String()
}

// What becomes of the names of regex_options.
const (
	harmless    = regexp2.None // changes how the engine works, or allows what is allowed anyway
	unsupported = regexp2.RegexOptions(1 << 30)
	byMatcher   = regexp2.RegexOptions(1 << 29) // seen to by Compile and Match
)

// regexOption is the meaning of an option for the engine; ok is false if PCRE2, as
// keepalived has it, does not know it.
func regexOption(name string) (o regexp2.RegexOptions, ok bool) {
	switch name {
	case "caseless":
		return regexp2.IgnoreCase, true
	case "multiline":
		return regexp2.Multiline, true
	case "dotall":
		return regexp2.Singleline, true
	case "extended":
		return regexp2.IgnorePatternWhitespace, true
	case "no_auto_capture":
		return regexp2.ExplicitCapture, true
	case "dollar_endonly", "firstline", "utf":
		return byMatcher, true
	case "auto_callout", "dupnames", "never_ucp", "never_utf", "no_auto_possess", "no_dotstar_anchor",
		"no_start_optimize", "never_backslash_c", "use_offset_limit":
		return harmless, true
	case "allow_empty_class", "alt_bsux", "match_unset_backref", "ucp", "ungreedy", "alt_circumflex", "alt_verbnames":
		return unsupported, true
	}
	return 0, false
}

// KnownRegexOption reports whether keepalived knows the option; it passes over others.
func KnownRegexOption(name string) bool {
	_, ok := regexOption(name)
	return ok
}

// JoinOptions is the Options of these names.
func JoinOptions(names []string) string {
	sorted := slices.Sorted(slices.Values(names))
	return strings.Join(slices.Compact(sorted), " ")
}

// A Pattern is a compiled Regex. It may be used concurrently.
type Pattern struct {
	engine *regexp2.Regexp
	regex  Regex
	utf    bool
	first  bool // a match must start in the first line
}

// matchTime bounds one match: a pattern that goes back and forth for longer counts as
// not matched, with an error.
const matchTime = time.Second

// ErrMatchTime says that a match took longer than it may.
var ErrMatchTime = errors.New("the match takes longer than a second")

// Compile makes r ready for Match.
//
// Differences from PCRE2: recursion, (?P=name), \Q...\E, \K, \R, \h, possessive quantifiers, verbs
// such as (*ANY) and the options that are unsupported are errors; caseless folds
// the letters of ISO 8859-1 too.
func (r *Regex) Compile() (*Pattern, error) {
	options := regexp2.RegexOptions(regexp2.RE2)
	p := &Pattern{regex: *r}
	endOnly := false
	for name := range strings.FieldsSeq(r.Options) {
		o, ok := regexOption(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("%q is no option of a regular expression", name)
		case o == unsupported:
			return nil, fmt.Errorf("the option %s is not supported", name)
		case o != byMatcher:
			options |= o
		}
		p.utf, p.first, endOnly = p.utf || name == "utf", p.first || name == "firstline", endOnly || name == "dollar_endonly"
	}
	pattern := runes(r.Pattern, p.utf)
	if options&regexp2.Multiline == 0 && !endOnly {
		pattern = endsBeforeNewline(pattern)
	}
	var err error
	if p.engine, err = regexp2.Compile(string(pattern), options); err != nil {
		return nil, err
	}
	p.engine.MatchTimeout = matchTime
	return p, nil
}

// endsBeforeNewline is pattern where each $ also stands for the place before a newline
// that ends the text, as with PCRE2; for the engine it is the end alone.
func endsBeforeNewline(pattern []rune) []rune {
	var out []rune
	class, first := false, 0 // first is where the first letter of a class would be
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\' && i+1 < len(pattern):
			out = append(out, c)
			i++
		case class:
			class = c != ']' || i == first // ] is a letter where it comes first
		case c == '[':
			class, first = true, i+1
			if i+1 < len(pattern) && pattern[i+1] == '^' {
				first++
			}
		case c == '$':
			out = append(out, []rune(`(?=\n?\z)`)...)
			continue
		}
		out = append(out, pattern[i])
	}
	return out
}

// runes is text as the engine takes it: each byte by itself, so that offsets are those of
// bytes, or with utf each character.
func runes(s string, utf bool) []rune {
	if utf {
		return []rune(s)
	}
	r := make([]rune, len(s))
	for i := range len(s) {
		r[i] = rune(s[i])
	}
	return r
}

// Match reports whether body is as the Regex wants it. An empty body matches nothing, as
// with keepalived.
func (p *Pattern) Match(body []byte) (bool, error) {
	found, err := p.find(string(body))
	return found != p.regex.NoMatch, err
}

// find reports whether there is a match that starts where it may.
func (p *Pattern) find(body string) (bool, error) {
	lo, hi := int(p.regex.Min), len(body)
	if p.regex.Max != 0 {
		hi = min(hi, int(p.regex.Max)-1)
	}
	if body == "" || lo > hi {
		return false, nil
	}
	if nl := strings.IndexByte(body, '\n'); p.first && nl >= 0 {
		hi = min(hi, nl)
	}
	if p.utf { // from bytes to characters
		lo, hi = len([]rune(body[:lo])), len([]rune(body[:hi]))
	}
	m, err := p.engine.FindRunesMatchStartingAt(runes(body, p.utf), lo)
	if err != nil {
		return false, ErrMatchTime // the engine has no other error
	}
	return m != nil && m.Index <= hi, nil
}
