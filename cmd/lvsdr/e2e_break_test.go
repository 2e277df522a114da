package main_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/fault"
	"lvsdr/bench/netns"
)

// runLab runs `lvsdr lab` with these arguments.
func runLab(t *testing.T, tmp string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := labCommand(ctx, tmp)
	cmd.Args = append(cmd.Args, args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

func TestLabBreakListsTheFaults(t *testing.T) {
	t.Parallel()
	r := lvsdr(t, "lab", "break", "--list")
	for _, f := range fault.All() {
		if !strings.Contains(r.stdout, f.Name+" ") || !strings.Contains(r.stdout, f.Summary+"\n") {
			t.Errorf("%s is missing in:\n%s", f.Name, r.stdout)
		}
	}
	for _, args := range [][]string{{"lab", "break"}, {"lab", "break", "none"}, {"lab", "break", "rp-filter", "--", "true"}, {"lab", "break", "rp-filter", "-6"}} {
		if r := verb(t, args...); r.code != 2 || r.stderr == "" {
			t.Errorf("%v: code %d, %s", args, r.code, r.stderr)
		}
	}
}

// The captures that are kept have comments, and the symptom is marked in them.
func TestLabBreakShowsTheSymptomAndKeepsCaptures(t *testing.T) {
	t.Parallel()
	netns.Require(t)
	tmp, dir := shortDir(t), t.TempDir()
	r := runLab(t, tmp, "break", "rs-wrong-port", "--routed", "--two-armed", "--weights", "1,1", "--pcap", dir)
	for _, want := range []string{"rs-wrong-port: ", "Before: 24 of 24 requests were answered (rs1 12, rs2 12).", "After:  12 of 24",
		"leaves rs1 ", "TCP RST ACK", "connection refused", "The symptom shows: rs1 refused 12 connections"} {
		if !strings.Contains(strings.ReplaceAll(r.stdout, "\n", " "), want) {
			t.Errorf("no %q", want)
		}
	}
	if r.code != 0 || r.stderr != "" {
		t.Errorf("code %d, stderr %q", r.code, r.stderr)
	}
	for name, want := range map[string]string{
		"before/director-eth1.pcapng": "the director passes TCP SYN on to ",
		"before/rs1-eth0.pcapng":      "an answer as the VIP: TCP SYN ACK from rs1, not by the director",
		"after/rs1-eth0.pcapng":       "symptom: an answer as the VIP: TCP RST ACK from rs1",
		"after/all.pcapng":            "symptom: ",
		"after/router-eth2.pcapng":    "",
		"after/client1-eth0.pcapng":   "",
	} {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(b, []byte(want)) {
			t.Errorf("%s: %v, no %q", name, err, want)
		}
	}
	if t.Failed() {
		t.Log(r.stdout)
	}
	wantNoTrace(t, tmp)
}

// killLab starts a lab with a shell in it and kills it.
func killLab(t *testing.T, tmp string, whole bool) {
	t.Helper()
	cmd := labCommand(t.Context(), tmp)
	cmd.Args = append(cmd.Args, "shell", "--", "sh", "-c", "echo up; exec sleep 600")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
		t.Errorf("%q, %v", line, err)
	}
	pid := cmd.Process.Pid
	if whole {
		pid = -pid
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // its error is that it was killed
}
