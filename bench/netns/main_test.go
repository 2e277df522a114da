package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// helperEnv makes the test binary do one small thing instead of testing, so
// that the tests have a program to start without needing one installed.
const helperEnv = "NETNS_TEST_HELPER"

func TestMain(m *testing.M) {
	if what := os.Getenv(helperEnv); what != "" {
		os.Exit(helper(what))
	}
	os.Exit(RunTests(m))
}

func helper(what string) int {
	code, err := 0, error(nil)
	switch what {
	case "addrs":
		err = printAddrs()
	case "echo": // until standard input ends
		_, err = io.Copy(os.Stdout, os.Stdin)
	case "world":
		code, err = helperWorld(context.Background())
	case "cancelled": // by SIGUSR1
		var stop context.CancelFunc
		ctx := context.Background()
		if !Inside() {
			ctx, stop = signal.NotifyContext(ctx, unix.SIGUSR1)
			defer stop()
		}
		if code, err = helperWorld(ctx); errors.Is(err, context.Canceled) && code == 0 {
			fmt.Println(context.Canceled)
			return 0
		}
	case "refused":
		err = helperRefused()
	default:
		err = fmt.Errorf("no helper %q", what)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// printAddrs prints every address of the network namespace.
func printAddrs() error {
	addrs, err := net.InterfaceAddrs()
	for _, a := range addrs {
		fmt.Println(a)
	}
	return err
}

// helperWorld enters a world. Inside, it obeys standard input, a command a
// line, until it ends or SIGTERM comes, which makes it exit with 9.
func helperWorld(ctx context.Context) (int, error) {
	if !Inside() {
		return Reexec(ctx)
	}
	if err := Settle(); err != nil {
		return 0, err
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	go func() {
		<-term
		os.Exit(9)
	}()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch line := lines.Text(); line {
		case "addrs":
			if err := printAddrs(); err != nil {
				return 0, err
			}
		case "pid":
			fmt.Println(os.Getpid())
		case "exit":
			return 7, nil
		default:
			fmt.Println(line)
		}
	}
	return 0, nil
}

// helperRefused takes from itself everything that allows to make namespaces
// and prints what Reexec says then. It must run in a user namespace of its
// own.
func helperRefused() error {
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0); err != nil {
		return err
	}
	runtime.LockOSThread() // capabilities belong to a thread
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&head, &none[0]); err != nil {
		return err
	}
	code, err := Reexec(context.Background())
	if !errors.Is(err, ErrRefused) {
		return fmt.Errorf("Reexec gave %d, %v; want ErrRefused", code, err)
	}
	fmt.Println(err)
	return nil
}
