//go:build long

package main_test

import (
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

// In a shell on one of the two directors commands are about that one, and elsewhere about
// the first.
func TestALabShellOnADirectorOfAPairIsAboutThatOne(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	script := binary() + ` status
for host in director2 director; do ` + binary() + ` lab shell $host -- ` + binary() + ` status; done
`
	out, code := labShell(t, tmp, script, "--directors", "2", "client", "--", "sh")
	var roles []string
	for line := range strings.Lines(out) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "web" {
			roles = append(roles, words[1]+" "+words[2])
		}
	}
	if got := strings.Join(roles, ", "); code != 0 || got != "MASTER 150, BACKUP 100, MASTER 150" {
		t.Errorf("exit code %d, the roles are %s in\n%s", code, got, out)
	}
	wantNoTrace(t, tmp)
}

func TestALabOfTwoDirectorsShowsWhichOneIsTheMaster(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "--directors", "2", "--persistence", "50")
	if r.code != 0 || r.stderr != "" || !pairWords.MatchString(r.stdout) {
		t.Errorf("exit code %d, %q, and\n%s", r.code, r.stderr, r.stdout)
	}
	wantNoTrace(t, tmp)
}
