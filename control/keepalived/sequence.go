package keepalived

import (
	"fmt"
	"strconv"
	"strings"
)

// A repetition is a line behind ~SEQ(NAME, START, STEP, END) or ~LST(NAME, VALUE,
// ...): it is read once for each value of the definition NAME.
type repetition struct {
	rest  string
	names []string
	// lists are the values of names that are still to come; nil with ~SEQ.
	lists [][]string
	// next, step and end are those of ~SEQ; over says that nothing comes any more.
	next, step, end int64
	base            int // of the numbers as they are written
	over            bool
}

// isRepetition reports whether text starts with ~SEQ or ~LST.
func isRepetition(text string) bool {
	return strings.HasPrefix(text, "~SEQ") || strings.HasPrefix(text, "~LST")
}

// repeats reports whether text is a line that is repeated, and makes its
// repetitions the next lines.
func (s *source) repeats(text string, pos Pos) bool {
	if !isRepetition(text) {
		return false
	}
	again, err := s.repetition(text)
	if err != nil {
		s.diags.add(pos, Error, text[:len("~SEQ")], "%v; the line is left out", err)
		return true
	}
	s.inputs = append(s.inputs, input{again: again, pos: pos})
	if err := s.overrun(0, 0); err != nil {
		s.err = fmt.Errorf("%v: repeat a line: %w", pos, err)
	}
	return true
}

// repetition reads a line that starts with ~SEQ or ~LST.
func (s *source) repetition(text string) (*repetition, error) {
	head, rest, ok := strings.Cut(text, ")")
	word, args, open := strings.Cut(head, "(")
	if word = strings.TrimSpace(word); !ok || !open {
		return nil, fmt.Errorf("needs its values in brackets: %s(NAME, ...)", word)
	}
	r := &repetition{rest: strings.TrimSpace(rest), base: 10}
	list := cutList(s.inBrackets(args))
	switch word {
	case "~SEQx":
		r.base = 16
		return r, r.sequence(list)
	case "~SEQ":
		return r, r.sequence(list)
	case "~LST":
		return r, r.list(list)
	}
	return nil, fmt.Errorf("%s is neither ~SEQ, ~SEQx nor ~LST", word)
}

// inBrackets puts definitions into the values of a repetition, where any byte may
// follow a name.
func (s *source) inBrackets(args string) string {
	var done strings.Builder
	for {
		before, after, ok := strings.Cut(args, "$")
		done.WriteString(before)
		if !ok || done.Len() > s.opt.Limits.LineLength {
			return done.String()
		}
		n := 0
		for n < len(after) && isName(after[n]) {
			n++
		}
		name, rest := after[:n], after[n:]
		if k := reference("$" + after); k > 0 {
			name, rest = after[1:k-2], after[k-1:]
		}
		if value, ok := s.lookup(name); ok && name != "" && !strings.Contains(value, "\n") {
			done.WriteString(value)
			args = rest
			continue
		}
		done.WriteByte('$')
		args = after
	}
}

// cutList cuts s at the commas that are not in braces.
func cutList(s string) []string {
	var list []string
	depth, from := 0, 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth--
		case ',':
			if depth == 0 {
				list = append(list, strings.TrimSpace(s[from:i]))
				from = i + 1
			}
		}
	}
	return append(list, strings.TrimSpace(s[from:]))
}

// sequence reads NAME, END or NAME, START, END or NAME, START, STEP, END.
func (r *repetition) sequence(list []string) error {
	if len(list) < 2 || len(list) > 4 || !isWholeName(list[0]) {
		return fmt.Errorf("needs NAME, START, STEP, END; START and STEP may be left out")
	}
	r.names = list[:1]
	var v [3]int64
	for i, text := range list[1:] {
		var err error
		if v[i], err = parseC(text); err != nil {
			return err
		}
	}
	switch len(list) {
	case 2:
		if r.end, r.next = v[0], 1; r.end < 0 {
			r.next = -1
		}
	default:
		r.next, r.end = v[0], v[len(list)-2]
	}
	switch {
	case len(list) == 4:
		r.step = v[1]
	case r.next <= r.end:
		r.step = 1
	default:
		r.step = -1
	}
	if r.step == 0 || r.step > 0 && r.next > r.end || r.step < 0 && r.next < r.end {
		return fmt.Errorf("does not come from %d to %d in steps of %d", r.next, r.end, r.step)
	}
	if r.base == 16 && min(r.next, r.end) < 0 {
		return fmt.Errorf("~SEQx has no negative numbers")
	}
	return nil
}

// parseC reads a whole number as C does: 0x is hexadecimal, 0 octal.
func parseC(s string) (int64, error) {
	v, err := strconv.ParseInt(s, 0, 64)
	if digits := strings.TrimLeft(s, "+-0"); err != nil || strings.ContainsAny(digits, "_oO") || digits != "" && (digits[0] == 'b' || digits[0] == 'B') {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return v, nil
}

// list reads NAME, VALUE, ... or {NAME, ...}, {VALUE, ...}, ...
func (r *repetition) list(list []string) error {
	if len(list) < 2 {
		return fmt.Errorf("needs NAME, VALUE, ... or {NAME, ...}, {VALUE, ...}, ...")
	}
	r.names = inBraces(list[0])
	for _, name := range r.names {
		if !isWholeName(name) {
			return fmt.Errorf("%q is no name of a definition", name)
		}
	}
	for _, text := range list[1:] {
		values := inBraces(text)
		if len(values) > len(r.names) {
			return fmt.Errorf("%s has more values than there are names", text)
		}
		for _, v := range values {
			if strings.ContainsAny(v, " \t\v\f\r\n") {
				return fmt.Errorf("%q has a blank in it", v)
			}
		}
		r.lists = append(r.lists, values)
	}
	return nil
}

// inBraces is the list in braces that s is, or s alone.
func inBraces(s string) []string {
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") && len(s) > 1 {
		return cutList(s[1 : len(s)-1])
	}
	return []string{s}
}

// isWholeName reports whether s is the name of a definition.
func isWholeName(s string) bool {
	for i := 0; i < len(s); i++ {
		if !isName(s[i]) {
			return false
		}
	}
	return s != "" && (s[0] < '0' || s[0] > '9')
}

// repeat defines the next values and reports whether there were any.
func (s *source) repeat(r *repetition) bool {
	if r.over {
		return false
	}
	if s.left -= len(r.rest) + substitutionCost; s.left < 0 {
		s.err = fmt.Errorf("repeated lines make more than %d bytes", s.opt.Limits.TotalSize)
		return false
	}
	if r.lists == nil {
		s.defs[r.names[0]] = strconv.FormatInt(r.next, r.base)
		if uint64(r.end)-uint64(r.next) < uint64(r.step) && r.step > 0 || uint64(r.next)-uint64(r.end) < uint64(-r.step) && r.step < 0 {
			r.over = true
			return true
		}
		r.next += r.step
		return true
	}
	for i, name := range r.names {
		s.defs[name] = ""
		if i < len(r.lists[0]) {
			s.defs[name] = r.lists[0][i]
		}
	}
	r.lists = r.lists[1:]
	r.over = len(r.lists) == 0
	return true
}
