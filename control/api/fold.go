package api

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"
)

// leastColumn is how narrow a column of folded text may be.
const leastColumn = 20

// foldIndent is how far the rest of a line is indented that has no column.
const foldIndent = 4

// A texter prints itself for people, on lines of any length.
type texter interface{ WriteText(io.Writer) error }

// A screener prints itself for people on a screen so many columns wide.
type screener interface {
	WriteScreen(out io.Writer, width int) error
}

// WriteScreen writes t for a screen of width columns: no line is longer, so that
// the screen need not break any. Width 0 is one without an end.
func WriteScreen(out io.Writer, t texter, width int) error {
	if width <= 0 {
		return t.WriteText(out)
	}
	var b bytes.Buffer
	write := t.WriteText
	if s, ok := t.(screener); ok {
		write = func(out io.Writer) error { return s.WriteScreen(out, width) }
	}
	if err := write(&b); err != nil {
		return err
	}
	var folded strings.Builder
	for line := range strings.Lines(b.String()) {
		fold(&folded, strings.TrimRight(line, " \n"), width)
	}
	_, err := io.WriteString(out, folded.String())
	return err
}

// fold writes a line in parts of at most width columns, broken at blanks. The rest
// stands below the line's last column, or is indented.
func fold(b *strings.Builder, line string, width int) {
	rest, indent := []rune(line), ""
	for len(rest) > width-len(indent) {
		cut := breakAt(rest, width-len(indent))
		b.WriteString(indent + strings.TrimRight(string(rest[:cut]), " ") + "\n")
		rest = []rune(strings.TrimLeft(string(rest[cut:]), " "))
		indent = strings.Repeat(" ", hanging(line, width))
	}
	b.WriteString(indent + string(rest) + "\n")
}

// breakAt is where text is broken that has room for so many characters: at the last
// blank there, or in a word that is too long for any line.
func breakAt(text []rune, room int) int {
	for cut := room; cut > 0; cut-- {
		if text[cut] == ' ' && strings.TrimSpace(string(text[:cut])) != "" {
			return cut
		}
	}
	return max(room, 1)
}

// hanging is where the rest of a folded line begins.
func hanging(line string, width int) int {
	at := strings.LastIndex(strings.TrimRight(line, " "), "  ")
	column := 0
	if at >= 0 {
		column = utf8.RuneCountInString(line[:at]) + 2
	}
	if blanks := len(line) - len(strings.TrimLeft(line, " ")); column <= blanks {
		column = blanks + foldIndent
	}
	if width-column < leastColumn {
		column = foldIndent
	}
	return min(column, max(width-1, 0))
}
