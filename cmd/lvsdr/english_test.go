package main

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A phrase is an expression that a native reader has to read twice.
type phrase struct {
	name    string
	has     string         // words of which each match has one, in lower case or as they are written, with | between
	re      *regexp.Regexp // over text whose lines are joined; group 1, if there is one, is what is reported
	instead string         // what to write
	bad     string         // an example that the expression finds
	good    string         // the same in plain words
}

// opens matches the start of a sentence.
const opens = `(?:^|[.!?] +)`

// phrases is the list of expressions that no comment, text or document contains.
var phrases = []phrase{
	{"begin as a noun", "begin", regexp.MustCompile(`(?i)\b(?:the|a|its|each|every|no) begin\b|\bbegin of\b`),
		"start, first packet, SYN", "TCP, not the begin of a connection", "TCP segment that does not begin a connection"},
	{"as ever", "as ever", regexp.MustCompile(`(?i)\bas ever\b`),
		"name what happens", "frames go as ever", "frames are sent with sendmmsg"},
	{"mend", "mend", regexp.MustCompile(`(?i)\bmend(?:s|ed|ing)?\b`),
		"fix, remedy, repair", "what mends it", "how to fix it"},
	{"held against", "against", regexp.MustCompile(`(?i)\b(?:holds?|held) (?:\w+ )?against\b`),
		"compared with, checked against, overrides", "the table is held against a map", "the table is compared with a map"},
	{"of in front", "Of ", regexp.MustCompile(`(` + opens + `Of (?:an?|one|the|each|all|several|two|these|those|this|what|whatever|others?|more|such)\b)`),
		"for X, or the verb first", "Seen. Of one client, explain says it.", "For a single client, explain says it."},
	{"who as a subject", "Who", regexp.MustCompile(`(` + opens + `Who(?:ever)? (?:[a-z]+s|can|may|does|wants?|reads?|makes?|had)\b)[^?.]*(?:[.;]|$)`),
		"a host that, a caller that, if X", "Who sleeps for that long uses a fifth.", "A caller that sleeps for that long uses a fifth. Who has the VIP?"},
	{"nobody as a subject", "Nobody", regexp.MustCompile(`(` + opens + `Nobody (?:[a-z]+s|can|may|could)\b)`),
		"no host, no caller, nothing", "A test. Nobody listens there.", "A test. No process listens there."},
	{"nobody uses", "nobody", regexp.MustCompile(`(?i)\b(?:that|which|what|whom) nobody [a-z]+s\b`),
		"unused, unknown, no host, no process", "an address that nobody has", "an unused address"},
	{"so for in this way", " so", regexp.MustCompile(`(?i)\b((?:reached|sent|taken|kept|made|served|send|sends|leave|leaves|offers|counted|read|reads|found|asked|built|written|named|called|listed|stored|left|shown|tested|checked|measured|put|given|used|run|runs|held|drawn|printed) so)(?:[.,;:)]|$| (?:by|in|from|to|with|and|at|on|here|there|too|only|until|before|after|when|for)\b)`),
		"this way, like this", "a server behind a router cannot be reached so; it is left out", "a server behind a router cannot be reached this way; it is left out"},
	{"so and so fast again", "half as", regexp.MustCompile(`(?i)\bhalf as \w+ again\b`),
		"1.5 times as", "half as fast again", "1.5 times as fast"},
	{"the ordinary way", "ordinary way", regexp.MustCompile(`(?i)\bthe ordinary way\b`),
		"name the way", "batches go the ordinary way", "batches are sent with sendmmsg"},
	{"make room", "make room", regexp.MustCompile(`(?i)\b(?:had|have) to make room\b`),
		"evicted", "3 had to make room", "3 evicted"},
	{"deaf", "deaf", regexp.MustCompile(`(?i)\bdeaf\b`),
		"no ARP reply", "the server is deaf", "the server does not answer ARP"},
	{"whole number seconds", "whole number", regexp.MustCompile(`(?i)\bwhole number seconds\b`),
		"a whole number of seconds", "whole number seconds", "a whole number of seconds"},
	{"come by", "not come by", regexp.MustCompile(`(?i)\b(?:does|do|did) not come by\b`),
		"pass through", "answers do not come by", "answers do not pass through the director"},
	{"is no news", "no news", regexp.MustCompile(`(?i)\bis no news\b`),
		"name the error that is expected", "that it was killed is no news", "its error is that it was killed"},
	{"clock on the wall", "on the wall", regexp.MustCompile(`(?i)\bclock on the wall\b`),
		"wall-clock time", "rungs go by the clock on the wall", "rungs measure wall-clock time"},
	{"no more for a verb", "no more", regexp.MustCompile(`(?i)\b(?:counts?|asked|looked for) no more\b`),
		"is ignored, no longer", "a template that is left over is asked no more", "a template that is left over is ignored; there is no more"},
	{"for who", "for who", regexp.MustCompile(`(?i)\bfor who(?:ever)? [a-z]+s\b`),
		"for people who, for a caller that", "a comment for who reads a capture", "a comment for people who read a capture"},
	{"to and fro", "to and fro", regexp.MustCompile(`(?i)\bto and fro\b`),
		"switches between", "clients go to and fro between them", "clients switch between them"},
	{"nobody's way", "nobody's", regexp.MustCompile(`(?i)\bin nobody's way\b`),
		"does no harm", "it is in nobody's way", "it does no harm"},
	{"too much for the rest", "too much", regexp.MustCompile(`(?i)\bremoves? what is too much\b`),
		"removes the rest", "adds what is missing, then removes what is too much", "adds what is missing, then removes the rest"},
	{"defined by what", " what| who", regexp.MustCompile(`(^[A-Za-z.0-9]+(?: [A-Za-z]+){0,2} (?:is|are) (?:what|whom?)\b)`),
		"name the kind of thing: the number of, the host that, the text of", "A Wish is what an interface shall do.", "A Wish is the desired state of an interface. That is what it does."},
}

// A passage is a piece of text of the tree: a comment, a string, a paragraph.
type passage struct {
	file string // from the module's root
	line int    // of its first line
	text string // with its line ends
}

// goPassages returns the comments and strings of a Go file. Comments on
// consecutive lines are one passage.
func goPassages(file string, src []byte) []passage {
	fset := token.NewFileSet()
	f := fset.AddFile(file, -1, len(src))
	var s scanner.Scanner
	s.Init(f, src, nil, scanner.ScanComments)
	var all []passage
	last := -1 // line of the // comment before
	for {
		pos, tok, lit := s.Scan()
		if tok == token.EOF {
			return all
		}
		line := f.Line(pos)
		switch {
		case tok == token.COMMENT && strings.HasPrefix(lit, "//"):
			text := strings.TrimSpace(strings.TrimPrefix(lit, "//"))
			if line == last+1 && text != "" {
				all[len(all)-1].text += "\n" + text
			} else {
				all = append(all, passage{file, line, text})
			}
			last = line
			if text == "" {
				last = -1 // an empty line ends a paragraph
			}
		case tok == token.COMMENT:
			all = append(all, passage{file, line, strings.Trim(lit, "/* ")})
		case tok != token.STRING:
			last = -1
		default:
			last = -1
			text, err := strconv.Unquote(lit)
			if err != nil {
				text = lit
			}
			all = append(all, paragraphs(file, line, text)...)
		}
	}
}

// paragraphs returns the pieces of a text between empty lines. Items of a list
// and cells of a table are pieces too.
func paragraphs(file string, line int, text string) []passage {
	var all []passage
	open := false
	for i, l := range strings.Split(text, "\n") {
		t := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(l), "#"))
		item := strings.HasPrefix(t, "* ") || strings.HasPrefix(t, "- ")
		cells := strings.HasPrefix(t, "|")
		switch {
		case t == "":
			open = false
		case cells:
			for _, c := range strings.Split(t, "|") {
				all = append(all, passage{file, line + i, strings.TrimSpace(c)})
			}
			open = false
		case open && !item:
			all[len(all)-1].text += "\n" + t
		default:
			all = append(all, passage{file, line + i, strings.TrimLeft(t, "*- ")})
			open = true
		}
	}
	return all
}

// A finding is a phrase in a passage.
type finding struct {
	phrase
	line  int
	found string
}

// find returns the phrases that a passage contains.
func (p passage) find() []finding {
	var all []finding
	text := strings.ReplaceAll(p.text, "\n", " ")
	lower := strings.ToLower(text)
	for _, ph := range phrases {
		if !ph.possible(text, lower) {
			continue
		}
		for _, at := range ph.re.FindAllStringSubmatchIndex(text, -1) {
			if len(at) > 2 && at[2] >= 0 {
				at = at[2:]
			}
			all = append(all, finding{ph, p.line + strings.Count(p.text[:at[0]], "\n"), text[at[0]:min(len(text), at[1]+50)]})
		}
	}
	return all
}

// possible reports whether the phrase can be in a text: its expression costs more
// than to look for a word.
func (ph phrase) possible(text, lower string) bool {
	for word := range strings.SplitSeq(ph.has, "|") {
		if strings.Contains(lower, word) || strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// passages returns all texts of the tree that people read.
func passages(t *testing.T) []passage {
	t.Helper()
	var all []passage
	err := filepath.WalkDir(moduleRoot, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == "testdata" || d.Name() == ".git" {
				return filepath.SkipDir
			}
			return nil
		}
		rel, err := filepath.Rel(moduleRoot, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		isGo, isText := path.Ext(rel) == ".go", path.Ext(rel) == ".md" || rel == ".ci/run"
		if !isGo && !isText || rel == "cmd/lvsdr/english_test.go" {
			return nil
		}
		b, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if isGo {
			all = append(all, goPassages(rel, b)...)
		} else {
			all = append(all, paragraphs(rel, 1, string(b))...)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 1000 {
		t.Fatalf("only %d passages were found from %s", len(all), moduleRoot)
	}
	return all
}

func TestTextsAreInPlainEnglish(t *testing.T) {
	for _, p := range passages(t) {
		for _, f := range p.find() {
			t.Errorf("%s:%d: %q (%s): write %s", p.file, f.line, f.found, f.name, f.instead)
		}
	}
}

func TestEachPhraseIsFound(t *testing.T) {
	for _, ph := range phrases {
		t.Run(ph.name, func(t *testing.T) {
			named := func(text string) bool {
				return slices.ContainsFunc(passage{text: text}.find(), func(f finding) bool { return f.name == ph.name })
			}
			if !named(ph.bad) {
				t.Errorf("%q is not found in %q", ph.re, ph.bad)
			}
			if named(ph.good) {
				t.Errorf("%q is found in %q", ph.re, ph.good)
			}
		})
	}
}

func TestPassagesOfAGoFile(t *testing.T) {
	src := "package x\n\n// One comment\n// of two lines.\n//\n// Another.\nvar mend = \"a string\\n\\nof two\" // beside it\n/* old */\n"
	want := []passage{{"x.go", 3, "One comment\nof two lines."}, {"x.go", 5, ""}, {"x.go", 6, "Another."},
		{"x.go", 7, "a string"}, {"x.go", 9, "of two"}, {"x.go", 7, "beside it"}, {"x.go", 8, "old"}}
	if got := goPassages("x.go", []byte(src)); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestPassagesOfADocument(t *testing.T) {
	src := "# Title\n\nTwo\nlines.\n* an item\n  that goes on\n| a | b |\n"
	want := []passage{{"d.md", 1, "Title"}, {"d.md", 3, "Two\nlines."}, {"d.md", 5, "an item\nthat goes on"},
		{"d.md", 7, ""}, {"d.md", 7, "a"}, {"d.md", 7, "b"}, {"d.md", 7, ""}}
	if got := paragraphs("d.md", 1, src); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}
