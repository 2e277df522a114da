package netns

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func testHost(t *testing.T, name string) *Host {
	t.Helper()
	return NewTestHost(t, name, HostConfig{})
}

func closeOK(t *testing.T, c io.Closer) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// nsID names the network namespace of the calling thread.
func nsID(t *testing.T) string {
	t.Helper()
	s, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDoEntersNestsAndReturns(t *testing.T) {
	a, b := testHost(t, "a"), testHost(t, "b")
	home := nsID(t)
	var inA, inB, again string
	wrong := errors.New("wrong")
	err := a.Do(func() error {
		inA = nsID(t)
		err := b.Do(func() error {
			inB = nsID(t)
			return wrong
		})
		again = nsID(t)
		return err
	})
	if err != wrong {
		t.Errorf("Do gave %v, want the function's error", err)
	}
	if inA == home || inB == home || inA == inB || again != inA || nsID(t) != home {
		t.Errorf("home %s, in a %s, in b %s, back in a %s, at last %s", home, inA, inB, again, nsID(t))
	}
}

func TestDoReturnsAlsoFromAPanic(t *testing.T) {
	h := testHost(t, "h")
	runtime.LockOSThread() // look at the thread that was in the host
	defer runtime.UnlockOSThread()
	home := nsID(t)
	func() {
		defer func() { _ = recover() }()
		_ = h.Do(func() error { panic("in the host") })
	}()
	if got := nsID(t); got != home {
		t.Errorf("in %s after a panic, want %s", got, home)
	}
}

func TestSysctlsBelongToTheHost(t *testing.T) {
	a, b := testHost(t, "a"), testHost(t, "b")
	const key = "net.ipv4.ip_forward"
	if err := a.Sysctl(key, "1"); err != nil {
		t.Fatal(err)
	}
	for h, want := range map[*Host]string{a: "1", b: "0"} {
		got, err := h.ReadSysctl("net/ipv4/ip_forward")
		if err != nil || got != want {
			t.Errorf("%s on %s is %q, %v; want %s", key, h.Name(), got, err, want)
		}
	}
	if err := a.Sysctl("net.no.such", "1"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("unknown key gave %v", err)
	}
}

func TestAClosedHostSaysSo(t *testing.T) {
	h := testHost(t, "h")
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	_, dialErr := h.Dial(t.Context(), "tcp", "127.0.0.1:1")
	_, listenErr := h.Listen("tcp", "127.0.0.1:0")
	for what, err := range map[string]error{
		"Do": h.Do(func() error { return nil }), "Dial": dialErr, "Listen": listenErr,
		"Start": h.Command(t.Context(), "/proc/self/exe").Start(), "Sysctl": h.Sysctl("net.ipv4.ip_forward", "0"),
	} {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s on a closed host: %v, want os.ErrClosed", what, err)
		}
	}
}

// command is the test binary as helper what, inside h.
func command(t *testing.T, h *Host, what string) *Cmd {
	t.Helper()
	c := h.Command(t.Context(), "/proc/self/exe")
	c.Env = append(os.Environ(), helperEnv+"="+what)
	c.Stderr = os.Stderr
	return c
}

func TestCommandRunsInTheHost(t *testing.T) {
	h := testHost(t, "h")
	if err := h.AddAddr("lo", netip.MustParsePrefix("10.9.8.7/32")); err != nil {
		t.Fatal(err)
	}
	out, err := command(t, h, "addrs").Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(string(out)); len(got) != 2 || got[0] != "127.0.0.1/8" || got[1] != "10.9.8.7/32" {
		t.Errorf("addresses seen by the command: %q", got)
	}
	all := command(t, h, "addrs")
	all.Stderr = nil
	if got, err := all.CombinedOutput(); err != nil || string(got) != string(out) {
		t.Errorf("standard output and error: %q, %v", got, err)
	}
	bad := h.Command(t.Context(), "/no/such/program")
	if err := bad.Run(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing program gave %v", err)
	}
}

// A child with a death signal is killed when the thread that started it ends.
// Here the goroutine that calls Start takes its thread with it.
func TestCommandOutlivesTheThreadOfItsStarter(t *testing.T) {
	h := testHost(t, "h")
	c := command(t, h, "echo")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	outPipe, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	tid, ended := make(chan int), make(chan struct{})
	defer close(ended)
	var starter func()
	starter = func() {
		runtime.LockOSThread() // never unlocked: the thread ends
		if unix.Gettid() == os.Getpid() {
			// The runtime keeps the main thread: hold it and use another.
			defer runtime.UnlockOSThread()
			go starter()
			<-ended
			return
		}
		if err := h.Do(c.Start); err != nil {
			t.Error(err)
		}
		tid <- unix.Gettid()
	}
	go starter()
	task := fmt.Sprintf("/proc/self/task/%d", <-tid)
	Eventually(t, "the starter's thread ends", func() bool {
		_, err := os.Stat(task)
		return errors.Is(err, os.ErrNotExist)
	})
	out := bufio.NewReader(outPipe)
	if got := say(t, in, out, "alive"); got != "alive" {
		t.Errorf("said alive, heard %q", got)
	}
	closeOK(t, in)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestCloseKillsCommands(t *testing.T) {
	h := testHost(t, "h")
	c := command(t, h, "echo")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err == nil || c.ProcessState.Success() {
		t.Errorf("command ended with %v, want killed", err)
	}
}

func TestListenAndDialMeetInTheHostOnly(t *testing.T) {
	a, b := testHost(t, "a"), testHost(t, "b")
	l, err := a.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	local := netip.MustParseAddrPort("127.0.0.3:0")
	c, err := a.DialFrom(t.Context(), "tcp", local, "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if from := c.LocalAddr().(*net.TCPAddr).AddrPort().Addr(); from != local.Addr() {
		t.Errorf("dialled from %s, want %s", from, local.Addr())
	}
	if _, err := b.Dial(t.Context(), "tcp", "127.0.0.1:8080"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial in another host: %v, want refused", err)
	}
}

func TestUDPFromAChosenAddress(t *testing.T) {
	h := testHost(t, "h")
	p, err := h.ListenPacket("udp", "127.0.0.1:5353")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	c, err := h.DialFrom(t.Context(), "udp", netip.MustParseAddrPort("127.0.0.5:4000"), "127.0.0.1:5353")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, from, err := p.ReadFrom(make([]byte, 1)); err != nil || from.String() != "127.0.0.5:4000" {
		t.Errorf("received from %v, %v", from, err)
	}
}
