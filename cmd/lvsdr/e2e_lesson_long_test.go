//go:build long

package main_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

func TestAllLessonsComeOutInIPv6(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp := shortDir(t)
	r := runLab(t, tmp, "lesson", "all", "--ipv6")
	if r.code != 0 || r.stderr != "" || strings.Count(r.stdout, "\nAfter:  ") != 5 || strings.Contains(r.stdout, "192.168.") {
		t.Errorf("exit code %d, %q, and\n%s", r.code, r.stderr, r.stdout)
	}
	wantNoTrace(t, tmp)
}

// The page shows what the lessons say, word for word. In the plain run one of them
// is taught by itself; the next test has all five, one after the other.
func TestTheLessonsSayWhatTheirPageShows(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	for n := 1; n <= 5; n++ {
		if n > 1 && !long() && !*update {
			break
		}
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			tmp := shortDir(t)
			r := runLab(t, tmp, "lesson", fmt.Sprint(n))
			if r.code != 0 || r.stderr != "" || !strings.Contains(r.stdout, "\nVerdict\n") {
				t.Fatalf("exit code %d, %q, and\n%s", r.code, r.stderr, r.stdout)
			}
			wantTidyLines(t, r.stdout)
			page := readLessonsPage(t)
			from, to := lessonBlock(t, page, n)
			if *update {
				page = page[:from] + r.stdout + page[to:]
				if err := os.WriteFile(lessonsPage, []byte(page), 0o644); err != nil {
					t.Fatal(err)
				}
				from, to = lessonBlock(t, page, n)
			}
			if got, want := same(r.stdout), same(page[from:to]); got != want {
				t.Errorf("lesson %d says\n%s\nand %s shows\n%s\n(go test ./cmd/lvsdr -run TestTheLessonsSay -update writes it)", n, got, lessonsPage, want)
			}
			wantNoTrace(t, tmp)
		})
	}
}

// An unprivileged user gets the same lessons, and the captures that are kept
// prove what they say.
func TestAllLessonsComeOutWithoutPrivilegesAndTheirCapturesProveIt(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp, dir := shortDir(t), t.TempDir()
	cmd := labCommand(t.Context(), tmp)
	cmd.Args = append(cmd.Args, "lesson", "all", "--pcap", dir)
	cmd.SysProcAttr.Cloneflags = unix.CLONE_NEWUSER
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 1000, HostID: os.Getgid(), Size: 1}}
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil || errs.Len() > 0 {
		t.Fatalf("%v, %q, and\n%s", err, errs.String(), out.String())
	}
	page, want := readLessonsPage(t), ""
	for n := 1; n <= 5; n++ {
		from, to := lessonBlock(t, page, n)
		want += page[from:to]
	}
	wantTidyLines(t, out.String())
	if same(out.String()) != same(want) {
		t.Errorf("all lessons say\n%s", out.String())
	}
	wantProof(t, dir)
	wantNoTrace(t, tmp)
}
