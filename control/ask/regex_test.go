package ask

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

// The verdicts are those that pcre2pattern(3) and pcre2api(3) ask for.
func TestABodyMatchesAsWithPCRE2(t *testing.T) {
	for _, c := range []struct {
		name  string
		regex Regex
		body  string
		want  bool
	}{
		{"a part is enough", Regex{Pattern: "OK"}, "all OK here", true},
		{"upper and lower case count", Regex{Pattern: "OK"}, "ok", false},
		{"unless caseless", Regex{Pattern: "OK", Options: "caseless"}, "ok", true},
		{"$ is the end", Regex{Pattern: "^OK$"}, "OK", true},
		{"$ is also before a newline that ends the body", Regex{Pattern: "^OK$"}, "OK\n", true},
		{"but not before another", Regex{Pattern: "^OK$"}, "OK\nno", false},
		{"dollar_endonly: $ is the end alone", Regex{Pattern: "^OK$", Options: "dollar_endonly"}, "OK\n", false},
		{"multiline: $ is before each newline", Regex{Pattern: "^b$", Options: "multiline"}, "a\nb\nc", true},
		{"a $ that is escaped is a dollar", Regex{Pattern: `1\$`}, "1$", true},
		{"so is one in a class", Regex{Pattern: "1[$]2[]$]3[^]$]"}, "1$2]34", true},
		{". is no newline", Regex{Pattern: "a.b"}, "a\nb", false},
		{"unless dotall", Regex{Pattern: "a.b", Options: "dotall"}, "a\nb", true},
		{"extended: blanks mean nothing", Regex{Pattern: "a b # c", Options: "extended"}, "ab", true},
		{"look ahead", Regex{Pattern: "a(?!b)"}, "ab", false},
		{"look behind", Regex{Pattern: "(?<=b)a"}, "ba", true},
		{"back reference", Regex{Pattern: `(.)\1`}, "xyyx", true},
		{"named group", Regex{Pattern: `(?P<x>.)\k<x>`}, "xyyx", true},
		{"POSIX class", Regex{Pattern: "^[[:alpha:]]+$"}, "abc", true},
		{"a byte that is no ASCII is one character", Regex{Pattern: "^..$"}, "é", true},
		{"with utf it is a part of one", Regex{Pattern: "^.$", Options: "utf"}, "é", true},
		{"bytes that are no UTF-8 are bytes", Regex{Pattern: "\xff\xfe"}, "\x00\xff\xfe", true},
		{"firstline: a match starts in the first line", Regex{Pattern: "b", Options: "firstline"}, "a\nb", false},
		{"and may", Regex{Pattern: "b", Options: "firstline"}, "ab\nb", true},
		{"from an offset on", Regex{Pattern: "a", Min: 1}, "ab", false},
		{"what lies before it can be looked back at", Regex{Pattern: "(?<=a)b", Min: 1}, "ab", true},
		{"up to an offset", Regex{Pattern: "b", Max: 1}, "ab", false},
		{"that counts, too", Regex{Pattern: "b", Max: 2}, "ab", true},
		{"offsets count bytes, with utf too", Regex{Pattern: "b", Options: "utf", Min: 3, Max: 4}, "éab", true},
		{"an offset behind the body", Regex{Pattern: "a", Min: 9}, "a", false},
		{"an empty body matches nothing", Regex{Pattern: "^$"}, "", false},
		{"regex_no_match turns it round", Regex{Pattern: "a", NoMatch: true}, "a", false},
		{"also of an empty body", Regex{Pattern: "a", NoMatch: true}, "", true},
	} {
		p, err := c.regex.Compile()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if got, err := p.Match([]byte(c.body)); got != c.want || err != nil {
			t.Errorf("%s: %v of %q is %v, %v", c.name, &c.regex, c.body, got, err)
		}
	}
}

func TestWhatTheEngineDoesNotKnowIsSaid(t *testing.T) {
	for _, r := range []Regex{
		{Pattern: "a("}, {Pattern: "[a"}, {Pattern: "a++"}, {Pattern: "(?R)"}, {Pattern: "(*ANY)a"},
		{Pattern: "a", Options: "ungreedy"}, {Pattern: "a", Options: "caseless nonsense"},
	} {
		if _, err := r.Compile(); err == nil {
			t.Errorf("%v is accepted", &r)
		}
	}
	for _, name := range []string{"no_auto_capture", "auto_callout", "use_offset_limit"} {
		if _, err := (&Regex{Pattern: "a", Options: name}).Compile(); err != nil || !KnownRegexOption(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if KnownRegexOption("nonsense") || !KnownRegexOption("ungreedy") {
		t.Error("options are not those of keepalived")
	}
}

// A pattern that takes exponential time ends, with an error, and counts as not matched.
func TestAMatchEndsInTime(t *testing.T) {
	p, err := (&Regex{Pattern: `^(\w+\w+)+\1$`}).Compile()
	if err != nil {
		t.Fatal(err)
	}
	p.engine.MatchTimeout = 1 // the engine's clock is coarse, but it ends
	if _, err := p.Match([]byte(strings.Repeat("a", 64) + "!")); !errors.Is(err, ErrMatchTime) {
		t.Errorf("error %v", err)
	}
}

func TestOptionsAreSortedAndOnce(t *testing.T) {
	if got := JoinOptions([]string{"utf", "caseless", "utf"}); got != "caseless utf" {
		t.Errorf("%q", got)
	}
}

// FuzzMatch: whatever a server sends, a match ends, and regex_no_match turns it round.
func FuzzMatch(f *testing.F) {
	var patterns [][2]*Pattern
	for _, r := range []Regex{{Pattern: "^OK$"}, {Pattern: `(a|b)*\d+$`, Options: "caseless utf", Min: 2, Max: 9}, {Pattern: "x.y", Options: "dotall firstline"}} {
		var both [2]*Pattern
		for i := range both {
			r.NoMatch = i == 1
			p, err := r.Compile()
			if err != nil {
				f.Fatal(err)
			}
			both[i] = p
		}
		patterns = append(patterns, both)
	}
	f.Add([]byte("OK\n"))
	f.Add([]byte("ab12"))
	f.Add([]byte("\xff\xfex\ny\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		in := bytes.Clone(body)
		for _, both := range patterns {
			yes, err := both[0].Match(body)
			no, err2 := both[1].Match(body)
			if err == nil && err2 == nil && yes == no {
				t.Fatalf("%v: %v with regex_no_match and without", &both[0].regex, yes)
			}
		}
		if !bytes.Equal(in, body) {
			t.Fatal("the body was changed")
		}
	})
}
