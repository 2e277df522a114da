package vrrp_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"testing"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/vrrp"
)

// driver is the environment variable with the settings, as JSON, with which this program is a router and no test.
const driver = "LVSDR_TEST_ROUTER"

func TestMain(m *testing.M) {
	if s := os.Getenv(driver); s != "" {
		os.Exit(drive(s))
	}
	os.Exit(netns.RunTests(m))
}

// drive is an Actor with these settings. It writes a line for each change; each line of its input is new settings. It
// ends at SIGTERM, with its states as the last line.
func drive(text string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "router:", err)
		return 1
	}
	set := func(a *vrrp.Actor, text []byte) error {
		var s vrrp.Settings
		if err := json.Unmarshal(text, &s); err != nil {
			return err
		}
		return a.Set(s)
	}
	a := vrrp.Open(vrrp.Options{Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Report: func(c vrrp.Change) {
		fmt.Println(c.Instance+c.Group, c.Role, c.Priority, c.Cause)
	}})
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	if err := set(a, []byte(text)); err != nil {
		return fail(err)
	}
	lines := make(chan string)
	go func() {
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			lines <- in.Text()
		}
	}()
	for {
		select {
		case l := <-lines:
			if err := set(a, []byte(l)); err != nil {
				return fail(err)
			}
		case <-term:
			states, unknown := a.States()
			if err := a.Close(); err != nil {
				return fail(err)
			}
			out, err := json.Marshal(struct {
				States  []vrrp.State
				Unknown [vrrp.Reasons]uint64
			}{states, unknown})
			if err != nil {
				return fail(err)
			}
			fmt.Printf("END %s\n", out)
			return 0
		}
	}
}
