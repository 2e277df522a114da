package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
)

// squat is the variable that makes the test's program hold a name.
const squat = "LOCK_TEST_SQUAT"

func TestMain(m *testing.M) {
	if n := os.Getenv(squat); n != "" {
		os.Exit(hold(n))
	}
	os.Exit(netns.RunTests(m))
}

// As names, awaits has a process await the director's lock, and gives take it, and give it back at the first byte of
// standard input.
const (
	awaits = "await the lock"
	gives  = "give the lock back"
)

// hold listens at a name, or awaits the lock, until standard input ends.
func hold(n string) int {
	var l io.Closer
	var err error
	switch n {
	case awaits:
		l, err = Await(context.Background(), slog.New(slog.DiscardHandler))
	case gives:
		l, err = Take(context.Background(), slog.New(slog.DiscardHandler))
	default:
		l, err = net.Listen("unix", n)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer l.Close()
	fmt.Println("holds it")
	if n == gives {
		_, _ = os.Stdin.Read(make([]byte, 1))
		_ = l.Close()
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// here puts the test into a network namespace of its own.
func here(t *testing.T) {
	t.Helper()
	netns.Require(t)
	netns.NewTestHere(t, "host", netns.HostConfig{})
}

// A process holds a name until it is ended.
type process struct {
	*exec.Cmd
	in io.WriteCloser
}

// start has another process hold a name; own: in our user namespace, with our
// capabilities.
func start(t *testing.T, n string, own bool) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0])}
	p.Env = append(os.Environ(), squat+"="+n)
	if !own {
		p.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER}
	}
	in, err := p.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	p.in = in
	t.Cleanup(p.end)
	line := make([]byte, 64)
	if k, _ := out.Read(line); !strings.HasPrefix(string(line[:k]), "holds it") {
		t.Fatalf("the other process says %q", line[:k])
	}
	return p
}

// end ends it.
func (p *process) end() {
	p.in.Close()
	_ = p.Wait()
}

// take takes the lock and gives it back at the end of the test.
func takeLock(t *testing.T) (l *Lock, log *bytes.Buffer, err error) {
	t.Helper()
	log = &bytes.Buffer{}
	l, err = Take(t.Context(), slog.New(slog.NewTextHandler(log, nil)))
	t.Cleanup(func() { l.Close() })
	return l, log, err
}

func TestASecondDirectorIsNamedAndRefused(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	p := start(t, name, true)
	_, log, err := takeLock(t)
	if !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprint(p.Process.Pid)) || log.Len() != 0 {
		t.Errorf("%v, log %q; want ErrHeld and process %d", err, log, p.Process.Pid)
	}
}

func TestADirectorThatEndsIsWaitedFor(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	p := start(t, name, true)
	taken := make(chan error)
	go func() {
		_, _, err := takeLock(t)
		taken <- err
	}()
	select {
	case err := <-taken:
		t.Fatalf("taken from a director that runs: %v", err)
	default:
	}
	p.end()
	if err := <-taken; err != nil {
		t.Error(err)
	}
}

// Any user can take the name, and must not keep the director from starting.
func TestAProcessThatIsNoDirectorHoldsNothingUp(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	p := start(t, name, false)
	l, log, err := takeLock(t)
	if err != nil || !strings.Contains(log.String(), fmt.Sprintf("process=%d", p.Process.Pid)) {
		t.Fatalf("%v, log %q", err, log)
	}
	if got := l.listener.Addr().String(); got != name+"-1" {
		t.Errorf("holds %s, want %s-1", got, name)
	}
	// And a second director is refused still.
	start(t, name+"-2", true) // it is not looked at
	if other, err := Take(t.Context(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrHeld) {
		t.Errorf("a second one: %v, %v", other, err)
	}
}

func TestWhereAllNamesAreTakenItGoesOn(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	start(t, name, false)
	for i := 1; i < names; i++ {
		start(t, fmt.Sprintf("%s-%d", name, i), false)
	}
	l, log, err := takeLock(t)
	if err != nil || l.listener != nil || !strings.Contains(log.String(), "no name is left") || strings.Count(log.String(), "\n") != names+1 {
		t.Errorf("%v, %v, log\n%s", l, err, log)
	}
}

func TestALockThatIsGivenBackCanBeTakenAgain(t *testing.T) {
	here(t)
	for range 3 {
		l, _, err := takeLock(t)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var none *Lock
	if err := none.Close(); err != nil {
		t.Errorf("no lock: %v", err)
	}
}

// A holder that does not accept and has no room for the question is no director.
func TestAHolderThatDoesNotAnswerIsNoDirector(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil { // and does not listen
		t.Fatal(err)
	}
	l, log, err := takeLock(t)
	if err != nil || l.listener.Addr().String() != name+"-1" || !strings.Contains(log.String(), "no director") {
		t.Errorf("%v, log %q", err, log)
	}
}

func TestACanceledStartDoesNotWait(t *testing.T) {
	here(t)
	start(t, name, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Take(ctx, slog.New(slog.DiscardHandler)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func TestEffectiveCapabilitiesAreRead(t *testing.T) {
	for text, want := range map[string]uint64{
		"Name:\tx\nCapPrm:\t0000000000003000\nCapEff:\t0000000000001000\n": 0x1000,
		"CapEff:\t000001ffffffffff\n":                                      0x1ffffffffff,
		"CapEff:\t0000000000000000":                                        0,
	} {
		if got, ok := effective([]byte(text)); !ok || got != want {
			t.Errorf("%q: %x, %v; want %x", text, got, ok, want)
		}
	}
	for _, text := range []string{"", "CapEff:\n", "CapEff:\tzz\n", "CapPrm:\t1\n", "xCapEff:\t1\n"} {
		if got, ok := effective([]byte(text)); ok {
			t.Errorf("%q: %x, want nothing", text, got)
		}
	}
}

// A lock that is inherited is held by the heir, and never free in between.
func TestAnInheritedLockIsHeldByTheHeir(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	first, _, err := takeLock(t)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := first.Listener().SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	fd := -1
	if err := raw.Control(func(p uintptr) { fd, err = unix.FcntlInt(p, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		t.Fatal(err)
	}
	heir, err := Inherit(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(t.Context(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrHeld) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a third one: %v", err)
	}
	if err := heir.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := takeLock(t); err != nil {
		t.Errorf("when the heir has ended: %v", err)
	}
}

func TestWhatIsNoSocketIsNoLock(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	fd, err := unix.Dup(int(r.Fd()))
	r.Close()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Inherit(fd); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("%v, want %v", err, unix.ENOTSOCK)
	}
	var none *Lock
	if none.Listener() != nil || (&Lock{}).Listener() != nil {
		t.Error("no lock has a socket")
	}
}
