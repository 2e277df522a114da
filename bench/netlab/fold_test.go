package netlab

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestTablesAreFoldedToTheScreen(t *testing.T) {
	rows := [][]string{{"", "seen", "src mac", "what"}, {"1", "leaves client1", "02:00:00:00:cc:01", "TCP SYN"}, {"2", "reaches rs1", "-", ""}}
	for width, want := range map[int]string{
		0:  "   seen            src mac            what\n1  leaves client1  02:00:00:00:cc:01  TCP SYN\n2  reaches rs1     -\n",
		45: "   seen            src mac            what\n1  leaves client1  02:00:00:00:cc:01  TCP SYN\n2  reaches rs1     -\n",
		44: "   seen            src mac\n   what\n1  leaves client1  02:00:00:00:cc:01\n   TCP SYN\n2  reaches rs1     -\n",
		20: "   seen\n   src mac\n   what\n1  leaves client1\n   02:00:00:00:cc:01\n   TCP SYN\n2  reaches rs1\n   -\n",
	} {
		var out strings.Builder
		if err := writeFolded(&out, rows, width); err != nil || out.String() != want {
			t.Errorf("width %d, %v:\n%s\nwant\n%s", width, err, out.String(), want)
		}
	}
}

// No line is longer than the screen where each column fits it, every cell is in
// the table in its order, and a wide screen has one line for each row.
func TestFoldedTablesFitAndLoseNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		columns := 1 + random.IntN(8)
		rows := make([][]string, 1+random.IntN(5))
		var cells []string
		for i := range rows {
			rows[i] = append(rows[i], fmt.Sprint(i))
			for range columns {
				rows[i] = append(rows[i], strings.Repeat("é", 1+random.IntN(17)))
			}
			cells = append(cells, rows[i]...)
		}
		width := 20 + random.IntN(150)
		var folded, wide strings.Builder
		if writeFolded(&folded, rows, width) != nil || writeFolded(&wide, rows, 0) != nil {
			t.Fatal("a builder refused text")
		}
		for line := range strings.Lines(folded.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Fatalf("a line of %d on a screen of %d:\n%s", n, width, folded.String())
			}
		}
		if got := strings.Fields(folded.String()); fmt.Sprint(got) != fmt.Sprint(cells) {
			t.Fatalf("the table holds %q, want %q", got, cells)
		}
		if n := strings.Count(wide.String(), "\n"); n != len(rows) {
			t.Fatalf("%d lines for %d rows", n, len(rows))
		}
	}
}
