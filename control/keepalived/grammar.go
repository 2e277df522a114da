package keepalived

import (
	"slices"
	"strings"
)

// A status says what becomes of a word.
type status uint8

const (
	used       status = iota
	renamed           // of old releases, read as the word of today; its set says so
	later             // keepalived's, not used yet
	missing           // a check that is not made
	declined          // keepalived takes it, and it asks for what cannot be done here
	noEffect          // keepalived's, about its own processes
	deprecated        // of old releases; keepalived takes it
	refused           // of old releases; keepalived does not know it any more
)

// anyArgs is the greatest number of arguments of a word that takes any.
const anyArgs = 1 << 30

// A word is one keyword of a block: the table of words is the grammar.
type word struct {
	name     string
	status   status
	min, max int // number of arguments
	// set reads the arguments. It is called before the lines of the word's
	// block are read, end after them. Both may be nil.
	set, end func(*reader, *Node)
	block    *block // what the word opens, nil when it opens nothing
	why      string // added to the report about a word that is not used
	// text says that any text is a valid value, also one in apostrophes.
	text bool
	// soft says that keepalived reads on where a value is missing.
	soft bool
}

// A block is the words that are legal between a pair of braces.
type block struct {
	name  string // of the word that opens it; "the outermost level" otherwise
	words []word
	// data says that the lines are no keywords: addresses, routes, names.
	data bool
	// line judges a line of data; nil: any is good.
	line func(*reader, *Node)

	index map[string]*word // words by name; nil: find has not made it yet
}

// find is the word called name, or nil.
func (b *block) find(name string) *word {
	if b.index == nil {
		b.index = make(map[string]*word, len(b.words))
		for i := range slices.Backward(b.words) { // the first of a name counts
			b.index[b.words[i].name] = &b.words[i]
		}
	}
	return b.index[name]
}

// names makes words of status s, with any arguments, of the blank-separated
// names in list.
func names(s status, list string) []word {
	var ws []word
	for _, n := range strings.Fields(list) {
		ws = append(ws, word{name: n, status: s, max: anyArgs})
	}
	return ws
}

// withValue is ws, where the words in list need a value.
func withValue(list string, ws []word) []word {
	names := strings.Fields(list)
	for i := range ws {
		if slices.Contains(names, ws[i].name) {
			ws[i].min = max(ws[i].min, 1)
		}
	}
	return ws
}

// dataBlocks makes words that open blocks of data, which are not used yet.
func dataBlocks(list string) []word {
	ws := names(later, list)
	for i := range ws {
		ws[i].block = &block{name: ws[i].name, data: true}
	}
	return ws
}

// unused is a word that opens a block of words which are not used yet.
func unused(name string, words ...[]word) word {
	return word{name: name, status: later, max: anyArgs, block: &block{name: name, words: slices.Concat(words...)}}
}

// grammar is the table of all words. It is made anew for each Load, so that
// nothing is shared.
func grammar() *block {
	return &block{name: "the outermost level", words: slices.Concat(
		[]word{
			{name: "global_defs", block: &block{name: "global_defs", words: globalWords()}},
			{name: "virtual_server", min: 1, max: 2, set: (*reader).beginService, end: (*reader).endService,
				block: &block{name: "virtual_server", words: serviceWords()}},
			{name: groupWord, min: 1, max: 1, set: (*reader).setGroup, block: &block{name: groupWord, data: true}},
		},
		vrrpBlocks(),
		staticBlocks(),
	)}
}

// elsewhere is the names of the blocks other than b in which name is legal.
func (b *block) elsewhere(root *block, name string) []string {
	var found []string
	var visit func(x *block) // the table is a tree, four blocks deep
	visit = func(x *block) {
		for _, w := range x.words {
			if w.name == name && x.name != b.name && !slices.Contains(found, x.name) {
				found = append(found, x.name)
			}
			if w.block != nil {
				visit(w.block)
			}
		}
	}
	visit(root)
	return found
}

// nearest is the one of names that name was probably meant to be, or "".
func nearest(name string, names []string) string {
	best, found := 1+max(1, len(name)/3), ""
	for _, n := range names {
		if len(n) > len(name)+best || len(name) > len(n)+best {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(n)); d < best {
			best, found = d, n
		}
	}
	return found
}

// distance is the number of bytes to insert, delete, replace or swap with their
// neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	row := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
