package ruleset

import (
	"regexp"
	"strings"
)

// An nftState is where in a rule set the reader of nft's text is.
type nftState struct {
	table, chain string // empty: outside
	hook         string // of the chain; empty: it has none
	set          string // the named set it is in
	body         strings.Builder
	depth        int // braces that are open in set
	joined       string
	from         int // the line where joined begins
}

// nft reads the text of `nft list ruleset`.
func (r *reader) nft(text string) {
	r.sets = map[string][]string{}
	var s nftState
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line != "" && line[0] != '#' {
			r.nftLine(&s, n, line)
		}
	}
}

// nftLine reads one line.
func (r *reader) nftLine(s *nftState, n int, line string) {
	words := strings.Fields(line)
	opens := words[len(words)-1] == "{"
	switch {
	case s.set != "":
		s.body.WriteString(" " + line)
		if s.depth += open(line); s.depth <= 0 {
			r.sets[s.set] = elements(s.body.String())
			s.set = ""
		}
	case s.chain != "":
		r.nftChain(s, n, line)
	case line == "}":
		s.table = ""
	case words[0] == "table" && opens && len(words) > 2:
		s.table = strings.Join(words[1:len(words)-1], " ")
	case words[0] == "chain" && len(words) > 1 && s.table != "" && opens:
		s.chain, s.hook = words[1], ""
	case s.table != "" && opens && len(words) > 1:
		s.set, s.depth = s.table+" @"+words[1], 1
		s.body.Reset()
	default:
		r.remark(n, "%q is not understood", line)
	}
}

// nftChain reads a line of a chain: its type, a rule or a part of one, or its end.
func (r *reader) nftChain(s *nftState, n int, line string) {
	switch {
	case s.joined == "" && line == "}":
		s.chain = ""
		return
	case s.joined == "" && strings.HasPrefix(line, "type "):
		words := strings.Fields(strings.ReplaceAll(line, ";", " "))
		for i, w := range words[:len(words)-1] {
			if w == "hook" {
				s.hook = words[i+1]
			}
		}
		return
	case s.joined == "":
		s.from = n
	}
	s.joined = strings.TrimSpace(s.joined + " " + line)
	if open(s.joined) > 0 {
		return // a set goes on in the next line
	}
	u := rule{line: s.from, chain: s.table + " " + s.chain}
	u.nft(nftWords(s.joined), func(name string) ([]string, bool) {
		all, ok := r.sets[s.table+" "+name]
		return all, ok && all != nil
	})
	s.joined = ""
	if s.hook != "prerouting" && s.hook != "input" {
		u.refuse("chain %s of table %s is not one of the hook prerouting or input", s.chain, s.table)
	}
	r.rules = append(r.rules, u)
}

// open is how many more braces are opened than closed, outside of quotes.
func open(s string) (n int) {
	quoted := false
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case c == '{' && !quoted:
			n++
		case c == '}' && !quoted:
			n--
		}
	}
	return n
}

// nftWord is a set in braces, a quoted string or a word.
var nftWord = regexp.MustCompile(`\{[^}]*\}|"[^"]*"|[^\s{"]+`)

func nftWords(rule string) []string { return nftWord.FindAllString(rule, -1) }

// elements are those of the text of a named set; nil: it may have others at run time.
func elements(body string) []string {
	if strings.Contains(body, "flags") && (strings.Contains(body, "timeout") || strings.Contains(body, "dynamic")) {
		return nil
	}
	_, list, ok := strings.Cut(body, "elements = {")
	if !ok {
		return []string{}
	}
	list, _, _ = strings.Cut(list, "}")
	return commas(list)
}

func commas(list string) []string {
	all := strings.Split(list, ",")
	for i := range all {
		all[i] = strings.TrimSpace(all[i])
	}
	return all
}

// nft reads the words of a rule; set gives the elements of a named set.
func (u *rule) nft(words []string, set func(string) ([]string, bool)) {
	word := func(i int) string {
		if i < len(words) {
			return words[i]
		}
		return ""
	}
	values := func(s string) []string {
		switch {
		case strings.HasPrefix(s, "{"):
			return commas(strings.Trim(s, "{} "))
		case strings.HasPrefix(s, "@"):
			all, ok := set(s)
			if !ok {
				u.refuse("%s: what is in the set may change", s)
			} else if len(all) == 0 {
				u.refuse("%s: the set is empty", s)
			}
			return all
		}
		return []string{s}
	}
	for i := 0; i < len(words); {
		switch two := words[i] + " " + word(i+1); {
		case two == "ip daddr", two == "ip6 daddr":
			for _, v := range values(word(i + 2)) {
				u.addr(v)
			}
			i += 3
		case two == "ip protocol", two == "ip6 nexthdr", two == "meta l4proto":
			for _, v := range values(word(i + 2)) {
				u.proto(v)
			}
			i += 3
		case two == "tcp dport", two == "udp dport", two == "sctp dport", two == "th dport":
			if words[i] != "th" {
				u.protos = nil
				u.proto(words[i])
			}
			for _, v := range values(word(i + 2)) {
				u.portList(v, "\x00", "-")
			}
			i += 3
		case two == "meta nfproto":
			i += 3
		case two == "meta mark" && word(i+2) == "set":
			i += u.nftMark(words[i+3:]) + 3
		case two == "mark set":
			i += u.nftMark(words[i+2:]) + 2
		case words[i] == "counter" && word(i+1) == "packets":
			i += 5
		case words[i] == "counter":
			i++
		case words[i] == "comment":
			i += 2
		case words[i] == "accept", words[i] == "return":
			u.final, u.ends = true, true
			i++
		default:
			if strings.Contains(" drop reject queue jump goto vmap dnat snat redirect ", " "+words[i]+" ") {
				u.ends = true
			}
			if words[i] == "mark" || two == "ct mark" {
				u.marks = u.marks || word(i+1) == "set" || word(i+2) == "set"
			}
			u.refuse("%s: lines look at address, port and protocol alone", strings.TrimSpace(two))
			i++
		}
	}
}

// nftMark reads the value behind "mark set", and is the number of its words.
func (u *rule) nftMark(words []string) int {
	u.marks = true
	if len(words) == 0 {
		u.refuse("the mark is missing")
		return 0
	}
	u.setMark(words[0])
	if strings.Contains(words[0], "/") {
		u.refuse("mark %s: a line sets the whole mark", words[0])
	}
	return 1
}
