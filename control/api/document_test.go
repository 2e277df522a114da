package api_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lvsdr/control/api"
)

// The table of docs/api.md has a request for each route of the handler, and no other.
func TestTheDocumentHasTheRoutesOfTheHandler(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	got := documented(string(text))
	want := slices.DeleteFunc(api.Routes(), func(r string) bool { return slices.Contains(got, r) })
	if len(want) > 0 {
		t.Errorf("docs/api.md lacks %q", want)
	}
	unknown := slices.DeleteFunc(got, func(r string) bool { return slices.Contains(api.Routes(), r) })
	if len(unknown) > 0 {
		t.Errorf("docs/api.md has %q, which are no routes", unknown)
	}
}

// documented are the requests of the table's first column, as patterns of the handler.
func documented(text string) (all []string) {
	request := regexp.MustCompile("`([A-Z]+)(?: (/v1/[^`?\\[]*)[^`]*)?`")
	for line := range strings.Lines(text) {
		first, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | ")
		if !ok || !strings.HasPrefix(line, "| `") || !strings.Contains(first, " /v1/") {
			continue
		}
		path := "" // a method alone is one more for the path before it
		for _, m := range request.FindAllStringSubmatch(first, -1) {
			if m[2] != "" {
				path = strings.NewReplacer("SERVICE", "{service}", "SERVER", "{server}").Replace(m[2])
			}
			all = append(all, m[1]+" "+path)
		}
	}
	return all
}

// How a row of the table is read.
func TestRowsOfTheDocument(t *testing.T) {
	for _, c := range []struct{ name, row, want string }{
		{"a path", "| `GET /v1/status` | text |\n", "GET /v1/status"},
		{"a query is left out", "| `GET /v1/explain?client=&port=` | text |\n", "GET /v1/explain"},
		{"so are those that may be absent", "| `GET /v1/services[?protocol=]`, `[?fwmark=]` | text |\n", "GET /v1/services"},
		{"methods of one path", "| `GET /v1/timeouts`, `PUT` | text |\n", "GET /v1/timeouts PUT /v1/timeouts"},
		{"what is named in a path", "| `PUT /v1/services/SERVICE/servers/SERVER`, `DELETE` | text |\n",
			"PUT /v1/services/{service}/servers/{server} DELETE /v1/services/{service}/servers/{server}"},
		{"another table", "| `--api-token-file FILE` | GET |\n", ""},
		{"no table", "`GET /v1/status` | text\n", ""},
	} {
		if got := strings.Join(documented(c.row), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
