package keepalived

import (
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// virtualRules are the good ones of lines.
func virtualRules(lines []*Node) []Rule {
	var all []Rule
	for _, line := range lines {
		if isRuleLine(line.fields()) != nil {
			continue
		}
		if r, ok := parseRule(line.fields()); ok {
			r.Pos = line.Pos
			all = append(all, r)
		}
	}
	return all
}

// parseRule reads the words of a line that isRuleLine has taken; ok is false where a value is wrong.
func parseRule(words []string) (Rule, bool) {
	r, w := Rule{}, routeWords{words: words}
	for !w.done() && !w.bad {
		r.word(&w)
	}
	if r.From.IsValid() && r.To.IsValid() && r.From.Addr().Is6() != r.To.Addr().Is6() {
		w.bad = true
	}
	for _, p := range []netip.Prefix{r.From, r.To} {
		if p.IsValid() {
			r.IPv6 = p.Addr().Is6()
		}
	}
	return r, !w.bad && r.Action != 0
}

// word reads one word of a rule and its values.
func (r *Rule) word(w *routeWords) {
	switch word := w.next(); word {
	case "not":
		r.Not = true
	case "inet", "inet6":
		r.IPv6 = word == "inet6"
	case "from":
		r.From = w.ruleAddr()
	case "to":
		r.To = w.ruleAddr()
	case "table", "lookup":
		r.Table, r.Action = w.table(), ToTable
	case "goto":
		r.Goto, r.Action = w.number(math.MaxUint32), ToGoto
	case "blackhole":
		r.Action = ToBlackhole
	case "prohibit":
		r.Action = ToProhibit
	case "unreachable":
		r.Action = ToUnreachable
	case "nop":
		r.Action = ToNop
	case "preference", "priority", "order", "prio":
		r.Priority = w.number(math.MaxUint32)
	case "fwmark":
		r.mark(w)
	case "tos", "dsfield":
		r.TOS = uint8(w.number(math.MaxUint8))
	case "dev", "iif":
		r.In = strings.Clone(w.next())
	case "oif":
		r.Out = strings.Clone(w.next())
	case "no_track":
		r.NoTrack = true
	default: // realms, suppress_prefixlength, uidrange and others change nothing here
		w.next()
	}
}

// mark reads MARK or MARK/MASK.
func (r *Rule) mark(w *routeWords) {
	text, mask, masked := strings.Cut(w.next(), "/")
	v, err := strconv.ParseUint(text, 0, 32)
	r.Mark, r.Mask = uint32(v), math.MaxUint32
	if err == nil && masked {
		v, err = strconv.ParseUint(mask, 0, 32)
		r.Mask = uint32(v)
	}
	w.bad = w.bad || err != nil
}

// ruleAddr is the next word as an address with a length; all, any and default are every address.
func (w *routeWords) ruleAddr() netip.Prefix {
	if len(w.words) > 0 && (w.words[0] == "all" || w.words[0] == "any" || w.words[0] == "default") {
		w.next()
		return netip.Prefix{}
	}
	return w.addr().Masked()
}
