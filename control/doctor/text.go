package doctor

import (
	"fmt"
	"io"
	"strings"
)

// WriteProgress writes one line about a check that was made.
func WriteProgress(w io.Writer, c Check, found []Finding) {
	var worst Severity
	news := 0
	for _, f := range found {
		worst = max(worst, f.Severity)
		if f.Severity > Info {
			news++
		}
	}
	if news == 0 {
		fmt.Fprintf(w, "ok       %s\n", c.Title)
		return
	}
	fmt.Fprintf(w, "%-8s %s: %d to mend\n", worst, c.Title, news)
}

// WriteText writes the report for a person.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s: %s: %s\n  %s\n", f.Severity, f.Name, f.About, f.Text)
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "    seen: %s\n", e)
		}
		if f.Remedy != "" {
			fmt.Fprintf(&b, "    mend: %s\n", f.Remedy)
		}
	}
	counts := map[Severity]int{}
	for _, f := range r.Findings {
		counts[f.Severity]++
	}
	verdict := "healthy"
	if r.Worst > Info {
		verdict = "not healthy"
	}
	fmt.Fprintf(&b, "\n%s: %d errors, %d warnings, %d infos from %d checks of this %s\n",
		verdict, counts[Error], counts[Warning], counts[Info], len(r.Checks), r.Place)
	_, err := io.WriteString(w, b.String())
	return err
}
