package keepalived

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// memFiles is a file system in memory, by cleaned path.
func memFiles(files map[string]string) Files {
	return Files{
		Open: func(name string) (io.ReadCloser, error) {
			text, ok := files[name]
			if !ok {
				return nil, &os.PathError{Op: "open", Path: name, Err: os.ErrNotExist}
			}
			return io.NopCloser(strings.NewReader(text)), nil
		},
		Glob: func(pattern string) ([]string, error) {
			var found []string
			for _, f := range slices.Sorted(maps.Keys(files)) {
				if ok, err := path.Match(pattern, f); err != nil {
					return nil, err
				} else if ok {
					found = append(found, f)
				}
			}
			return found, nil
		},
	}
}

// testOptions read text as the file "f" of host "main".
func testOptions(text string) Options {
	return Options{
		ConfigID: "main",
		Files:    memFiles(map[string]string{"f": text}),
		Env:      func(name string) (string, bool) { return "value of " + name, name != "" },
		Random:   func(uint64) uint64 { return 0 },
	}
}

// printed is nodes as text.
func printed(t *testing.T, nodes []*Node) string {
	t.Helper()
	var b bytes.Buffer
	if err := printTree(&b, nodes); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// dumped is c as text.
func dumped(t *testing.T, c *Config) string {
	t.Helper()
	var b bytes.Buffer
	if err := printConfig(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// withoutPos removes the places and flaws, which a printed tree does not keep.
func withoutPos(nodes []*Node) []*Node {
	for _, n := range nodes {
		n.Pos, n.torn = Pos{}, false
		withoutPos(n.Children)
	}
	return nodes
}

// placeless removes the places from c.
func placeless(c *Config) *Config {
	withoutPlaces(reflect.ValueOf(&c.VRRP))
	for i := range c.Global.Marks {
		c.Global.Marks[i].Pos = Pos{}
	}
	for _, v := range c.VirtualServers {
		v.Pos = Pos{}
		for _, r := range v.RealServers {
			r.Pos = Pos{}
			for _, k := range r.Checks {
				k.Pos = Pos{}
			}
		}
	}
	return c
}
