package trace

import (
	"errors"
	"fmt"
	"strings"

	"lvsdr/dataplane"
)

// A Match says whether a frame is wanted. It neither blocks nor allocates.
type Match = func(*dataplane.Traced) bool

// maxFilter is the greatest length of a filter, bytes: it bounds what a frame
// costs, and the depth of the parser.
const maxFilter = 1000

// Parse reads a filter. An empty one matches everything.
func Parse(text string) (Match, error) {
	if len(text) > maxFilter {
		return nil, fmt.Errorf("a filter has at most %d bytes, this one has %d", maxFilter, len(text))
	}
	p := parser{words: strings.Fields(strings.NewReplacer("(", " ( ", ")", " ) ").Replace(text))}
	if len(p.words) == 0 {
		return func(*dataplane.Traced) bool { return true }, nil
	}
	m, err := p.or()
	if err == nil && len(p.words) > 0 {
		err = fmt.Errorf("%q: want `and` or `or` before it", p.words[0])
	}
	if err != nil {
		return nil, fmt.Errorf("filter %q: %w", text, err)
	}
	return m, nil
}

// A parser has the words that are left.
type parser struct{ words []string }

// next takes the next word; empty: there is none.
func (p *parser) next() string {
	if len(p.words) == 0 {
		return ""
	}
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

// accept takes the next word if it is w.
func (p *parser) accept(w string) bool {
	if len(p.words) == 0 || p.words[0] != w {
		return false
	}
	p.words = p.words[1:]
	return true
}

// or is one filter or several with "or" between them.
func (p *parser) or() (Match, error) {
	return p.joined("or", p.and, func(a, b Match) Match {
		return func(f *dataplane.Traced) bool { return a(f) || b(f) }
	})
}

// and is one filter or several with "and" between them.
func (p *parser) and() (Match, error) {
	return p.joined("and", p.not, func(a, b Match) Match {
		return func(f *dataplane.Traced) bool { return a(f) && b(f) }
	})
}

// joined is one operand or several with word between them, joined from the
// left.
func (p *parser) joined(word string, operand func() (Match, error), join func(a, b Match) Match) (Match, error) {
	m, err := operand()
	for err == nil && p.accept(word) {
		var right Match
		right, err = operand()
		m = join(m, right)
	}
	return m, err
}

// not is a test, one that is negated, or a filter in parentheses.
func (p *parser) not() (Match, error) {
	if p.accept("not") {
		m, err := p.not()
		return func(f *dataplane.Traced) bool { return !m(f) }, err
	}
	if p.accept("(") {
		m, err := p.or()
		if err == nil && !p.accept(")") {
			err = errors.New("a parenthesis is not closed")
		}
		return m, err
	}
	return p.test()
}

// test is a word and its value.
func (p *parser) test() (Match, error) {
	word := p.next()
	read := reader(word)
	switch {
	case word == "":
		return nil, errors.New("it ends too early")
	case read == nil:
		return nil, fmt.Errorf("%q is none of its words: host, src, dst, server, port, proto, verdict, reason, and, or, not", word)
	}
	value := p.next()
	if value == "" {
		return nil, fmt.Errorf("%s wants a value", word)
	}
	m, err := read(value)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", word, value, err)
	}
	return m, nil
}
