package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// moduleRoot is where go.mod is, seen from this package.
const moduleRoot = "../.."

// A source is a Go file of the module.
type source struct {
	dir, name string // dir from the module's root, with slashes
	ast       *ast.File
	fset      *token.FileSet
}

// parsed is every Go file of the module but tests, parsed once for all laws.
var parsed = sync.OnceValues(parseSources)

// sources gives every Go file of the module but tests. They must not be changed.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 50 {
		t.Fatalf("only %d files were found from %s", len(all), moduleRoot)
	}
	return all
}

func parseSources() ([]source, error) {
	var all []source
	err := filepath.WalkDir(moduleRoot, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && p != moduleRoot) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		rel, err := filepath.Rel(moduleRoot, p)
		if err != nil {
			return err
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		all = append(all, source{dir: path.Dir(filepath.ToSlash(rel)), name: path.Base(p), ast: f, fset: fset})
		return nil
	})
	return all, err
}

func (s source) imports() []string {
	var all []string
	for _, i := range s.ast.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			panic(err) // the parser has accepted it
		}
		all = append(all, p)
	}
	return all
}

// level is a package's place: it imports only what is below it, and within its
// own top-level folder.
func level(dir string) int {
	top, _, _ := strings.Cut(dir, "/")
	switch {
	case strings.HasPrefix(dir, "dataplane/frame"), dir == "scheduler", dir == "bench/netns":
		return 0
	case dir == "conntrack", top == "arp":
		return 1
	case dir == "dataplane":
		return 2
	case top == "dataplane", top == "conntrack":
		return 3
	case top == "control":
		return 4
	case top == "bench":
		return 5
	case top == "cmd":
		return 6
	}
	return -1
}

func TestImportsGoDownOnly(t *testing.T) {
	for _, s := range sources(t) {
		if level(s.dir) < 0 {
			t.Errorf("%s/%s is in a folder that has no level", s.dir, s.name)
		}
		for _, imp := range s.imports() {
			to, ours := strings.CutPrefix(imp, "lvsdr/")
			if !ours {
				continue
			}
			from, below := level(s.dir), level(to)
			sameRoom := from == below && from != 0 && topOf(s.dir) == topOf(to) || strings.HasPrefix(s.dir, to+"/") && from == below ||
				isTest(s.dir) && path.Dir(s.dir) == path.Dir(to) // a package for tests builds on its siblings
			if below >= from && !sameRoom {
				t.Errorf("%s/%s (level %d) imports %s (level %d)", s.dir, s.name, from, to, below)
			}
		}
	}
}

// isTest reports whether a package is for tests: its name ends in "test".
func isTest(dir string) bool { return strings.HasSuffix(path.Base(dir), "test") }

// What a test needs is not in the program: only tests, and packages for tests,
// import packages for tests.
func TestProductionImportsNoTestPackage(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			if isTest(imp) && !isTest(s.dir) {
				t.Errorf("%s/%s imports %s", s.dir, s.name, imp)
			}
		}
	}
}

// The namespace lab imports nothing of ours, so every test may use it. The
// product itself has no use for it but in the lab and the benchmarks.
func TestTheNamespaceLabIsForTestsAndLabs(t *testing.T) {
	const lab = "bench/netns"
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			if to, ours := strings.CutPrefix(imp, "lvsdr/"); ours && (s.dir == lab || to == lab && level(s.dir) < 5) {
				t.Errorf("%s/%s imports %s", s.dir, s.name, imp)
			}
		}
	}
}

// There is one way into a network namespace, for tests too.
func TestNamespacesAreEnteredInOnePlace(t *testing.T) {
	calls := regexp.MustCompile(`\b(unix|syscall)\.(CLONE_NEWNET|Unshare|Setns)\b|"github\.com/vishvananda/netns"`)
	err := filepath.WalkDir(moduleRoot, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || p == moduleRoot+"/cmd/lvsdr/laws_test.go" {
			return err
		}
		b, err := os.ReadFile(p)
		if at := calls.Find(b); at != nil && filepath.Dir(p) != filepath.Join(moduleRoot, "bench/netns") {
			t.Errorf("%s: %s; use bench/netns", p, at)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func topOf(dir string) string {
	top, _, _ := strings.Cut(dir, "/")
	return top
}

// The core knows neither sockets nor clocks.
func TestTheCoreIsPure(t *testing.T) {
	forbidden := []string{"os", "net", "log", "log/slog", "syscall", "unsafe", "golang.org/x/sys/unix"}
	pure := []string{"dataplane/frame", "scheduler", "conntrack", "dataplane", "control/health", "control/site", "control/site/tree"}
	for _, s := range sources(t) {
		if !slices.Contains(pure, s.dir) {
			continue
		}
		for _, imp := range s.imports() {
			if slices.Contains(forbidden, imp) {
				t.Errorf("%s/%s imports %s", s.dir, s.name, imp)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if x, ok := sel.X.(*ast.Ident); ok && x.Name == "time" && !slices.Contains([]string{"Duration", "Second", "Millisecond", "Nanosecond", "Minute", "Hour"}, sel.Sel.Name) {
					t.Errorf("%s/%s uses time.%s: time is an argument there", s.dir, s.name, sel.Sel.Name)
				}
			}
			return true
		})
	}
}

// What decides about a site knows the language it is written in, the health of
// its servers, and values of the layers below; it does nothing by itself.
func TestTheSiteImportsValuesOnly(t *testing.T) {
	allowed := []string{"control/site/tree", "control/connsync/daemon", "control/health", "control/vrrp", "control/keepalived", "control/hostnet",
		"dataplane", "dataplane/frame", "scheduler"}
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			to, ours := strings.CutPrefix(imp, "lvsdr/")
			if s.dir == "control/site" && ours && !slices.Contains(allowed, to) {
				t.Errorf("%s/%s imports %s", s.dir, s.name, to)
			}
			if s.dir == "control/health" && ours {
				t.Errorf("%s/%s imports %s; health needs nothing of ours", s.dir, s.name, to)
			}
		}
	}
}

// Verbs and the control socket speak of a director in words of their own, which
// last longer than the engine's types.
func TestVerbsAndWireNameNoEngineType(t *testing.T) {
	engine := []string{"dataplane", "conntrack", "scheduler", "arp"}
	for _, s := range sources(t) {
		if s.dir != "cmd/lvsdr" && s.dir != "control/api" {
			continue
		}
		for _, imp := range s.imports() {
			if to, ours := strings.CutPrefix(imp, "lvsdr/"); ours && slices.Contains(engine, to) {
				t.Errorf("%s/%s imports %s", s.dir, s.name, to)
			}
		}
	}
}

// Raw system calls are dataplane/afpacket's alone, unsafe is in files that are
// named for it, and nobody uses cgo.
func TestRawSystemCallsHaveOnePlace(t *testing.T) {
	raw := regexp.MustCompile(`^(Raw)?Syscall(6|9|NoError)?$|^RawVfork`)
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			if imp == "C" {
				t.Errorf("%s/%s uses cgo", s.dir, s.name)
			}
			if imp == "unsafe" && !strings.HasSuffix(s.name, "_unsafe.go") {
				t.Errorf("%s/%s imports unsafe; only files named *_unsafe.go may", s.dir, s.name)
			}
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); ok && raw.MatchString(sel.Sel.Name) && s.dir != "dataplane/afpacket" {
				t.Errorf("%s: raw system call", s.fset.Position(sel.Pos()))
			}
			return true
		})
	}
}

func TestEveryPackageAndExportedNameIsDocumented(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		documented[s.dir] = documented[s.dir] || s.ast.Doc != nil
		for _, d := range s.ast.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no doc comment", s.fset.Position(d.Pos()), name)
			}
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

// undocumented are the exported names that d declares without saying what
// they are. One comment may serve a group of constants or variables.
func undocumented(d ast.Decl) []string {
	var names []string
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || exportedReceiver(d.Recv)) {
			names = append(names, d.Name.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if spec.Name.IsExported() && d.Doc == nil && spec.Doc == nil {
					names = append(names, spec.Name.Name)
				}
			case *ast.ValueSpec:
				for _, n := range spec.Names {
					if n.IsExported() && d.Doc == nil && spec.Doc == nil && spec.Comment == nil {
						names = append(names, n.Name)
					}
				}
			}
		}
	}
	return names
}

func exportedReceiver(r *ast.FieldList) bool {
	typ := r.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	if index, ok := typ.(*ast.IndexExpr); ok {
		typ = index.X
	}
	id, ok := typ.(*ast.Ident)
	return ok && id.IsExported()
}

// Nothing else lies at the top: the folders that hold code are fixed.
func TestTopLevelFoldersAreTheAgreedOnes(t *testing.T) {
	code := []string{"arp", "bench", "cmd", "conntrack", "control", "dataplane", "docs", "scheduler"}
	entries, err := os.ReadDir(moduleRoot)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(code, e.Name()) {
			t.Errorf("folder %s does not belong at the top", e.Name())
		}
		if strings.HasSuffix(e.Name(), ".go") {
			t.Errorf("%s does not belong at the top", e.Name())
		}
	}
}

// A file of this package is one verb: flags, one call, and text. Whatever takes
// more lines belongs to the package that is called.
func TestVerbsAreShort(t *testing.T) {
	const most = 150
	for _, s := range sources(t) {
		if n := s.fset.File(s.ast.Pos()).LineCount(); s.dir == "cmd/lvsdr" && n > most {
			t.Errorf("%s has %d lines, more than %d", s.name, n, most)
		}
	}
}

// Files stay readable: a long one is two.
func TestFilesAndFunctionsStaySmall(t *testing.T) {
	const maxFile, maxFunc = 600, 90
	for _, s := range sources(t) {
		if n := s.fset.File(s.ast.Pos()).LineCount(); n > maxFile {
			t.Errorf("%s/%s has %d lines, more than %d", s.dir, s.name, n, maxFile)
		}
		for _, d := range s.ast.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line; n > maxFunc {
				t.Errorf("%s: %s has %d lines, more than %d", s.fset.Position(f.Pos()), f.Name.Name, n, maxFunc)
			}
		}
	}
}
