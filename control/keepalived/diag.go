package keepalived

import (
	"fmt"
	"strings"
)

// A Pos is a place in a configuration file. Text that comes out of a definition
// has the place of the line that uses it.
type Pos struct {
	File string // as it was opened
	Line int    // from 1; 0 means the file as a whole
}

// String is the place as "file:line", or "file" for the file as a whole.
func (p Pos) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// A Severity says what a Diagnostic means for the configuration. The greater,
// the worse.
type Severity uint8

// The severities.
const (
	Note    Severity = iota // correct, but worth knowing
	Warning                 // accepted after a change that the text names
	Error                   // wrong; the text says what happens instead
	Fatal                   // nothing is loaded
)

// String is the severity in lower case.
func (s Severity) String() string {
	switch s {
	case Note:
		return "note"
	case Warning:
		return "warning"
	case Error:
		return "error"
	case Fatal:
		return "fatal"
	}
	return "severity?"
}

// A Diagnostic is one report about a configuration.
type Diagnostic struct {
	Pos      Pos
	Severity Severity
	Keyword  string // the word it is about; empty when it is about the file
	Text     string
	// LeftOut says that the service or real server the report is about is not
	// in the Config.
	LeftOut bool
	// Counts says what the report is for the exit code of a configuration test.
	Counts Counts
}

// Counts says what a report is for the exit code of a configuration test.
type Counts uint8

// The kinds of counting.
const (
	BySeverity Counts = iota // from Warning on it is a mistake
	AsGood                   // keepalived takes it: no mistake, however grave
	AsMissing                // a value is missing, where keepalived stops reading
	AsSecurity               // a script would run with too many rights
)

// String is the report as "file:line: severity: keyword: text".
func (d Diagnostic) String() string {
	if d.Keyword == "" {
		return fmt.Sprintf("%v: %v: %s", d.Pos, d.Severity, d.Text)
	}
	return fmt.Sprintf("%v: %v: %s: %s", d.Pos, d.Severity, d.Keyword, d.Text)
}

// Diagnostics are reports in the order in which they were found.
type Diagnostics []Diagnostic

// Exit codes of a configuration test, as keepalived(8) has them.
const (
	ExitOK       = 0 // nothing that counts above a Note
	ExitFatal    = 1 // nothing could be loaded; keepalived takes a missing file as good
	ExitMissing  = 2 // a keyword has no value; keepalived stops reading there
	ExitConfig   = 5 // another mistake; what remains would run
	ExitSecurity = 6 // a script is run and enable_script_security is absent
)

// Max is the greatest severity among ds, and Note when there are none.
func (ds Diagnostics) Max() Severity {
	worst := Note
	for _, d := range ds {
		worst = max(worst, d.Severity)
	}
	return worst
}

// ExitCode is the exit code of a configuration test with these reports. A
// warning counts as a configuration error, because keepalived's -t fails for
// the same things (a changed port, a duplicate real server). As with keepalived
// a missing value goes before the security of scripts, and that before all else.
func (ds Diagnostics) ExitCode() int {
	found := [AsSecurity + 1]bool{}
	mistake := false
	for _, d := range ds {
		if d.Severity == Fatal {
			return ExitFatal
		}
		found[d.Counts] = true
		mistake = mistake || d.Counts == BySeverity && d.Severity >= Warning
	}
	switch {
	case found[AsMissing]:
		return ExitMissing
	case found[AsSecurity]:
		return ExitSecurity
	case mistake:
		return ExitConfig
	}
	return ExitOK
}

// maxDiagnostics bounds the reports about one configuration. One more says that
// there were others, with the severity of the worst of them.
const maxDiagnostics = 4096

// full reports whether another report of severity sev would change nothing.
func (ds Diagnostics) full(sev Severity) bool {
	return len(ds) > maxDiagnostics && sev <= ds[maxDiagnostics].Severity
}

func (ds *Diagnostics) add(pos Pos, sev Severity, keyword, format string, args ...any) {
	if !ds.full(sev) {
		ds.put(Diagnostic{Pos: pos, Severity: sev, Keyword: keyword, Text: fmt.Sprintf(format, args...)})
	}
}

// put adds d, which keeps nothing of the text that was read.
func (ds *Diagnostics) put(d Diagnostic) {
	d.Keyword = strings.Clone(d.Keyword)
	switch n := len(*ds); {
	case n < maxDiagnostics || d.Severity == Fatal:
		*ds = append(*ds, d)
	case n == maxDiagnostics:
		*ds = append(*ds, Diagnostic{Pos: d.Pos, Severity: d.Severity, Counts: d.Counts, Text: "there are more reports; they are left out"})
	default:
		more := &(*ds)[maxDiagnostics]
		if more.Severity < d.Severity {
			more.Severity, more.Counts = d.Severity, d.Counts
		}
	}
}
