package lesson

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"lvsdr/control/api"
)

// ErrWrong says that a lab did not come out as it should; what was wrong stands
// in its output.
var ErrWrong = errors.New("the lab did not come out as it should")

// A report is the output of a lab, with the results that are not as expected.
type report struct {
	out   io.Writer
	width int // of the screen, in columns; 0: without an end
	wrong []string
}

// title begins a part of the report.
func (r *report) title(t string) {
	fmt.Fprintf(r.out, "\n%s\n%s\n\n", t, strings.Repeat("─", len([]rune(t))))
}

// expect notes what is wrong.
func (r *report) expect(right bool, format string, args ...any) {
	if !right {
		r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
	}
}

// verdict ends the report with right, or with all that is wrong.
func (r *report) verdict(right string) error {
	r.title("Verdict")
	if len(r.wrong) > 0 {
		for _, w := range r.wrong {
			fmt.Fprintf(r.out, "WRONG: %s\n", w)
		}
		return ErrWrong
	}
	fmt.Fprintln(r.out, right)
	return nil
}

// bar draws n of total, narrower on a screen of 80 columns.
func (r *report) bar(n, total int) string {
	width := 30
	if r.width > 0 && r.width < 86 {
		width = 24
	}
	return api.Bar(float64(n)/float64(max(total, 1)), -1, width)
}
