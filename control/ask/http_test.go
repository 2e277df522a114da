package ask

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// page is the Page of which the others of a test differ in one thing.
func page(change func(*Page)) *HTTP {
	h := &HTTP{Pages: []Page{{Path: "/", Codes: DefaultCodes()}}}
	if change != nil {
		change(&h.Pages[0])
	}
	return h
}

func TestTheTextTellsQuestionsApart(t *testing.T) {
	all := map[string]*HTTP{
		"http_protocol 1.0 url { path \"/\" status_code 200-299 }":  page(nil),
		"http_protocol 1.1 url { path \"/\" status_code 200-299 }":  {Version: HTTP11, Pages: page(nil).Pages},
		"http_protocol 1.0C url { path \"/\" status_code 200-299 }": {Version: HTTP10Close, Pages: page(nil).Pages},
		"SSL http_protocol 1.0 enable_sni sni_name \"a\" tls_compliant fast_recovery url { path \"/\" status_code 200-299 } url { path \"/\" status_code 200-299 }": {TLS: true,
			SNI: true, SNIName: "a", Strict: true, Fast: true, Pages: append(page(nil).Pages, page(nil).Pages...)},
		"http_protocol 1.0 url { path \"/ \" status_code 200-299 }":                  page(func(p *Page) { p.Path = "/ " }),
		"http_protocol 1.0 url { path \"/\" virtualhost \"a\" status_code 200-299 }": page(func(p *Page) { p.Host = "a" }),
		"http_protocol 1.0 url { path \"/\" digest ab status_code 200-299 }":         page(func(p *Page) { p.Digest = "ab" }),
		"http_protocol 1.0 url { path \"/\" status_code 200-299 404 }":               page(func(p *Page) { p.Codes.add(404, 404) }),
		"http_protocol 1.0 url { path \"/\" status_code 200-299 regex \"a\\\"\" }":   page(func(p *Page) { p.Regex.Pattern = `a"` }),
		"http_protocol 1.0 url { path \"/\" status_code 200-299 regex \"a\" regex_options utf regex_no_match regex_min_offset 2 regex_max_offset 8 }": page(func(p *Page) {
			p.Regex = Regex{Pattern: "a", Options: "utf", NoMatch: true, Min: 2, Max: 9}
		}),
	}
	for want, h := range all {
		if got := h.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for other, o := range all {
			if Same(h, o) != (want == other) {
				t.Errorf("%q and %q are the same: %v", want, other, Same(h, o))
			}
		}
		if Same(h, nil) || Same(nil, h) {
			t.Errorf("%q asks for nothing", want)
		}
	}
	if !Same(nil, nil) {
		t.Error("nothing is not the same as nothing")
	}
}

func TestVersionsAreReadAsTheyAreWritten(t *testing.T) {
	for text, want := range map[string]Version{"1.0": HTTP10, "1.0C": HTTP10Close, "1.0c": HTTP10Close, "1.1": HTTP11} {
		if v, ok := ParseVersion(text); v != want || !ok || !strings.EqualFold(v.String(), text) {
			t.Errorf("%s is read as %v, %v", text, v, ok)
		}
	}
	for _, text := range []string{"", "2", "1.0 ", "1"} {
		if v, ok := ParseVersion(text); ok {
			t.Errorf("%q is read as %v", text, v)
		}
	}
}

// TestCodesAreASet compares with a map, and reads the text again.
func TestCodesAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Codes
		slow := map[int]bool{}
		for range rapid.IntRange(0, 6).Draw(t, "ranges") {
			first := rapid.IntRange(minCode, maxCode).Draw(t, "first")
			last := rapid.IntRange(first, min(first+40, maxCode)).Draw(t, "last")
			c.add(first, last)
			for n := first; n <= last; n++ {
				slow[n] = true
			}
		}
		for n := -1; n < 2000; n++ {
			if c.Has(n) != slow[n] {
				t.Fatalf("%d is in %v: %v, want %v", n, c, c.Has(n), slow[n])
			}
		}
		var again Codes
		for word := range strings.FieldsSeq(c.String()) {
			if err := again.Add(word); err != nil {
				t.Fatal(err)
			}
		}
		if again != c {
			t.Fatalf("%v is read as %v", c, again)
		}
	})
}

func TestWrongCodesAreRefused(t *testing.T) {
	for _, s := range []string{"", "99", "1000", "200-", "-200", "299-200", "200-1000", "2OO", "200-299-300", "+200"} {
		var c Codes
		if err := c.Add(s); err == nil || c != (Codes{}) {
			t.Errorf("%q is taken as %v", s, c)
		}
	}
}
