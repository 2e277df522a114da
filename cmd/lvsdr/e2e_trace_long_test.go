//go:build long

package main_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// Whatever was not shown is counted: together it is all that matched. The client
// does not read for a while, which holds up nobody.
func TestTraceUnderLoadLosesNothingSilently(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(rotating()))
	tr := traced(t, d, "--json", "reason scheduled")
	if err := tr.cmd.Process.Signal(unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// Not for long: who reads nothing for 30 s is given up.
	n := 0
	for end := time.Now().Add(10 * time.Second); n < sized(3000, 600, 600) && time.Now().Before(end); n += 50 {
		get(t, lab, 50)
	}
	if err := tr.cmd.Process.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// What was lost is told right behind the frames that had room: when two more
	// are shown, one after the other, it was told.
	for range 2 {
		from := firstPort + lab.ports.Add(1)
		c, err := lab.Clients[0].DialFrom(t.Context(), "tcp", netip.AddrPortFrom(lab.Clients[0].Addr, uint16(from)), netip.AddrPortFrom(lab.Spec.VIP, port).String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		await(t, "a last connection", func() bool { return strings.Contains(tr.out.String(), fmt.Sprintf(`"src_port":%d,`, from)) })
	}
	want := status(t, d).Reasons["scheduled"]
	last := tr.end(t, true)
	var shown, lost uint64
	if _, err := fmt.Sscanf(last, "%d frames, %d not shown", &shown, &lost); err != nil {
		t.Fatalf("it ended with %q", last)
	}
	if shown+lost != want || want < uint64(n) {
		t.Errorf("%d shown and %d not, of %d", shown, lost, want)
	}
}
