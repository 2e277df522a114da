// Package findings holds what an examination has found: Findings with their names,
// severity, evidence and remedy, and the Report of all of them as text, JSON and
// exit code.
package findings
