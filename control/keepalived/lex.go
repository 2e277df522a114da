package keepalived

import "strings"

// A token is a word, or one of the braces when brace is not 0.
type token struct {
	word  string
	brace byte
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// stripComment is line without its comment: '#' and '!' start one anywhere
// outside quotes, also in the middle of a word. A backslash takes the special
// meaning from the byte behind it.
func stripComment(line string) string {
	var quote byte
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '#' || c == '!':
			return line[:i]
		}
	}
	return line
}

// plain reports whether line is nothing but words, white space and braces: no byte
// of it starts a quote, an escape, a comment, a definition, its use or a condition.
func plain(line string) bool {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '"', '\'', '\\', '#', '!', '$', '@', '~':
			return false
		}
	}
	return true
}

// split cuts line, which has no comment any more, into words and braces, which it
// adds to toks. Quotes join with what they touch: ab"c d"'e' is one word. A quote
// that is not closed ends at the end of the line; matched is false then.
func split(toks []token, line string) (_ []token, matched bool) {
	if plain(line) {
		return splitPlain(toks, line), true
	}
	return splitQuoted(toks, line)
}

// splitPlain is split for a plain line. The words are parts of it.
func splitPlain(toks []token, line string) []token {
	start := 0 // of the word
	for i := 0; i <= len(line); i++ {
		end := i == len(line)
		brace := !end && (line[i] == '{' || line[i] == '}')
		if !end && !brace && !isSpace(line[i]) {
			continue
		}
		if start < i {
			toks = append(toks, token{word: line[start:i]})
		}
		if brace {
			toks = append(toks, token{brace: line[i]})
		}
		start = i + 1
	}
	return toks
}

// splitQuoted is split for any line.
func splitQuoted(toks []token, line string) (_ []token, matched bool) {
	var word []byte
	var quote byte
	inWord := false
	flush := func() {
		if inWord {
			toks = append(toks, token{word: string(word)})
		}
		word, inWord = word[:0], false
	}
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == '\\':
			var b byte
			b, i = unescape(line, i+1)
			word, inWord = append(word, b), true
			continue
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word = append(word, c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case isSpace(c):
			flush()
		case c == '$' && reference(line[i:]) > 0:
			// An undefined ${NAME} stays as it is; its braces are no block.
			n := reference(line[i:])
			word, inWord = append(word, line[i:i+n]...), true
			i += n
			continue
		case c == '{' || c == '}':
			flush()
			toks = append(toks, token{brace: c})
		default:
			word, inWord = append(word, c), true
		}
		i++
	}
	flush()
	return toks, quote == 0
}

// reference is the length of the ${NAME} that s starts with, or 0.
func reference(s string) int {
	if !strings.HasPrefix(s, "${") {
		return 0
	}
	i := 2
	for i < len(s) && isName(s[i]) {
		i++
	}
	if i == 2 || i == len(s) || s[i] != '}' {
		return 0
	}
	return i + 1
}

func isName(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// unescape reads the escape whose first byte after the backslash is s[i], and
// is the byte it stands for and the index behind it. A backslash that ends the
// line stands for itself.
func unescape(s string, i int) (byte, int) {
	if i >= len(s) {
		return '\\', i
	}
	const from, to = "abEfnrtv", "\a\b\x1b\f\n\r\t\v"
	c := s[i]
	if k := strings.IndexByte(from, c); k >= 0 {
		return to[k], i + 1
	}
	switch {
	case c == 'c' && i+1 < len(s):
		return s[i+1] & 0x1f, i + 2
	case c == 'x' && i+1 < len(s) && hexDigit(s[i+1]) >= 0:
		v := 0 // as many digits as there are; the last two count
		for i++; i < len(s) && hexDigit(s[i]) >= 0; i++ {
			v = v<<4&0xff | hexDigit(s[i])
		}
		return byte(v), i
	case '0' <= c && c <= '7':
		v, end := 0, min(i+3, len(s))
		for ; i < end && '0' <= s[i] && s[i] <= '7'; i++ {
			v = v<<3&0xff | int(s[i]-'0')
		}
		return byte(v), i
	}
	return c, i + 1
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
