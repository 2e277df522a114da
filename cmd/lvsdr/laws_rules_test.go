package main

import (
	"bytes"
	"go/ast"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every routing table, rule preference, mark and route protocol of the program
// stands in one list, and rules and routes are set in one place, so that two
// features on one host never touch each other's.
func TestNumbersOfRulesHaveOneList(t *testing.T) {
	const list, user = "control/policyroute", "control/routing" // whose rules and routes are those of the configuration
	calls := []string{"NewRule", "RuleAdd", "RuleDel", "RouteAdd", "RouteReplace", "RouteDel"}
	fields := []string{"Pref", "Priority", "Mark", "Mask", "Table", "Protocol"}
	found := 0
	for _, s := range sources(t) {
		host := strings.HasPrefix(s.dir, "control") // what runs on users' hosts
		ast.Inspect(s.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if v, err := strconv.ParseUint(n.Value, 0, 64); n.Kind == token.INT && err == nil && v>>20 == 0x6c7 {
					found++
					if s.dir != list {
						t.Errorf("%s: %s is a number of policy routing; it belongs to %s", s.fset.Position(n.Pos()), n.Value, list)
					}
				}
			case *ast.SelectorExpr:
				if host && s.dir != list && s.dir != user && slices.Contains(calls, n.Sel.Name) {
					t.Errorf("%s: %s is called outside of %s", s.fset.Position(n.Pos()), n.Sel.Name, list)
				}
			case *ast.CompositeLit:
				if typ, ok := n.Type.(*ast.SelectorExpr); ok && host && typ.Sel.Name == "Rule" {
					for _, e := range n.Elts {
						if bare, ok := bareNumber(e, fields); ok && s.dir != list {
							t.Errorf("%s: %s of a rule is a bare number; it belongs to %s", s.fset.Position(e.Pos()), bare, list)
						}
					}
				}
			}
			return true
		})
	}
	if found < 5 {
		t.Errorf("only %d numbers were found", found)
	}
}

// bareNumber is the field's name where e sets one of fields to a literal. All
// bits of a mask are no choice of a number.
func bareNumber(e ast.Expr, fields []string) (string, bool) {
	kv, ok := e.(*ast.KeyValueExpr)
	if !ok {
		return "", false
	}
	key, ok := kv.Key.(*ast.Ident)
	if !ok || !slices.Contains(fields, key.Name) {
		return "", false
	}
	lit, ok := kv.Value.(*ast.BasicLit)
	return key.Name, ok && lit.Value != "0xffffffff"
}

// The tree has at least as many lines of tests as of code.
func TestThereAreAsManyLinesOfTestsAsOfCode(t *testing.T) {
	code, tests := 0, 0
	err := filepath.WalkDir(moduleRoot, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") {
			return err
		}
		b, err := os.ReadFile(p)
		if n := bytes.Count(b, []byte("\n")); strings.HasSuffix(p, "_test.go") {
			tests += n
		} else {
			code += n
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if code < 10000 || tests < code {
		t.Errorf("%d lines of tests for %d of code", tests, code)
	}
}
