package main

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every test that has a short form in the plain run is named in .ci/long, and its
// package in .ci/run, so that its long form runs there.
func TestTheLongFormOfEachTestRunsInCI(t *testing.T) {
	listed := strings.Fields(readDoc(t, ".ci/long"))
	script := readDoc(t, ".ci/run")
	found := map[string]bool{}
	for dir, funcs := range testFuncs(t) {
		for name := range shortened(funcs) {
			found[name] = true
			if !slices.Contains(listed, name) {
				t.Errorf("%s: %s does more where LVSDR_LONG is set, and .ci/long does not list it", dir, name)
			}
			if !strings.Contains(script, " ./"+dir+" ") {
				t.Errorf("%s does more where LVSDR_LONG is set, and .ci/run does not test ./%s then", name, dir)
			}
		}
	}
	for _, name := range listed {
		if !found[name] {
			t.Errorf(".ci/long lists %s, which does not do more where LVSDR_LONG is set", name)
		}
	}
	if !slices.IsSorted(listed) {
		t.Error(".ci/long is not in alphabetical order")
	}
}

// A test in a file with the build tag long is in a package that .ci/run tests with
// that tag.
func TestFilesOfLongTestsAreTestedInCI(t *testing.T) {
	script := readDoc(t, ".ci/run")
	for dir := range testFuncs(t) {
		files, err := filepath.Glob(filepath.Join(moduleRoot, dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(string(b), "//go:build long\n") && !strings.Contains(script, " ./"+dir+" ") {
				t.Errorf("%s: .ci/run does not test ./%s with the tag", f, dir)
			}
		}
	}
}

// testFuncs are the functions in files of tests, by folder and name, without those
// that need the build tag long.
func testFuncs(t *testing.T) map[string]map[string]*ast.FuncDecl {
	t.Helper()
	all := map[string]map[string]*ast.FuncDecl{}
	files, err := filepath.Glob(filepath.Join(moduleRoot, "*/*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"*/*/*_test.go", "*/*/*/*_test.go"} {
		more, err := filepath.Glob(filepath.Join(moduleRoot, pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	for _, name := range files {
		if ok, err := build.Default.MatchFile(filepath.Dir(name), filepath.Base(name)); err != nil || !ok {
			continue // of another platform, or long
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := filepath.Rel(moduleRoot, filepath.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		if all[dir] == nil {
			all[dir] = map[string]*ast.FuncDecl{}
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Body != nil {
				all[dir][fn.Name.Name] = fn
			}
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d packages were found from %s", len(all), moduleRoot)
	}
	return all
}

// shortened are the tests of a package that reach a look at LVSDR_LONG. Where
// TestMain has it they are those that draw cases with rapid.
func shortened(funcs map[string]*ast.FuncDecl) map[string]bool {
	looks := map[string]bool{}
	for name, fn := range funcs {
		looks[name] = mentions(fn, func(n ast.Node) bool {
			lit, ok := n.(*ast.BasicLit)
			return ok && lit.Value == `"LVSDR_LONG"`
		})
	}
	for again := true; again; {
		again = false
		for name, fn := range funcs {
			if !looks[name] && mentions(fn, func(n ast.Node) bool { return looks[called(n)] }) {
				looks[name], again = true, true
			}
		}
	}
	if looks["TestMain"] {
		for name, fn := range funcs {
			looks[name] = mentions(fn, func(n ast.Node) bool { id, ok := n.(*ast.Ident); return ok && id.Name == "rapid" })
		}
	}
	maps.DeleteFunc(looks, func(name string, yes bool) bool {
		return !yes || !strings.HasPrefix(name, "Test") || name == "TestMain"
	})
	return looks
}

// called is the function that n calls by its plain name, "" if it is no such call.
func called(n ast.Node) string {
	if call, ok := n.(*ast.CallExpr); ok {
		if id, ok := call.Fun.(*ast.Ident); ok {
			return id.Name
		}
	}
	return ""
}

// mentions reports whether is holds for a part of a function's body.
func mentions(fn *ast.FuncDecl, is func(ast.Node) bool) (found bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		found = found || n != nil && is(n)
		return !found
	})
	return found
}

// The walk finds what a test reaches by a helper, and nothing else.
func TestWhatIsShortenedIsFoundThroughHelpers(t *testing.T) {
	const text = `package p
func long() bool { return os.Getenv("LVSDR_LONG") != "" }
func sized() int { if long() { return 2 }; return 1 }
func helper() int { return sized() }
func TestBig(t *testing.T) { helper() }
func TestSmall(t *testing.T) { other() }
func other() { long := 1; _ = long }
`
	f, err := parser.ParseFile(token.NewFileSet(), "p.go", text, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	funcs := map[string]*ast.FuncDecl{}
	for _, d := range f.Decls {
		fn := d.(*ast.FuncDecl)
		funcs[fn.Name.Name] = fn
	}
	if got := slices.Collect(maps.Keys(shortened(funcs))); !slices.Equal(got, []string{"TestBig"}) {
		t.Errorf("found %q, want TestBig alone", got)
	}
}
