package control

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/keepalived"
)

// The service manager hears of a process that waits as long as it waits.
func TestAStandbyFeedsTheWatchdogWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		fed := 0
		go keepAlive(ctx, time.Second, func() { fed++ })
		time.Sleep(10*time.Second + time.Millisecond) // virtual
		synctest.Wait()
		if fed != 10 {
			t.Errorf("fed %d times in 10 intervals", fed)
		}
		cancel()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if fed != 10 {
			t.Errorf("fed %d times after the end", fed-10)
		}
	})
}

// A file that a start refuses is refused before anything is waited for.
func TestAStandbyRefusesABadFileBeforeItWaits(t *testing.T) {
	gone := errors.New("gone")
	for _, c := range []struct {
		name string
		load Loader
		good func(error) bool
	}{
		{"one that cannot be read", func() (*keepalived.Config, keepalived.Diagnostics, error) { return nil, nil, gone },
			func(err error) bool { return errors.Is(err, gone) }},
		{"one with errors", func() (*keepalived.Config, keepalived.Diagnostics, error) {
			return parse("virtual_server 10.0.0.1 80 {\n lb_kind DR\n protocol TCP\n real_server 10.0.0.2 80 {\n weight many\n }\n}\n")
		}, func(err error) bool { return errors.As(err, new(*BadFile)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			told := 0
			o := Options{Load: c.load, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Notify: func(string) { told++ }, Takeover: StandBy}
			if err := Run(t.Context(), o, nil); !c.good(err) || told != 0 {
				t.Errorf("%v, and the service manager was told %d times", err, told)
			}
		})
	}
}

// An end that is asked for is no error, whenever it comes.
func TestAStandbyThatIsToEndIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o := Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Notify: func(string) {}, Takeover: StandBy,
		Load: func() (*keepalived.Config, keepalived.Diagnostics, error) { return parse("") }}
	if err := Run(ctx, o, nil); err != nil {
		t.Error(err)
	}
}
