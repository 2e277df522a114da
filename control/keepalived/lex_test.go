package keepalived

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// tokensText writes tokens: words in angle brackets, braces as they are.
func tokensText(toks []token) string {
	var b strings.Builder
	for _, t := range toks {
		if t.brace != 0 {
			fmt.Fprintf(&b, "%c", t.brace)
		} else {
			fmt.Fprintf(&b, "<%s>", t.word)
		}
	}
	return b.String()
}

func TestCommentsBeginAnywhereOutsideQuotes(t *testing.T) {
	for in, want := range map[string]string{
		"a b":             "a b",
		"# all":           "",
		"! all":           "",
		"a # rest":        "a ",
		"a ! rest":        "a ",
		"a#b":             "a",
		"a!b":             "a",
		`"a # b" c # d`:   `"a # b" c `,
		`"a ! b`:          `"a ! b`,
		`a "b" "c # d"`:   `a "b" "c # d"`,
		`a "b \" # c" #d`: `a "b \" # c" `,
		`a \# b`:          "a ",
		`a \! b`:          "a ",
		`a \\# b`:         `a \\`,
		`a \x # b`:        `a \x `,
		`'a # b'`:         `'a `, // single quotes are none
		`a\`:              `a\`,
		"":                "",
	} {
		if got := stripComment(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestLinesAreCutIntoWordsAndBraces(t *testing.T) {
	for _, c := range []struct {
		law, in, want string
		flaws         flaws
	}{
		{"blanks of any kind stand between words", "a \t b\vc\fd\re", "<a><b><c><d><e>", 0},
		{"braces need no blanks", "a{b}c", "<a>{<b>}<c>", 0},
		{"an empty line is nothing", "  ", "", 0},
		{"quotes make one word", `a "b c" d`, "<a><b c><d>", 0},
		{"which may be empty", `a ""`, "<a><>", 0},
		{"braces in quotes are letters", `a "{b}"`, "<a><{b}>", 0},
		{"quotes end the word they touch", `a"b"c`, "<a><b><c>", 0},
		{"an open quote drops what it starts", `a "b c`, "<a>", openQuote},
		{"single quotes are letters", `a 'b c'`, "<a><'b><c'>", 0},
		{"so are backslashes", `a b\tc`, `<a><b\tc>`, 0},
		{"but not behind a command's word", `notify_up 'a b' c\ d`, "<notify_up><a b><c d>", 0},
		{"where quotes join what they touch", `script a"b"'c'`, "<script><abc>", 0},
		{"and braces are braces", `script a{b 'c d'}`, "<script><a>{<b><'c><d'>}", 0},
		{"an open quote there drops its word", `script a 'b`, "<script><a>", openQuote},
		{"the first word there is read once more when it is run", `script "'a"`, "<script>", openQuote},
		{"the words behind it are not", `script a "'b"`, "<script><a><'b>", 0},
		{"regex is read once", `regex "'a" \d`, "<regex><'a><d>", 0},
		{"the word of a command counts at the start of a line alone", `a script 'b c'`, "<a><script><'b><c'>", 0},
		{"or behind a brace", `a { script 'b c'`, "<a>{<script><b c>", 0},
		{"an undefined name keeps its braces", "a ${B} c", "<a><${B}><c>", undefined},
		{"what is no name does not", "a ${B c", "<a><$>{<B><c>", 0},
		{"white space of word processors is white space", "a\u00a0b\u3000c\u200bd", "<a><b><c><d>", foreignSpace},
		{"other letters are letters", "größe ß", "<größe><ß>", 0},
		{"bytes that are no text are letters", "a\xffb", "<a\xffb>", 0},
	} {
		got, flaws := split(nil, c.in)
		if s := tokensText(got); s != c.want || flaws != c.flaws {
			t.Errorf("%s: %q is %s with flaws %b, want %s with %b", c.law, c.in, s, flaws, c.want, c.flaws)
		}
	}
	if got, _ := split([]token{{word: "x"}}, "y"); tokensText(got) != "<x><y>" {
		t.Errorf("added to what there was: %s", tokensText(got))
	}
}

func TestEscapesStandForOneByte(t *testing.T) {
	for in, want := range map[string]struct {
		b    byte
		rest string
	}{
		`n`: {'\n', ""}, `t`: {'\t', ""}, `rx`: {'\r', "x"}, `a`: {'\a', ""}, `b`: {'\b', ""}, `E`: {0x1b, ""}, `f`: {'\f', ""}, `v`: {'\v', ""},
		`"`: {'"', ""}, `\`: {'\\', ""}, `zy`: {'z', "y"}, ``: {'\\', ""},
		`cA`: {1, ""}, `c`: {'c', ""}, `c[x`: {0x1b, "x"},
		`x41`: {'A', ""}, `x4`: {4, ""}, `xfFg`: {255, "g"}, `x123`: {0x23, ""}, `xg`: {'x', "g"}, `x`: {'x', ""},
		`101`: {'A', ""}, `7`: {7, ""}, `08`: {0, "8"}, `1019`: {'A', "9"}, `777`: {255, ""}, `8`: {'8', ""},
	} {
		b, i := unescape(in, 0)
		if b != want.b || in[i:] != want.rest {
			t.Errorf(`\%s: %#x and %q, want %#x and %q`, in, b, in[i:], want.b, want.rest)
		}
	}
}

func TestReferencesAreNamesInBraces(t *testing.T) {
	for in, want := range map[string]int{"${A}": 4, "${A_9b}x": 7, "${}": 0, "${A": 0, "${A-B}": 0, "$A": 0, "{A}": 0, "": 0, "${9}": 4} {
		if got := reference(in); got != want {
			t.Errorf("%q: %d, want %d", in, got, want)
		}
	}
}

func TestQuotesOfACommandAreClosed(t *testing.T) {
	for in, want := range map[string]bool{"": true, `a`: true, `"a"`: true, `'a'`: true, `"a'b"`: true, `'a"b'`: true, `"a`: false, `'a`: false, `"a"'`: false, `\"`: true, `"\""`: true, `"\"`: false, `a\`: true} {
		if got := balanced(in); got != want {
			t.Errorf("%s: %v, want %v", in, got, want)
		}
	}
}

// Plain lines are cut alike by the quick way and the general one, and both keep
// every byte that is no white space.
func TestCuttingKeepsEveryByteOfPlainLines(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	const letters = "ab1.:/-{} \t"
	for range 5000 {
		b := make([]byte, r.IntN(30))
		for i := range b {
			b[i] = letters[r.IntN(len(letters))]
		}
		line := string(b)
		if !plain(line) {
			t.Fatalf("%q is not plain", line)
		}
		quick, general := splitPlain(nil, line), []token(nil)
		general, flaws := splitQuoted(general, line)
		if tokensText(quick) != tokensText(general) || flaws != 0 {
			t.Fatalf("%q: %s, and %s", line, tokensText(quick), tokensText(general))
		}
		var kept strings.Builder
		for _, tok := range quick {
			kept.WriteString(tok.word)
			if tok.brace != 0 {
				kept.WriteByte(tok.brace)
			}
		}
		if want := strings.Join(strings.Fields(line), ""); kept.String() != want {
			t.Fatalf("%q: kept %q, want %q", line, kept.String(), want)
		}
	}
}

func TestDefinitionsAreToldFromOtherLines(t *testing.T) {
	for in, want := range map[string]bool{
		"$A=1": true, "$A=": true, "$A_1=x y": true, "$_=1": true, "  $A=1": true, "@id $A=1": true, "@^id $A=1": true,
		"$A =1": false, "$1A=1": false, "$=1": false, "$A": false, "A=1": false, "$A-B=1": false, "x $A=1": false, "": false, "@id": false,
	} {
		if got := isDefinition(in); got != want {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
}

func TestValuesAreReadExactly(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8::1": "2001:db8::1",
		"192.0.2.1:80":      `"192.0.2.1:80" is not an address; write address and port with a blank between them`,
		"www":               `"www" is not an IP address`,
		"192.0.2.1/32":      `"192.0.2.1/32" is not an IP address`,
		"fe80::1%eth0":      `"fe80::1%eth0" has a zone`,
		"0.0.0.0":           "0.0.0.0 is not the address of one host",
		"::":                ":: is not the address of one host",
		"224.0.0.1":         "224.0.0.1 is not the address of one host",
		"ff02::1":           "ff02::1 is not the address of one host",
		"255.255.255.255":   "255.255.255.255 is not the address of one host",
		"":                  `"" is not an IP address`,
		"192.0.2.256":       `"192.0.2.256" is not an IP address`,
		"2001:db8::1 ":      `"2001:db8::1 " is not an IP address`,
		"[2001:db8::1]:80":  `"[2001:db8::1]:80" is not an IP address`,
		"2001:db8::1:80:80": "2001:db8::1:80:80",
	} {
		got := ""
		if a, err := parseAddr(in); err != nil {
			got = err.Error()
		} else {
			got = a.String()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"on": "true", "TRUE": "true", "Yes": "true", "off": "false", "false": "false", "NO": "false",
		"1": `"1" is neither on, true, yes nor off, false, no`, "": `"" is neither on, true, yes nor off, false, no`} {
		b, err := parseBool(in)
		got := fmt.Sprint(b)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{"0": "0", "7": "7", "007": "7", "off": "0", "OFF": "0", "2678400": "2678400",
		"2678401": "2678401 is not between 0 and 2678400 seconds", "-1": "-1 is not between 0 and 2678400 seconds", "1.5": `"1.5" is not a whole number of seconds, nor off`, "": `"" is not a whole number of seconds, nor off`,
		"99999999999999999999": "99999999999999999999 is not between 0 and 2678400 seconds", "on": `"on" is not a whole number of seconds, nor off`} {
		n, err := parseSwitchable(in)
		got := fmt.Sprint(n)
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
