package keepalived

// A Node is one line of a configuration: a keyword, its arguments, and the
// block behind them if there is one.
type Node struct {
	Keyword  string
	Args     []string
	Children []*Node // the lines of the block
	HasBlock bool    // also true for an empty block
	Pos      Pos
	// torn says that a quote in a command is not closed. Then the value is wrong and
	// not missing, as keepalived has it.
	torn bool
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
	for _, o := range b.blocks {
		s.diags.add(o.node.Pos, Error, o.node.Keyword, `the block that starts here is not closed; a "}" is missing`)
	}
	for len(b.blocks) > 0 {
		b.close()
	}
	return b.siblings, s.diags, nil
}

// A builder makes the tree. It keeps the blocks that are open in lists, so that
// no nesting costs stack.
type builder struct {
	blocks []openBlock // outermost first
	// siblings are the nodes at the top, then those of each block that is open.
	siblings []*Node
	// braces has one entry for each "{" that is open. It is false when the
	// brace was a mistake: the lines inside belong to the block around it.
	braces []bool
	last   *Node // the node a "{" at the start of the next line belongs to
	limit  int
	diags  *Diagnostics

	toks  []token  // of a line
	words []string // of a node
	torn  bool     // the line

	nodes slab[Node]
	lists slab[*Node]
	args  slab[string]
}

// An openBlock is a block whose end was not seen yet.
type openBlock struct {
	node  *Node
	first int // of its nodes in siblings
}

func (b *builder) line(text string, pos Pos) {
	toks, wrong := split(b.toks[:0], text)
	b.toks, b.words, b.torn = toks, b.words[:0], wrong&openQuote != 0
	for _, t := range toks {
		switch t.brace {
		case 0:
			b.words = append(b.words, t.word)
		case '{':
			b.node(pos)
			b.begin(pos)
		case '}':
			b.node(pos)
			b.end(pos)
		}
	}
	b.node(pos)
	if wrong == 0 {
		return
	}
	keyword := ""
	if len(toks) > 0 {
		keyword = toks[0].word
	}
	if wrong&openQuote != 0 {
		b.diags.add(pos, Error, keyword, "a quote is not closed; what it starts is left out")
	}
	if wrong&undefined != 0 {
		b.diags.add(pos, Error, keyword, "%s is not defined, or has several lines and is not the last of its line; it stays as it is written", firstReference(text))
	}
	if wrong&foreignSpace != 0 {
		b.diags.add(pos, Note, keyword, "a space that is not ASCII is read as a blank; keepalived takes it as a part of the word: write a blank")
	}
}

// node adds the node that the words make, if there are any.
func (b *builder) node(pos Pos) {
	if len(b.words) == 0 {
		return
	}
	n := b.nodes.one()
	n.Keyword, n.Args, n.Pos = b.words[0], b.args.copy(b.words[1:]), pos
	n.torn = b.torn && quotesBehind(n.Keyword) != ordinary
	b.siblings = append(b.siblings, n)
	b.last, b.words = n, b.words[:0]
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
		b.blocks = append(b.blocks, openBlock{n, len(b.siblings)})
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
		b.close()
	}
	b.braces = b.braces[:len(b.braces)-1]
}

// close ends the innermost block.
func (b *builder) close() {
	block := b.blocks[len(b.blocks)-1]
	b.blocks = b.blocks[:len(b.blocks)-1]
	block.node.Children = b.lists.copy(b.siblings[block.first:])
	b.siblings = b.siblings[:block.first]
}
