package ladder

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// workFor uses so much CPU time of this thread.
func workFor(t *testing.T, work time.Duration) {
	t.Helper()
	err := pinned(func() error {
		begin, err := threadTime()
		for now := begin; err == nil && now < begin+work; {
			now, err = threadTime()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// The CPU time of a process grows by what its threads use; not by the time that
// passes.
func TestProcessTimeIsThatOfItsThreads(t *testing.T) {
	const work = 50 * time.Millisecond
	before, err := processTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	workFor(t, work)
	after, err := processTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after-before < work/2 { // the kernel counts in ticks
		t.Errorf("%s of CPU time were seen as %s", work, after-before)
	}
	if _, err := processTime(-1); err == nil {
		t.Error("a process that does not exist has used CPU time")
	}
}

func TestResidentMemoryContainsWhatIsInUse(t *testing.T) {
	const size = 64 << 20
	b := make([]byte, size)
	for i := 0; i < size; i += 512 {
		b[i] = 1
	}
	n, err := resident(os.Getpid())
	if err != nil || n < size {
		t.Errorf("%d bytes, %v, with %d in use", n, err, len(b))
	}
	if b[512] != 1 {
		t.Error("unused")
	}
	if _, err := resident(-1); err == nil {
		t.Error("a process that does not exist has memory")
	}
}

// What is not installed is left out of every rung, and the report says so.
func TestCandidatesThatAreNotInstalledAreLeftOut(t *testing.T) {
	for _, test := range []struct {
		live      Live
		has, less []string
	}{
		{Live{}, []string{"lvsdr, offload"}, []string{"nftables", "haproxy"}},
		{Live{Nft: "/nft"}, []string{"nftables"}, []string{"haproxy"}},
		{Live{Nft: "/nft", HAProxy: "/haproxy"}, []string{"nftables", "haproxy"}, nil},
	} {
		test.live.Lvsdr, test.live.Naive = "/lvsdr", []string{"x"}
		for _, r := range liveRungs(&test.live) {
			has := func(name string) bool {
				return slices.ContainsFunc(r.Candidates, func(s Candidate) bool { return s.Name == name })
			}
			for _, name := range test.has {
				if strings.HasPrefix(r.Name, "live/paced/") || strings.HasSuffix(r.Name, "6") && name == "haproxy" || r.Name == "live/idle" || r.Name == "reload" {
					continue // processes alone
				}
				if small := r.Name == "live/small" || strings.HasPrefix(r.Name, "live/machine/"); !has(name) && (!small || name != "haproxy") {
					t.Errorf("%s has no %s", r.Name, name)
				}
			}
			for _, name := range test.less {
				if has(name) {
					t.Errorf("%s has %s", r.Name, name)
				}
			}
		}
		if notes := test.live.notes(); len(notes) != len(test.less) {
			t.Errorf("without %s: %q", strings.Join(test.less, " and "), notes)
		}
	}
}
