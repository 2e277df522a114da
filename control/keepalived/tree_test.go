package keepalived

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseReadsTheSyntax(t *testing.T) {
	for _, tt := range []struct{ name, in, want, diags string }{
		{"a comment starts in the middle of a word", "a b#c\na b!c\n", "a b\na b\n", ""},
		{"no comment starts in double quotes", `a "b#c" "d!e" f#g`, `a "b#c" "d!e" f`, ""},
		{"a comment starts in apostrophes", `a 'd!e'`, `a 'd`, ""},
		{"a backslash before a comment belongs to it", "a b\\#c\na b\\\\#c\n", "a b\na b\\\\\n", ""},
		{"double quotes make a word of their own", `a b" c"d ""e`, `a b " c" d "" e`, ""},
		{"apostrophes and backslashes are letters", `a op's 'x y' dc1\node2 \x41 "b\"`, `a op's 'x y' dc1\node2 \x41 b\`, ""},
		{"a command is quoted as in a shell", "script b\" c\"'d e'f \"\"\nscript \"'x y' z\" u\n", "script \"b cd ef\" \"\"\nscript \"'x y' z\" u\n", ""},
		{"an escaped quote in a command starts nothing", `script b\\ "c\\\"d" 'e f'`, `script "b\\" "c\\\"d" "e f"`, ""},
		{"escapes in a command stand for bytes", `notify \a\b\E\f\n\r\t\v \101\x42\x00043\cA \q\\`, `notify "\007\010\033\014\012\015\011\013" "ABC\001" "q\\"`, ""},
		{"three octal digits at most", `misc_path \1012 \08`, `misc_path A2 "\0008"`, ""},
		{"only the words behind such a keyword are a command", `a { misc_path b\ c } d\e`, "a {\n    misc_path \"b c\"\n}\n\nd\\e", ""},
		{"a command whose quotes do not match is left out", `script "don't" x`, `script x`, "f:1: error: script: a quote is not closed"},
		{"a regular expression is quoted as in a shell, once", `regex "don't" 'x\"y'`, `regex "don't" "x\"y"`, ""},
		{"spaces beyond ASCII are blanks", "a\u3000b\u00a0c \"d\u3000e\"\n\u200bf \u3000\n", "a b c \"d\u3000e\"\nf\n", "f:1: note: a: a space that is not ASCII is read as a blank"},
		{"a brace may touch a word, or stand on a later line", "a b{\nc}\nd\n\n# comment\n{\n}\n", "a b {\n    c\n}\n\nd {\n}\n", ""},
		{"a line may go on after braces", "a { b c } d { e { f }}} g", "a {\n    b c\n}\n\nd {\n    e {\n        f\n    }\n}\n\ng\n", `f:1: error: }: unexpected: there is no "{" that it closes`},
		{"a quoted brace is a word", `a "{" "}"`, `a "{" "}"`, ""},
		{"a second brace is reported, its lines stay", "a {{\nb\n}}\nc\n", "a {\n    b\n}\n\nc\n", "f:1: error: {: unexpected: there is no keyword before it"},
		{"a missing brace is reported where the block starts", "a {\nb {\n}\n", "a {\n    b {\n    }\n}\n", `f:1: error: a: the block that starts here is not closed; a "}" is missing`},
		{"a quote that is not closed is left out with its line", "a x \"b {\nc\n", "a x\nc\n", "f:1: error: a: a quote is not closed; what it starts is left out"},
		{"a backslash joins no lines", "a b\\\nc \\\n   d\n", "a b\\\nc\\\nd\n", ""},
		{"a backslash joins the lines of a definition, also before a comment", "$A=b \\ # more\nc\n$A\n", "b\nc\n", ""},
		{"carriage returns and a byte order mark are white space", "\ufeffa b\r\n{\r\n}\r\n", "a b {\n}\n", ""},
		{"lines for another host are left out", "@main a\n@other b\n@^main c\n@^other @main d\n", "a\nd\n", ""},
		{"an undefined name stays as it is", "a $B ${B}c ${B", "a \"$B\" \"${B}c\" \"$\" {\n    B\n}", "f:1: error: a: ${B} is not defined"},
		{"definitions are put in where a name ends", "$A=x y  # no\na $A ${A}z b$A $A. \"$A\"\n", "a x y x yz bx y \"$A.\" \"$A\"\n", ""},
		{"a definition is looked up when it is used", "$A=<${B}>\n$B=1\na $A\n$B=2\na $A\n", "a <1>\na <2>\n", ""},
		{"a definition may make a condition or a definition", "$C=@other\n$C a\n$D=$E=5\n$D\nb $E\n", "b 5\n", ""},
		{"a definition of several lines becomes lines", "$A= \\\nb { \\\n$N=3 \\\nc $N \\\n}\na $A # d\n", "a b {\n    c 3\n}\n", ""},
		{"but not with more behind it", "$A= \\\nb \\\nc\na $A d\n", "a \"$A\" d\n", ""},
		{"a blank line ends a definition", "$A= \\\nb \\\n\nc\na\n$A\n", "c\na\nb\n", ""},
		{"predefined names", "a ${_PWD} ${_INSTANCE} \"${_HASH}${_BANG}\" ${_ENV HOME} ${_RANDOM 3 9} \"${_RANDOM 9 3}\"", "a . main \"#!\" value of HOME 3 \"${_RANDOM 9 3}\"", ""},
		{"quoted keywords are nothing special", "\"include\" a\n\"@x\" b\n\"~SEQ(\"\n\"$A=b\"\n", "\"include\" a\n\"@x\" b\n\"~SEQ(\"\n\"$A=b\"\n", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			nodes, ds, err := Parse("f", testOptions(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimSpace(printed(t, nodes)); got != strings.TrimSpace(tt.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.want)
			}
			text := ""
			if len(ds) > 0 {
				text = ds[0].String()
			}
			if !strings.HasPrefix(text, tt.diags) || tt.diags == "" && text != "" {
				t.Errorf("reports %v, want %q", ds, tt.diags)
			}
		})
	}
}

func TestPositionsAreThoseOfTheLineInTheFile(t *testing.T) {
	o := testOptions("")
	o.Files = memFiles(map[string]string{
		"etc/f":   "# one\n$A= \\\nx { \\\ny \\\n}\n\na\ninclude d/g\n$A\nz\n",
		"etc/d/g": "\nc\n",
	})
	nodes, ds, err := Parse("etc/f", o)
	if err != nil || len(ds) > 0 {
		t.Fatal(ds, err)
	}
	var got []string
	for _, n := range append(nodes, nodes[2].Children...) {
		got = append(got, fmt.Sprintf("%s %v", n.Keyword, n.Pos))
	}
	want := []string{"a etc/f:7", "c etc/d/g:2", "x etc/f:9", "z etc/f:10", "y etc/f:9"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestInclude(t *testing.T) {
	files := map[string]string{
		"d/1.conf": "one", "d/2.conf": "two\ninclude sub/x\n", "d/.3.conf": "hidden", "d/sub/x": "three", "/abs": "four",
		"d/has blank": "five", "loop": "include loop2", "loop2": "a\ninclude ./loop",
	}
	for _, tt := range []struct{ name, in, want, diag string }{
		{"a pattern, its files in order, relative to each file", "include d/*.conf", "one two three", ""},
		{"hidden files only when they are named", "include d/.*.conf", "hidden", ""},
		{"an absolute name", "include /abs # comment", "four", ""},
		{"a quoted name", `include "d/has blank"`, "five", ""},
		{"braces, also in braces", "include d/{2,1}.conf\ninclude {d/{sub/x,1.conf},/abs}", "two three one three one four", ""},
		{"what is missing is a note", "include nothing\nx", "x", "f:1: note: include"},
		{"a pattern without files is a note", "include no*\nx", "x", "f:1: note: include"},
		{"includer wants the file", "includer nothing", "", "f:1: error: include"},
		{"includer does not want a match", "includer no*", "", "f:1: note: include"},
		{"includem wants the file", "includem nothing", "", "f:1: error: include"},
		{"includew wants a match", "includew no*", "", "f:1: error: include"},
		{"includeb wants every alternative", "includeb {/abs,nothing}", "four", "f:1: error: include"},
		{"includea wants everything", "includea {/abs,no*}", "four", "f:1: error: include"},
		{"a circle is broken", "include loop", "a", "loop2:2: error: include: loop includes itself"},
		{"a name is needed", "include", "", "f:1: error: include: needs"},
		{"too many braces", "include " + strings.Repeat("{a,b}", 9), "", "f:1: error: include: the braces"},
		{"not on a condition", "@main include d/1.conf", "", "f:1: error: include: is not possible"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := testOptions("")
			files["f"] = tt.in
			o.Files = memFiles(files)
			nodes, ds, err := Parse("f", o)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(strings.Fields(printed(t, nodes)), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.diag == "" && len(ds) > 0 || tt.diag != "" && (len(ds) == 0 || !strings.HasPrefix(ds[0].String(), tt.diag)) {
				t.Errorf("reports %v, want %q", ds, tt.diag)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	small := Limits{FileSize: 1000, TotalSize: 3000, IncludeDepth: 3, LineLength: 200, Nesting: 3}
	for _, tt := range []struct{ name, in, fatal, diag string }{
		{"a file as long as allowed", strings.Repeat("a\n", 500), "", ""},
		{"a longer file", strings.Repeat("a\n", 500) + "b", "more than 1000 bytes", ""},
		{"a definition that uses itself", "$A=$A\n$A\n", "more than 3000 bytes", ""},
		{"a definition of lines that uses itself", "$A= \\\nb \\\n$A\n$A\n", "nested deeper than 64", ""},
		{"a first line that uses itself", "$A= \\\n$A \\\nb\n$A\n", "nested deeper than 64", ""},
		{"definitions that double", "$A=xxxxxxxx\n$B=$A $A\n$C=$B $B\n$D=$C $C\n$E=$D $D\n$F=$E $E\n$F", "longer than 200 bytes", ""},
		{"a condition that makes itself", "$A=@main $A\n$A\n", "line becomes longer than 200 bytes", ""},
		{"a long line", strings.Repeat("a ", 101), "longer than 200 bytes", ""},
		{"many definitions in a line", "$A=\n" + strings.Repeat("$A ", 66) + "\n", "", ""},
		{"blocks as deep as allowed", "a {\nb {\nc {\n}}}", "", ""},
		{"blocks too deep", "a {\nb {\nc {\nd {\n}}}}", "", "f:4: error: d: blocks are nested deeper than 3"},
		{"files too deep", "include 1", "", "2:1: error: include: 3: more than 3 files deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := testOptions("")
			o.Files = memFiles(map[string]string{"f": tt.in, "1": "include 2", "2": "include 3", "3": "a"})
			o.Limits = small
			_, ds, err := Parse("f", o)
			if (err == nil) != (tt.fatal == "") || err != nil && !strings.Contains(err.Error(), tt.fatal) {
				t.Fatalf("error %v, want %q", err, tt.fatal)
			}
			if err != nil {
				if ds.ExitCode() != ExitFatal {
					t.Errorf("exit code %d", ds.ExitCode())
				}
				return
			}
			if tt.diag == "" && len(ds) > 0 || tt.diag != "" && (len(ds) == 0 || ds[0].String() != tt.diag) {
				t.Errorf("reports %v, want %q", ds, tt.diag)
			}
		})
	}
}

// Many braces cost neither stack nor quadratic time, and not a report each.
func TestManyBraces(t *testing.T) {
	for _, in := range []string{strings.Repeat("{", 1<<18), strings.Repeat("a{\n", 1<<18), strings.Repeat("}", 1<<18)} {
		o := testOptions(in)
		o.Limits.LineLength = len(in)
		_, ds, err := Parse("f", o)
		if err != nil || len(ds) != maxDiagnostics+1 || ds.ExitCode() != ExitConfig {
			t.Errorf("%d reports, error %v", len(ds), err)
		}
	}
}

func TestAFileThatCannotBeReadIsFatal(t *testing.T) {
	o := testOptions("")
	c, ds, err := Load("missing", o)
	if c != nil || err == nil || ds.ExitCode() != ExitFatal {
		t.Errorf("Load = %v, %v, %v", c, ds, err)
	}
	if _, _, err := Load(t.TempDir(), Options{}); err == nil {
		t.Error("a folder was read as a configuration")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "a", "a {\n b \"c\\\"d\" 'e'\n}", "$A= \\\nb $C \\\n}\n$C=x y\n$A ${A}{", "@main a\n@^main b", "a \\\nb", "a \\x41\\101\\cA#b",
		"include g\ninclude {g,h}\n", "{}{}}{", "\"include\" \"@x\" \"\"", "a \xff\u00a0\u2028\ufeff", "~SEQ(a)", "~SEQ(A,1,3) a $A ${A}b", "~LST({A,B},{1,2},{x}) a ${A} {\n$B\n}", "notify 'a b' \"c", "a\u3000'b' c\\d", "${_ENV X} ${_RANDOM} ${_PWD}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		o := testOptions("")
		o.Limits = Limits{FileSize: 1 << 12, TotalSize: 1 << 14, LineLength: 1 << 10}
		o.Files = memFiles(map[string]string{"f": in, "g": "from g {\ninclude f\n}\n", "h": in})
		nodes, ds, err := Parse("f", o)
		checkDiagnostics(t, ds, err)
		if err != nil {
			return
		}
		text := printed(t, nodes)
		if strings.Contains(text, "${") || strings.Contains(text, `\`) {
			return // made by definitions it may be what no text says; a backslash may hide a quote from a comment
		}
		again, ds, err := Parse("f", testOptions(text))
		if err != nil || len(ds) > 0 {
			t.Fatalf("the printed text is wrong: %v %v\n%s", ds, err, text)
		}
		if !reflect.DeepEqual(withoutPos(nodes), withoutPos(again)) {
			t.Fatalf("the printed text is another tree:\n%s", text)
		}
		if twice := printed(t, again); twice != text {
			t.Fatalf("printed first:\n%s\nthen:\n%s", text, twice)
		}
	})
}

// Beyond the bound on reports only their severity counts.
func TestManyReports(t *testing.T) {
	notes := strings.Repeat("include nothing\n", maxDiagnostics+2)
	for _, tt := range []struct {
		in   string
		exit int
	}{{notes, ExitOK}, {notes + "includer nothing\n", ExitConfig}} {
		_, ds, err := Parse("f", testOptions(tt.in))
		if err != nil || len(ds) != maxDiagnostics+1 || ds.ExitCode() != tt.exit {
			t.Errorf("%d reports, exit code %d, error %v", len(ds), ds.ExitCode(), err)
		}
	}
}

// checkDiagnostics states what holds of every report: it names a file and, if it
// is not fatal, a line; it ends a failed reading, and only that, with Fatal.
func checkDiagnostics(t *testing.T, ds Diagnostics, err error) {
	t.Helper()
	for i, d := range ds {
		fatal := err != nil && i == len(ds)-1
		if d.Pos.File == "" || d.Pos.Line < 1 && !fatal || d.Text == "" || (d.Severity == Fatal) != fatal {
			t.Fatalf("report %d of %d: %#v (error %v)", i, len(ds), d, err)
		}
	}
	if err != nil && ds.ExitCode() != ExitFatal {
		t.Fatalf("exit code %d with error %v", ds.ExitCode(), err)
	}
}
