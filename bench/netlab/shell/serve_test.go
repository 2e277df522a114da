package shell

import (
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// newHolder holds a lab in which nothing runs.
func newHolder(t *testing.T) *holder {
	t.Helper()
	netns.Require(t)
	lab, err := netlab.Build(t.Context(), netlab.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lab.Close(); err != nil {
			t.Error(err)
		}
	})
	return &holder{site: &netlab.Site{Lab: lab}, env: func(n *netlab.Node) []string { return []string{"LAB=yes", "ON=" + n.Name()} }}
}

// A message is one of a wire.
type message struct {
	typ  byte
	data string
}

// ask sends messages to a holder as Join does, and returns what it shows, the exit
// code, and what its serving says.
func ask(t *testing.T, h *holder, messages ...message) (shown string, code int, err error) {
	t.Helper()
	client, server := net.Pipe()
	defer client.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer server.Close()
		w := &wire{conn: server}
		code, err := h.serve(t.Context(), w)
		if err != nil {
			_ = w.send(msgRefused, []byte(err.Error()))
			return
		}
		_ = w.send(msgExit, []byte{byte(code)})
	}()
	w := &wire{conn: client}
	go func() {
		for _, m := range messages {
			_ = w.send(m.typ, []byte(m.data)) // a command may have ended before
		}
	}()
	var out bytes.Buffer
	code, err = w.show(&out)
	client.Close()
	<-done
	return out.String(), code, err
}

// request is the first message, for a command on a host.
func request(t *testing.T, tty bool, host string, command ...string) message {
	t.Helper()
	b, err := json.Marshal(Request{Host: host, Command: command, TTY: tty, Term: "dumb", Rows: 24, Cols: 80})
	if err != nil {
		t.Fatal(err)
	}
	return message{msgRequest, string(b)}
}

func TestARequestRunsOnItsHost(t *testing.T) {
	h := newHolder(t)
	t.Setenv("SHELL", "/bin/sh")
	eof := message{msgEOF, ""}
	for _, c := range []struct {
		law      string
		messages []message
		shown    string
		code     int
		refusal  string // "" where it is carried out
	}{
		{"the output is shown", []message{request(t, false, "rs1", "echo", "a b"), eof}, "a b\n", 0, ""},
		{"the error output, too", []message{request(t, false, "rs1", "sh", "-c", "echo e >&2"), eof}, "e\n", 0, ""},
		{"the exit code is the command's", []message{request(t, false, "rs1", "sh", "-c", "exit 7"), eof}, "", 7, ""},
		{"a signal is 128", []message{request(t, false, "rs1", "sh", "-c", "kill -9 $$"), eof}, "", 128, ""},
		{"the input is passed on", []message{request(t, false, "rs1", "cat"), {msgData, "one\n"}, {msgData, "two\n"}, eof}, "one\ntwo\n", 0, ""},
		{"sizes without a terminal do not matter", []message{request(t, false, "rs1", "cat"), {msgSize, "\x00\x10\x00\x20"}, {msgData, "x\n"}, eof}, "x\n", 0, ""},
		{"without a command it is a shell", []message{request(t, false, "rs1"), {msgData, "echo from $LVSDR_LAB $LAB $TERM\nexit 3\n"}}, "from rs1 yes dumb\n", 3, ""},
		{"client is the first client", []message{request(t, false, "client", "sh", "-c", "echo $LVSDR_LAB, $ON"), eof}, "client1, client1\n", 0, ""},
		{"a host is in its own namespace", []message{request(t, false, "rs2", "sh", "-c", "grep -c 192.168.1.12 /proc/net/fib_trie >/dev/null; echo $?"), eof}, "0\n", 0, ""},
		{"a host that is not there is refused", []message{request(t, false, "rs9", "true")}, "", 0, `the lab has no host "rs9"; it has client1, director, rs1, rs2, rs3`},
		{"a command that is not there, too", []message{request(t, false, "rs1", "/none/such"), eof}, "", 0, "/none/such"},
		{"the first message is the request", []message{{msgData, "x"}}, "", 0, "no request"},
		{"a request is JSON", []message{{msgRequest, "{"}}, "", 0, "read the request"},
	} {
		shown, code, err := ask(t, h, c.messages...)
		if shown != c.shown || code != c.code || (err != nil) != (c.refusal != "") {
			t.Errorf("%s: shown %q, exit code %d, %v", c.law, shown, code, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.refusal) || !errors.As(err, new(netlab.UsageError))) {
			t.Errorf("%s: %v, want %q", c.law, err, c.refusal)
		}
	}
	shown, code, err := ask(t, h, request(t, true, "rs1", "sh", "-c", "tty >/dev/null && stty size; exit 5"))
	if err != nil || code != 5 || shown != "24 80\r\n" {
		t.Errorf("on a terminal: %q, exit code %d, %v", shown, code, err)
	}
}

func TestALongOutputArrivesWhole(t *testing.T) {
	h := newHolder(t)
	shown, code, err := ask(t, h, request(t, false, "rs1", "sh", "-c", "head -c 300000 /dev/zero | tr '\\0' x"), message{msgEOF, ""})
	if err != nil || code != 0 || len(shown) != 300000 || strings.Trim(shown, "x") != "" {
		t.Errorf("%d bytes, exit code %d, %v", len(shown), code, err)
	}
}

func TestExitCodesOfCommands(t *testing.T) {
	exit := func(code int) error { return exec.Command("sh", "-c", "exit "+string(rune('0'+code))).Run() }
	signal := exec.Command("sh", "-c", "kill -TERM $$").Run()
	other := errors.New("fork: out of memory")
	for _, c := range []struct {
		law  string
		err  error
		code int
		same error
	}{
		{"a good end", nil, 0, nil}, {"an exit code", exit(3), 3, nil}, {"a signal", signal, 128, nil}, {"no end at all", other, 0, other},
	} {
		if code, err := exitCode(c.err); code != c.code || !errors.Is(err, c.same) {
			t.Errorf("%s: %d, %v", c.law, code, err)
		}
	}
}

// The lab's folder and its socket have one holder, and go with it.
func TestTheSocketIsHeldByOneLab(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv(uidVariable, "")
	l, release, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := listen(); err == nil || !strings.Contains(err.Error(), "which another lab may have") {
		t.Errorf("a second lab: %v", err)
	}
	if err := errors.Join(l.Close(), release()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dirPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
	if err := Prepare(); err != nil {
		t.Fatal(err)
	}
	path := dirPath()
	t.Setenv(uidVariable, "4711")
	if other := dirPath(); other == path || !strings.HasSuffix(other, "lvsdr-lab-of-4711") {
		t.Errorf("the folder of another user: %s", other)
	}
}

func TestAShellKnowsThatItIsInALab(t *testing.T) {
	t.Setenv(hostVariable, "")
	if Inside() {
		t.Error("outside it is inside")
	}
	t.Setenv(hostVariable, "rs1")
	if !Inside() {
		t.Error("inside it is outside")
	}
	for set, want := range map[string]string{"": "/bin/sh", "/bin/other": "/bin/other"} {
		t.Setenv("SHELL", set)
		if got := defaultShell(); got != want {
			t.Errorf("SHELL=%s: %s, want %s", set, got, want)
		}
	}
}
