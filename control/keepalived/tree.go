package keepalived

// A Node is one line of a configuration: a keyword, its arguments, and the
// block behind them if there is one.
type Node struct {
	Keyword  string
	Args     []string
	Children []*Node // the lines of the block
	HasBlock bool    // also true for an empty block
	Pos      Pos
}

// Parse reads the configuration in the named file, and what it includes, into a
// tree. What is wrong with quotes, braces and includes is reported and read as
// well as it can be. The error is not nil when a file cannot be read or a limit
// is passed; the reports then end with a Fatal one.
func Parse(name string, opt Options) ([]*Node, Diagnostics, error) {
	s := newSource(name, opt.withDefaults())
	b := builder{limit: s.opt.Limits.Nesting, diags: &s.diags}
	for {
		text, pos, ok := s.line()
		if !ok {
			break
		}
		b.line(text, pos)
	}
	if s.err != nil {
		s.diags.add(Pos{File: name}, Fatal, "", "%v", s.err)
		return nil, s.diags, s.err
	}
	for _, n := range b.blocks {
		s.diags.add(n.Pos, Error, n.Keyword, `the block that starts here is not closed; a "}" is missing`)
	}
	return b.top, s.diags, nil
}

// A builder makes the tree. It keeps the blocks that are open in lists, so that
// no nesting costs stack.
type builder struct {
	top    []*Node
	blocks []*Node // that are open, outermost first
	// braces has one entry for each "{" that is open. It is false when the
	// brace was a mistake: the lines inside belong to the block around it.
	braces []bool
	last   *Node // the node a "{" at the start of the next line belongs to
	limit  int
	diags  *Diagnostics
}

func (b *builder) line(text string, pos Pos) {
	toks, matched := split(text)
	var words []string
	for _, t := range toks {
		switch t.brace {
		case 0:
			words = append(words, t.word)
			continue
		case '{':
			b.words(words, pos)
			b.begin(pos)
		case '}':
			b.words(words, pos)
			b.end(pos)
		}
		words = nil
	}
	b.words(words, pos)
	if !matched {
		keyword := ""
		if len(toks) > 0 {
			keyword = toks[0].word
		}
		b.diags.add(pos, Error, keyword, "a quote is not closed; it ends with the line")
	}
}

// words adds the node the words make, if there are any.
func (b *builder) words(words []string, pos Pos) {
	if len(words) == 0 {
		return
	}
	n := &Node{Keyword: words[0], Pos: pos}
	if len(words) > 1 {
		n.Args = words[1:]
	}
	siblings := &b.top
	if len(b.blocks) > 0 {
		siblings = &b.blocks[len(b.blocks)-1].Children
	}
	*siblings = append(*siblings, n)
	b.last = n
}

func (b *builder) begin(pos Pos) {
	n := b.last
	b.last = nil
	switch {
	case n == nil:
		b.diags.add(pos, Error, "{", "unexpected: there is no keyword before it")
	case len(b.blocks) >= b.limit:
		b.diags.add(pos, Error, n.Keyword, "blocks are nested deeper than %d", b.limit)
		n = nil
	default:
		n.HasBlock = true
		b.blocks = append(b.blocks, n)
	}
	b.braces = append(b.braces, n != nil)
}

func (b *builder) end(pos Pos) {
	b.last = nil
	if len(b.braces) == 0 {
		b.diags.add(pos, Error, "}", `unexpected: there is no "{" that it closes`)
		return
	}
	if b.braces[len(b.braces)-1] {
		b.blocks = b.blocks[:len(b.blocks)-1]
	}
	b.braces = b.braces[:len(b.braces)-1]
}
