package keepalived

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// firstPreference is that of the first rule of a family which has none; each further one has one less.
const firstPreference = 16384

// virtualRules are the good ones of lines. What is in them and is not set is reported.
func (r *reader) virtualRules(lines []*Node) []Rule {
	var all []Rule
	for _, line := range lines {
		if isRuleLine(line.fields()) != nil {
			continue
		}
		rule, unset, ok := parseRule(line.fields())
		if !ok {
			r.report(line, Warning, AsGood, "a value of the rule is not understood, and the rule is not set")
			continue
		}
		r.reportUnset(line, "rule", unset)
		if !hasPreference(line.fields()) {
			family := 0
			if rule.IPv6 {
				family = 1
			}
			rule.Priority = firstPreference - r.vrrp.preferences[family]
			r.vrrp.preferences[family]++
			r.add(line, Warning, "the rule has no preference, and has %d", rule.Priority)
		}
		rule.Pos = line.Pos
		all = append(all, rule)
	}
	return all
}

// hasPreference reports whether the words of a rule give it a preference.
func hasPreference(words []string) bool {
	return slices.ContainsFunc(words, func(s string) bool { return slices.Contains(strings.Fields("preference priority order prio"), s) })
}

// parseRule reads the words of a line that isRuleLine has taken; ok is false where a value is wrong.
// unset are the words that have no effect.
func parseRule(words []string) (_ Rule, unset []string, ok bool) {
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
	return r, w.unset, !w.bad && r.Action != 0
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
	case "suppress_prefixlength":
		r.SuppressLength, r.Suppresses = uint8(w.number(128)), true
	case "l3mdev":
		w.unset = append(w.unset, word)
	default:
		w.unset = append(w.unset, strings.Clone(word+" "+w.next()))
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
