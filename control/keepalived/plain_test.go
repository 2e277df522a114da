package keepalived

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawLine draws a line of words, white space and braces, and of more if that is
// not to be plain.
func drawLine(t *rapid.T, more ...string) string {
	pieces := append([]string{"a", "virtual_server", "10.0.0.1", "{", "}", " ", "  ", "\t", "\v", "\r", ",", "-", "/", ":", "=", "^", "%", "("}, more...)
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 8).Draw(t, "line"), "")
}

func TestAPlainLineIsCutAsAnyOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := drawLine(t)
		if !plain(line) {
			t.Fatalf("%q is plain", line)
		}
		before := []token{{word: "before"}}
		want, wrong := splitQuoted(slices.Clone(before), line)
		got, also := split(slices.Clone(before), line)
		if wrong != 0 || also != 0 || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is cut into %v, %v; want %v, %v", line, got, also, want, wrong)
		}
	})
}

func TestALineWithAByteOfAnyOtherMeaningIsNotPlain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		special := rapid.SampledFrom([]string{`"`, "'", `\`, "#", "!", "$", "@", "~SEQ(", "é", "\u3000"}).Draw(t, "special")
		if line := drawLine(t) + special + drawLine(t); plain(line) {
			t.Fatalf("%q is not plain", line)
		}
	})
}

// A comment behind each line takes the way of the lines that are not plain, and
// means nothing.
func TestPlainLinesMeanWhatTheyMeanWithAComment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines, commented []string
		for range rapid.IntRange(0, 10).Draw(t, "lines") {
			line := drawLine(t, "include nothing", "include f2", "@main ", "$A", "$A=b", `\`, `"`)
			if strings.HasSuffix(line, `\`) || strings.Count(line, `"`)%2 == 1 {
				line += "x\"" // neither joins the next line nor takes the comment in
			}
			if strings.Count(line, `"`)%2 == 1 || strings.Contains(line, `\"`) {
				continue
			}
			lines, commented = append(lines, line), append(commented, line+" # comment")
		}
		read := func(lines []string) string {
			o := testOptions("")
			o.Files = memFiles(map[string]string{"f": strings.Join(lines, "\n"), "f2": "included { x\n}\n"})
			nodes, ds, err := Parse("f", o)
			return fmt.Sprint(shown(nodes), ds, err)
		}
		if got, want := read(lines), read(commented); got != want {
			t.Fatalf("%q\nis read as %s\nand with comments as %s", lines, got, want)
		}
	})
}

// shown is everything in a tree.
func shown(nodes []*Node) string {
	var b strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&b, "%q %q %v %v (%s)\n", n.Keyword, n.Args, n.HasBlock, n.Pos, shown(n.Children))
	}
	return b.String()
}

func TestPiecesOfASlabAreZeroAndApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s slab[int]
		var pieces, want [][]int
		for i := range rapid.IntRange(0, 60).Draw(t, "pieces") {
			list := slices.Repeat([]int{i + 1}, rapid.SampledFrom([]int{0, 1, 2, 7, 40, 3000}).Draw(t, "length"))
			switch rapid.IntRange(0, 2).Draw(t, "how") {
			case 0:
				piece := s.take(len(list))
				if slices.ContainsFunc(piece, func(n int) bool { return n != 0 }) {
					t.Fatal("a piece that was taken is not zero")
				}
				copy(piece, list)
				pieces = append(pieces, piece)
			case 1:
				pieces = append(pieces, s.copy(list))
			default:
				if one := s.one(); *one != 0 {
					t.Fatal("one that was taken is not zero")
				} else {
					*one, list = i+1, []int{i + 1}
					pieces = append(pieces, []int{*one})
				}
			}
			want = append(want, list)
		}
		for i, piece := range pieces {
			if !slices.Equal(piece, want[i]) || len(piece) > 1 && cap(piece) > len(piece) {
				t.Fatalf("piece %d of %d has %d elements of %d, want %d", i, len(pieces), len(piece), cap(piece), len(want[i]))
			}
		}
	})
}
