package keepalived

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// printTree writes nodes as configuration text that parses to the same nodes,
// except for their Pos: one keyword a line, blocks indented by four blanks, an
// empty line around the blocks at the top, quotes only where they are needed.
func printTree(w io.Writer, nodes []*Node) error {
	b := bufio.NewWriter(w)
	printNodes(b, nodes, 0)
	return b.Flush()
}

// printNodes leaves errors to b, which keeps the first one for Flush.
func printNodes(b *bufio.Writer, nodes []*Node, depth int) {
	indent := strings.Repeat("    ", depth)
	for i, n := range nodes {
		if depth == 0 && i > 0 && (n.HasBlock || nodes[i-1].HasBlock) {
			b.WriteByte('\n')
		}
		b.WriteString(indent)
		quotes := quotesBehind(n.Keyword)
		if _, _, include := includeLine(n.Keyword); include || n.Keyword != "" && strings.ContainsRune("@~$", rune(n.Keyword[0])) {
			b.WriteString(`"` + n.Keyword + `"`)
		} else {
			b.WriteString(quoteIfNeeded(n.Keyword, ordinary))
		}
		for _, a := range n.Args {
			b.WriteByte(' ')
			b.WriteString(quoteIfNeeded(a, quotes))
		}
		if n.HasBlock {
			b.WriteString(" {\n")
			printNodes(b, n.Children, depth+1)
			b.WriteString(indent + "}")
		}
		b.WriteByte('\n')
	}
}

// quoteIfNeeded is word as it must be written to be read as one word.
func quoteIfNeeded(word string, q quotes) string {
	if q == ordinary {
		// A backslash alone at the end of a line belongs to the word before it.
		if plainWord(word, "\"#!{}$") && word != `\` {
			return word
		}
		return `"` + word + `"` // in which nothing is special
	}
	if plainWord(word, "\"'#!{}\\$") {
		return word
	}
	return quote(word)
}

// plainWord reports whether word can be written as it is, where the bytes of
// special are special.
func plainWord(word, special string) bool {
	for _, r := range word {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) || r == utf8.RuneError || strings.ContainsRune(special, r) {
			return false
		}
	}
	return word != ""
}

// quote is word in double quotes, as a command is written.
func quote(word string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(word); {
		r, n := utf8.DecodeRuneInString(word[i:])
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteByte(byte(r))
		case r == '$', !unicode.IsGraphic(r), r == utf8.RuneError:
			// A "$" could be a definition's, and octal escapes have an end.
			for _, c := range []byte(word[i : i+n]) {
				fmt.Fprintf(&b, `\%03o`, c)
			}
		default:
			b.WriteString(word[i : i+n])
		}
		i += n
	}
	b.WriteByte('"')
	return b.String()
}
