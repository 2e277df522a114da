package script

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSplitCaseByCase(t *testing.T) {
	for _, c := range []struct {
		line string
		want []string
		err  error
	}{
		{"", nil, nil},
		{" \t ", nil, nil},
		{"/bin/true", []string{"/bin/true"}, nil},
		{" a  b\tc ", []string{"a", "b", "c"}, nil},
		{`a 'b c' "d e"`, []string{"a", "b c", "d e"}, nil},
		{`a ''`, []string{"a", ""}, nil},
		{`a""b`, []string{"ab"}, nil},
		{`a\ b`, []string{"a b"}, nil},
		{`a "b\"c" '\d'`, []string{"a", `b"c`, `\d`}, nil},
		{`$HOME;x|y > z`, []string{"$HOME;x|y", ">", "z"}, nil},
		{`a 'b`, nil, ErrQuote},
		{`a "b`, nil, ErrQuote},
		{`a \`, nil, ErrQuote},
		{"größe 'ü ö'", []string{"größe", "ü ö"}, nil},
	} {
		got, err := Split(c.line)
		if !slices.Equal(got, c.want) || !errors.Is(err, c.err) {
			t.Errorf("Split(%q) = %q, %v; want %q, %v", c.line, got, err, c.want, c.err)
		}
	}
}

func TestSplitGivesBackWhatWasQuoted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.StringMatching(`[a-c '"\\	]*`)).Draw(t, "words")
		var line strings.Builder
		for _, w := range words {
			if rapid.Bool().Draw(t, "apostrophes") {
				line.WriteString("'" + strings.ReplaceAll(w, "'", `'\''`) + "' ")
			} else {
				line.WriteString(`"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(w) + `" `)
			}
		}
		if got, err := Split(line.String()); err != nil || !slices.Equal(got, words) {
			t.Fatalf("Split(%q) = %q, %v; want %q", line.String(), got, err, words)
		}
	})
}
