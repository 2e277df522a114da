package main_test

import (
	"regexp"
	"strings"
	"testing"

	"lvsdr/bench/netns"
)

// pairWords are words in the output of a lab with two directors.
var pairWords = regexp.MustCompile(`(?s) director  --\+-- .* director2 --\+-- .*the master\nis director now\..*` +
	`reaches director .*The master, director, changed the MAC addresses.*` +
	`director  is the master and has had 600 of 600 connections\ndirector2 is the backup and has had 0 of 600 connections\n.*` +
	`lvsdr status on director\n.*web +MASTER +150 .*lvsdr status on director2\n.*web +BACKUP +100 .*All as it should be\.\n$`)

func TestFaultsAreShownWithOneDirector(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "break", "rs-without-vip", "--directors", "2")
	if r.code != 2 || !strings.Contains(r.stderr, "--directors 2") {
		t.Errorf("exit code %d, %q", r.code, r.stderr)
	}
	wantNoTrace(t, tmp)
}
