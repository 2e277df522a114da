package script

import (
	"errors"
	"strings"
)

// ErrQuote means that a command line has a quotation mark without its partner, or
// ends with a backslash.
var ErrQuote = errors.New("quotation mark without a partner, or a backslash at the end")

// Split is the words of a command line. Blanks separate words; what stands between two
// apostrophes or two quotation marks is one, and the marks go. A backslash takes the
// next character as it is, except between apostrophes. Nothing else has a meaning:
// there is no shell.
func Split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, escaped, open := rune(0), false, false
	for _, c := range line {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, open = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, open = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if open {
				words = append(words, word.String())
			}
			word.Reset()
			open = false
		default:
			word.WriteRune(c)
			open = true
		}
	}
	if quote != 0 || escaped {
		return nil, ErrQuote
	}
	if open {
		words = append(words, word.String())
	}
	return words, nil
}
