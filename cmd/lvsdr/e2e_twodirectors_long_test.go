//go:build long

package main_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A second director with the same file takes nothing from the first, says so, and
// steps in when the first is gone without a word.
func TestASecondDirectorOnTheLinkWaitsAndStepsIn(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	config := lab.Config(rotating())
	first := launch(t, lab, shortDir(t), config)
	kept, err := lab.Clients[0].Dial(t.Context(), "tcp", vipPort(lab))
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	n, err := lab.AddDirector(t.Context(), "director2")
	if err != nil {
		t.Fatal(err)
	}
	second, err := netlab.StartDirector(context.WithoutCancel(t.Context()), n.Host, binary(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := second.Stop(); err != nil {
			t.Errorf("the second director ended badly: %v", err)
		}
		if t.Failed() {
			t.Logf("the second director wrote:\n%s", second.Log.String())
		}
	})
	held := "VIP " + lab.Spec.VIP.String() + " is not announced: " + lab.Director.MAC.String() + " has it (--force announces it all the same)"
	if st := status(t, second); !slices.Contains(st.Problems, held) {
		t.Errorf("problems of the second director: %q, want %q", st.Problems, held)
	}

	if err := lab.ForgetVIP(); err != nil { // the client asks again: who has it?
		t.Fatal(err)
	}
	get(t, lab, 40)
	if _, err := kept.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(kept); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200") {
		t.Errorf("the connection of before got %q, %v", got, err)
	}
	if st := status(t, second); st.Reasons["scheduled"] != 0 || st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("the second director has had packets: %v", st.Reasons)
	}

	first.end(t, unix.SIGKILL)
	if err := second.Await(t.Context(), func(st *api.Status) bool { return !slices.Contains(st.Problems, held) }); err != nil {
		t.Fatalf("the second director does not step in: %v", err)
	}
	get(t, lab, 10) // the announcement has told the client where the VIP is
	if st := status(t, second); st.Reasons["scheduled"] != 10 {
		t.Errorf("the second director scheduled %d of 10 connections", st.Reasons["scheduled"])
	}
	for _, want := range []string{"event=vip-held", "event=vip-free"} {
		if !strings.Contains(second.Log.String(), want) {
			t.Errorf("the log does not say %s", want)
		}
	}
}
