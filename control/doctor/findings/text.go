package findings

import (
	"fmt"
	"io"
	"strings"
)

// WriteProgress writes one line about the check with this title.
func WriteProgress(w io.Writer, title string, found []Finding) {
	var worst Severity
	faults := 0
	for _, f := range found {
		worst = max(worst, f.Severity)
		if f.Severity > Info {
			faults++
		}
	}
	if faults == 0 {
		fmt.Fprintf(w, "ok       %s\n", title)
		return
	}
	fmt.Fprintf(w, "%-8s %s: %d to fix\n", worst, title, faults)
}

// WriteText writes the report as text.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "\n%s: %s: %s\n  %s\n", f.Severity, f.Name, f.About, f.Text)
		for _, e := range f.Evidence {
			fmt.Fprintf(&b, "    seen: %s\n", e)
		}
		if f.Remedy != "" {
			fmt.Fprintf(&b, "    fix:  %s\n", f.Remedy)
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
