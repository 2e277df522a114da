package netlab

import (
	"io"
	"strings"
	"unicode/utf8"
)

// gap is the number of blanks between two columns.
const gap = 2

// writeFolded writes rows of equal length as a table, whose first column numbers
// them. Columns that do not fit into width stand in lines of their own, which
// start below the second column; a column that is wider than that is alone. 0: no
// width is too great.
func writeFolded(out io.Writer, rows [][]string, width int) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	folds := foldColumns(widths, width)
	var b strings.Builder
	for _, row := range rows {
		for i, fold := range folds {
			line := pad("", widths[0]+gap)
			if i == 0 {
				line = pad(row[0], widths[0]+gap)
			}
			for _, c := range fold {
				line += pad(row[c], widths[c]+gap)
			}
			if line = strings.TrimRight(line, " "); line != "" {
				b.WriteString(line + "\n")
			}
		}
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// foldColumns is the columns of each line of a row, but for the first column.
func foldColumns(widths []int, width int) [][]int {
	folds, used := [][]int{nil}, widths[0]
	for c := 1; c < len(widths); c++ {
		last := len(folds) - 1
		if used += gap + widths[c]; width > 0 && used > width && len(folds[last]) > 0 {
			folds, last, used = append(folds, nil), last+1, widths[0]+gap+widths[c]
		}
		folds[last] = append(folds[last], c)
	}
	return folds
}

// pad is s with blanks behind it, up to width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}
