package handover

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A director is a Giver that notes what it is told.
type director struct {
	calls []string
	state any
	files []File
	hangs string // in this call, until the test ends
	end   <-chan struct{}
}

func (d *director) note(call string) {
	d.calls = append(d.calls, call)
	if d.hangs == call {
		<-d.end
	}
}

func (d *director) State() any            { d.note("state"); return d.state }
func (d *director) Stop() (int64, []File) { d.note("stop"); return 42, d.files }
func (d *director) Leave(pid int)         { d.note(fmt.Sprint("leave to ", pid)) }
func (d *director) Resume()               { d.note("resume") }

// An outcome is the result of Give.
type outcome struct {
	gone bool
	err  error
}

// serve has d hand over at a socket. Each conversation gives an outcome.
func serve(t *testing.T, d *director, h Handler) (path string, outcomes <-chan outcome) {
	t.Helper()
	dir, err := os.MkdirTemp("", "h")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path = filepath.Join(dir, "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	d.end = t.Context().Done()
	out := make(chan outcome, 8)
	h.Version = "1.0"
	h.Give = func(s *Session) {
		if s.PID() != os.Getpid() || s.Version != "2.0" {
			t.Errorf("process %d of version %q", s.PID(), s.Version)
		}
		gone, err := s.Give(d)
		out <- outcome{gone, err}
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- h.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return path, out
}

// connect is a successor at path.
func connect(t *testing.T, path string) *Taker {
	t.Helper()
	s, err := Dial(path, "2.0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestTheWorkIsHandedOver(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	d := &director{state: map[string]string{"servers": strings.Repeat("up ", 1<<20)}, files: []File{{"lock", int(w.Fd())}, {"api", int(r.Fd())}}}
	path, outcomes := serve(t, d, Handler{})
	s := connect(t, path)
	if s.PID() != os.Getpid() || s.Version != "1.0" {
		t.Errorf("process %d of version %q runs", s.PID(), s.Version)
	}
	var state map[string]string
	if err := s.State(&state); err != nil || len(state["servers"]) != 3<<20 {
		t.Fatalf("%v, %d bytes of state", err, len(state["servers"]))
	}
	cut, files, err := s.Stop()
	if err != nil || cut != 42 || len(files) != 2 || files[0].Name != "lock" || files[1].Name != "api" {
		t.Fatalf("%v, %d, %v", err, cut, files)
	}
	theirs := os.NewFile(uintptr(files[0].FD), "")
	defer theirs.Close()
	defer os.NewFile(uintptr(files[1].FD), "").Close()
	if _, err := theirs.WriteString("x"); err != nil {
		t.Errorf("the descriptor does not work: %v", err)
	}
	if b := make([]byte, 1); true {
		if _, err := r.Read(b); err != nil || b[0] != 'x' {
			t.Errorf("it is another one: %q, %v", b, err)
		}
	}
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	if o := <-outcomes; !o.gone || o.err != nil {
		t.Errorf("%+v", o)
	}
	if want := []string{"state", "stop", fmt.Sprint("leave to ", os.Getpid())}; !slices.Equal(d.calls, want) {
		t.Errorf("the director did %q, want %q", d.calls, want)
	}
}

// Wherever the successor ends before the commit, the director goes on, once, and can be taken over by the
// next one.
func TestASuccessorThatEndsBeforeTheCommitChangesNothing(t *testing.T) {
	d := &director{}
	path, outcomes := serve(t, d, Handler{})
	for _, c := range []struct {
		name  string
		steps int
		want  []string
	}{
		{"it only says who it is", 0, nil},
		{"with the state", 1, []string{"state", "resume"}},
		{"when the workers rest", 2, []string{"state", "stop", "resume"}},
	} {
		d.calls = nil
		s := connect(t, path)
		steps := []func() error{func() error { return s.State(nil) }, func() error { _, _, err := s.Stop(); return err }}
		for _, step := range steps[:c.steps] {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
		if c.steps > 0 {
			if o := <-outcomes; o.gone || o.err == nil {
				t.Errorf("%s: %+v", c.name, o)
			}
		}
		if !slices.Equal(d.calls, c.want) {
			t.Errorf("%s: the director did %q, want %q", c.name, d.calls, c.want)
		}
	}
	d.calls = nil
	s := connect(t, path)
	_, _, err := s.Stop()
	if err == nil {
		t.Error("the workers rest for one that knows no state")
	}
	if len(d.calls) > 0 {
		t.Errorf("the director did %q", d.calls)
	}
}

// One that is there and does nothing holds the director up for a bounded time.
func TestASuccessorThatHangsIsLeft(t *testing.T) {
	for steps, want := range map[int]string{1: "wait until it is ready", 2: "wait until it takes over"} {
		d := &director{}
		path, outcomes := serve(t, d, Handler{prepare: 20 * time.Millisecond, commit: 20 * time.Millisecond})
		if steps == 2 {
			path, outcomes = serve(t, d, Handler{commit: 20 * time.Millisecond})
		}
		s := connect(t, path)
		if err := s.State(nil); err != nil {
			t.Fatal(err)
		}
		if steps == 2 {
			if _, _, err := s.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		if o := <-outcomes; o.gone || !errors.Is(o.err, os.ErrDeadlineExceeded) || !strings.Contains(o.err.Error(), want) {
			t.Errorf("%+v, want %q", o, want)
		}
		if err := s.Commit(); err == nil || !strings.Contains(err.Error(), "goes on") {
			t.Errorf("a commit that comes too late: %v", err)
		}
		if last := d.calls[len(d.calls)-1]; last != "resume" {
			t.Errorf("the director did %q", d.calls)
		}
	}
}

// A director that hangs is an error for its successor, at whichever step.
func TestADirectorThatHangsIsNamed(t *testing.T) {
	for _, call := range []string{"state", "stop"} {
		d := &director{hangs: call}
		path, _ := serve(t, d, Handler{})
		s := connect(t, path)
		s.wait = 50 * time.Millisecond
		err := s.State(nil)
		if err == nil {
			_, _, err = s.Stop()
		}
		if !errors.Is(err, ErrSilent) || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
			t.Errorf("it hangs in %s: %v", call, err)
		}
	}
	// And one that does not even say who it is.
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := dial(path, "2.0", Protocol, 50*time.Millisecond)
	if !errors.Is(err, ErrSilent) || s == nil || s.PID() != os.Getpid() {
		t.Fatalf("%v, %v", s, err)
	}
	s.Close()
}

func TestWhereNoDirectorRunsThereIsNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if _, err := Dial(path, "2.0"); !errors.Is(err, ErrNobody) {
		t.Errorf("without a socket: %v", err)
	}
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if _, err := Dial(path, "2.0"); !errors.Is(err, ErrNobody) {
		t.Errorf("with one that a process has left: %v", err)
	}
	l, err = Listen(path)
	if err != nil {
		t.Fatalf("in its place: %v", err)
	}
	defer l.Close()
	if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, mode %v", err, st.Mode())
	}
}

// Two builds that do not understand each other say so, with what to do, and nothing happens.
func TestAnotherProtocolIsRefusedByEitherSide(t *testing.T) {
	d := &director{}
	path, _ := serve(t, d, Handler{})
	_, err := dial(path, "9.0", Protocol+1, answerTime)
	if err == nil || !strings.Contains(err.Error(), "9.0") || !strings.Contains(err.Error(), "1.0") || !strings.Contains(err.Error(), "stop it and start this one") {
		t.Errorf("%v", err)
	}
	if len(d.calls) > 0 {
		t.Errorf("the director did %q", d.calls)
	}
	// A director of another protocol that takes us for one of its own.
	path = filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.AcceptUnix()
		if err != nil {
			return
		}
		defer c.Close()
		_ = link{c}.send(welcome, Hello{Protocol: 7, Version: "0.1"})
		_, _, _, _ = link{c}.next(answerTime)
	}()
	if _, err := Dial(path, "2.0"); err == nil || !strings.Contains(err.Error(), "0.1") || !strings.Contains(err.Error(), "protocol 7") {
		t.Errorf("%v", err)
	}
}

// Whatever comes in at the socket, the director works on and answers the next one.
func TestNonsenseIsLeft(t *testing.T) {
	d := &director{}
	path, _ := serve(t, d, Handler{})
	long := make([]byte, headLen)
	long[0] = byte(hello)
	binary.BigEndian.PutUint32(long[1:], maxMessage+1)
	for _, b := range [][]byte{nil, {1}, []byte("GET / HTTP/1.1\r\n\r\n"), long, {byte(hello), 0, 0, 0, 2, '[', ']'}, {byte(stop), 0, 0, 0, 4, 'n', 'u', 'l', 'l'}} {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = c.Write(b)
		_ = c.(*net.UnixConn).CloseWrite()
		_, _ = io.Copy(io.Discard, c)
		c.Close()
	}
	connect(t, path)
	if len(d.calls) > 0 {
		t.Errorf("the director did %q", d.calls)
	}
}

func TestOnlyTheOwnUserAndRootAreTrusted(t *testing.T) {
	for _, c := range []struct {
		uid, own int
		want     bool
	}{{0, 0, true}, {0, 61000, true}, {61000, 61000, true}, {1000, 61000, false}, {1000, 0, false}} {
		if got := trusted(c.uid, c.own); got != c.want {
			t.Errorf("user %d by one of %d: %v", c.uid, c.own, got)
		}
	}
}
