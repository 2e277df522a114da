package lock

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"lvsdr/bench/netns"
)

// await runs Await and tells its outcome.
func await(ctx context.Context) <-chan error {
	out := make(chan error, 1)
	go func() {
		l, err := Await(ctx, slog.New(slog.DiscardHandler))
		if err == nil {
			err = l.Close()
		}
		out <- err
	}()
	return out
}

// still fails if an outcome comes within a moment.
func still(t *testing.T, out <-chan error, what string) {
	t.Helper()
	select {
	case err := <-out:
		t.Fatalf("%s: %v", what, err)
	case <-time.After(100 * time.Millisecond):
	}
}

// It is longer than Take waits, and however the director ends.
func TestADirectorThatRunsIsWaitedForUntilItEnds(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	for _, c := range []struct {
		name string
		end  func(p *process)
	}{
		{"it ends", func(p *process) { p.end() }},
		{"it is killed", func(p *process) { _ = p.Process.Kill(); _ = p.Wait() }},
		{"it is killed while it is stopped", func(p *process) {
			_ = p.Process.Signal(syscall.SIGSTOP)
			_ = p.Process.Kill()
			_ = p.Wait()
		}},
		{"it is killed and not waited for", func(p *process) { _ = p.Process.Kill() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := start(t, name, true)
			out := await(t.Context())
			still(t, out, "taken from a director that runs")
			c.end(p)
			if err := <-out; err != nil {
				t.Error(err)
			}
		})
	}
}

// A process that was killed runs on, for the kernel, while its sockets are closed one after the other: the lock is what
// counts.
func TestALockThatIsFreeIsTakenWhileItsHolderRunsOn(t *testing.T) {
	here(t)
	p := start(t, gives, true)
	out := await(t.Context())
	still(t, out, "taken from a director that runs")
	if _, err := p.in.Write([]byte{0}); err != nil {
		t.Fatal(err)
	}
	if err := <-out; err != nil {
		t.Error(err)
	}
}

// Any process may ask who holds the lock, and as often as it likes: the holder keeps the last connections only, and
// one that waits without is none the worse.
func TestManyThatAskTakeNothingFromOneThatWaits(t *testing.T) {
	here(t)
	p := start(t, gives, true)
	out := await(t.Context())
	still(t, out, "taken from a director that runs")
	for range 3 * waiters {
		if _, known := ask(t.Context(), name); !known {
			t.Fatal("the holder does not answer")
		}
	}
	still(t, out, "taken when others have asked")
	p.end()
	if err := <-out; err != nil {
		t.Error(err)
	}
}

// Where no director runs the lock is there at once; another process that holds the name is passed over.
func TestWhereNoDirectorRunsNothingIsWaitedFor(t *testing.T) {
	here(t)
	if err := <-await(t.Context()); err != nil {
		t.Error(err)
	}
	start(t, name, false)
	if err := <-await(t.Context()); err != nil {
		t.Errorf("beside a process that is no director: %v", err)
	}
}

// If several processes wait, one has the lock, and each of the others has it in its turn.
func TestOneOfThoseThatWaitHasTheLock(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	director := start(t, name, true)
	const waiting = 4
	holds := make(chan *process, waiting)
	for range waiting {
		p := &process{Cmd: exec.Command(os.Args[0])}
		p.Env = append(os.Environ(), squat+"="+awaits)
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
		t.Cleanup(func() { _ = p.Process.Kill(); p.end() })
		go func() {
			if line, _ := bufio.NewReader(out).ReadString('\n'); line == "holds it\n" {
				holds <- p
			}
		}()
	}
	for i := range waiting {
		select {
		case p := <-holds:
			t.Fatalf("process %d has the lock beside %d", p.Process.Pid, director.Process.Pid)
		case <-time.After(50 * time.Millisecond):
		}
		_ = director.Process.Kill()
		_ = director.Wait()
		if director = <-holds; director == nil {
			t.Fatalf("nobody has lock %d", i)
		}
	}
}

func TestWhoWaitsCanBeEnded(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	here(t)
	p := start(t, name, true)
	ctx, cancel := context.WithCancel(t.Context())
	out := await(ctx)
	still(t, out, "taken from a director that runs")
	cancel()
	if err := <-out; !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
	if _, err := Take(t.Context(), slog.New(slog.DiscardHandler)); !errors.Is(err, ErrHeld) {
		t.Errorf("the director %d has lost its lock: %v", p.Process.Pid, err)
	}
}

// A process of another PID namespace has no number here, and one that is gone no descriptor.
func TestWhatCannotBeWatchedIsAskedAboutAgain(t *testing.T) {
	if !netns.Alone(t) {
		return
	}
	for _, pid := range []int{0, 1 << 30} {
		if err := ended(t.Context(), pid, nil); err != nil {
			t.Errorf("process %d: %v", pid, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := ended(ctx, pid, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("process %d, after an end: %v", pid, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ended(ctx, os.Getpid(), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a process that runs, after an end: %v", err)
	}
}
