package keepalived

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A token is a word, or one of the braces when brace is not 0.
type token struct {
	word  string
	brace byte
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// flaws is a set of mistakes in a line.
type flaws uint8

const (
	openQuote    flaws = 1 << iota // a quote is not closed: what it starts is dropped
	foreignSpace                   // white space beyond ASCII, read as a blank
	undefined                      // a ${NAME} is not defined: it stays as it is written
)

// stripComment is line without its comment: '#' and '!' start one anywhere
// outside double quotes, also in the middle of a word, and a backslash before
// them belongs to it. Inside double quotes a backslash takes the special meaning
// from the byte behind it.
func stripComment(line string) string {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && !quoted && i+1 < len(line) && (line[i+1] == '#' || line[i+1] == '!'):
			return line[:i]
		case c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case (c == '#' || c == '!') && !quoted:
			return line[:i]
		}
	}
	return line
}

// plain reports whether line is nothing but words, white space and braces: no byte
// of it starts a quote, an escape, a comment, a definition, its use or a condition,
// and all are ASCII.
func plain(line string) bool {
	for i := 0; i < len(line); i++ {
		switch c := line[i]; c {
		case '"', '\'', '\\', '#', '!', '$', '@', '~':
			return false
		default:
			if c >= utf8.RuneSelf {
				return false
			}
		}
	}
	return true
}

// split cuts line, which has no comment any more, into words and braces, which it
// adds to toks. Double quotes make a word of what is between them, and nothing is
// special there; they end the word they touch. The words behind a keyword that
// takes a command are read as a shell would, see splitter.command.
func split(toks []token, line string) ([]token, flaws) {
	if plain(line) {
		return splitPlain(toks, line), 0
	}
	return splitQuoted(toks, line)
}

// splitQuoted is split for any line.
func splitQuoted(toks []token, line string) ([]token, flaws) {
	s := splitter{line: line, toks: toks}
	for s.i < len(line) {
		s.step()
	}
	s.flush()
	return s.toks, s.flaws
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

// A splitter cuts any line into words and braces.
type splitter struct {
	line  string
	i     int // of the next byte
	toks  []token
	flaws flaws

	word   []byte
	inWord bool   // word is one, also when it is empty
	count  int    // words since the line's start or the last brace
	quotes quotes // what quotes the words behind the first of these
}

// quotes says how words are quoted.
type quotes uint8

const (
	ordinary quotes = iota
	// shell is as in regex: single quotes too, backslashes escape, and quotes join
	// with what they touch.
	shell
	// command is shell, and the first word is read so once more when it is run.
	command
)

// quotesBehind is how the words behind a keyword are quoted.
func quotesBehind(keyword string) quotes {
	switch keyword {
	case "regex":
		return shell
	case "script", "misc_path", "quorum_up", "quorum_down", "startup_script", "shutdown_script",
		"notify_fifo_script", "lvs_notify_fifo_script", "vrrp_notify_fifo_script",
		"notify", "notify_up", "notify_down", "notify_master", "notify_backup", "notify_fault", "notify_stop", "notify_deleted",
		"notify_master_rx_lower_pri":
		return command
	}
	return ordinary
}

func (s *splitter) step() {
	switch c := s.line[s.i]; {
	case s.quotes != ordinary && c == '\\':
		s.escape()
	case s.quotes != ordinary && (c == '"' || c == '\''):
		s.join(c)
	case c == '"':
		s.flush()
		s.quoted()
	case isSpace(c):
		s.flush()
		s.i++
	case c == '$' && reference(s.line[s.i:]) > 0:
		// An undefined ${NAME} stays as it is; its braces are no block.
		s.flaws |= undefined
		s.keep(reference(s.line[s.i:]))
	case (c == '#' || c == '!') && !s.inWord && s.quotes == ordinary:
		s.i = len(s.line) // a definition put it there; inside a word it is an ordinary byte
	case c == '{' || c == '}':
		s.flush()
		s.toks = append(s.toks, token{brace: c})
		s.i++
		s.count, s.quotes = 0, ordinary
	case c >= utf8.RuneSelf:
		r, n := utf8.DecodeRuneInString(s.line[s.i:])
		if !isForeignSpace(r) {
			s.keep(n)
			break
		}
		s.flush()
		s.flaws |= foreignSpace
		s.i += n
	default:
		s.keep(1)
	}
}

// keep adds the next n bytes to the word.
func (s *splitter) keep(n int) {
	s.word, s.inWord = append(s.word, s.line[s.i:s.i+n]...), true
	s.i += n
}

// escape adds the byte that the next ones stand for. A brace is one all the same.
func (s *splitter) escape() {
	if s.i+1 < len(s.line) && (s.line[s.i+1] == '{' || s.line[s.i+1] == '}') {
		s.keep(1)
		return
	}
	b, i := unescape(s.line, s.i+1)
	s.word, s.inWord, s.i = append(s.word, b), true, i
}

// quoted takes the next word, which is in double quotes.
func (s *splitter) quoted() {
	text, _, closed := strings.Cut(s.line[s.i+1:], `"`)
	if !closed {
		s.flaws |= openQuote
		s.i = len(s.line)
		return
	}
	s.i += len(text) + 2
	s.add(text)
}

// join adds what is between two quotes to the word. Braces end what is in single
// quotes: keepalived looks for them first, and leaves them alone in double ones.
func (s *splitter) join(quote byte) {
	s.inWord = true
	for s.i++; s.i < len(s.line); {
		switch c := s.line[s.i]; {
		case c == quote:
			s.i++
			return
		case (c == '{' || c == '}') && quote == '\'':
			s.flaws |= openQuote
			s.word, s.inWord = s.word[:0], false
			return
		case c == '\\':
			s.escape()
		default:
			s.keep(1)
		}
	}
	s.flaws |= openQuote
	s.word, s.inWord = s.word[:0], false
}

// flush ends the word.
func (s *splitter) flush() {
	if !s.inWord {
		return
	}
	word := string(s.word)
	s.word, s.inWord = s.word[:0], false
	if s.quotes == command && s.count == 1 && !balanced(word) {
		s.flaws |= openQuote
		return
	}
	s.add(word)
}

func (s *splitter) add(word string) {
	s.toks = append(s.toks, token{word: word})
	if s.count++; s.count == 1 {
		s.quotes = quotesBehind(word)
	}
}

// balanced reports whether all quotes in a command are closed.
func balanced(s string) bool {
	var quote byte
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote == 0 && (c == '"' || c == '\''):
			quote = c
		case quote == c:
			quote = 0
		}
	}
	return quote == 0
}

// isForeignSpace reports whether r looks like white space and is none for
// keepalived. It comes with text from word processors and web pages.
func isForeignSpace(r rune) bool {
	const zeroWidth, byteOrderMark = '\u200b', '\ufeff'
	return r >= utf8.RuneSelf && unicode.IsSpace(r) || r == zeroWidth || r == byteOrderMark
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

// firstReference is the first ${NAME} of line that is not in double quotes.
func firstReference(line string) string {
	quoted := false
	for i := range len(line) {
		if line[i] == '"' {
			quoted = !quoted
		}
		if n := reference(line[i:]); n > 0 && !quoted {
			return line[i : i+n]
		}
	}
	return ""
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
