package control

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestAPartThatFailsIsToldAgainAfterOneTwoFourUpToSixtySeconds(t *testing.T) {
	p := part{name: "shield", log: slog.New(slog.DiscardHandler)}
	if p.ready(0) || p.problem() != "" {
		t.Error("a settled part is ready, or a problem")
	}
	p.want()
	now := time.Duration(0)
	var waits []time.Duration
	for range 9 {
		if !p.ready(now) {
			t.Fatalf("not ready at %v", now)
		}
		p.done(errors.New("no memory"), now)
		at, ok := p.next()
		if !ok || p.ready(at-1) {
			t.Fatalf("next at %v, %v", at, ok)
		}
		waits = append(waits, at-now)
		now = at
	}
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
		if waits[i] != want*time.Second {
			t.Errorf("wait %d is %v, want %d s", i, waits[i], want)
		}
	}
	if text := p.problem(); !strings.HasPrefix(text, "shield: no memory") {
		t.Errorf("problem %q", text)
	}
	p.want()
	if !p.ready(now - time.Second) {
		t.Error("a new wish waits for the old one's next attempt")
	}
	p.done(nil, now)
	if _, ok := p.next(); ok || p.ready(now) || p.problem() != "" {
		t.Error("a part that works is ready, or a problem")
	}
	p.want()
	p.done(errors.New("no memory"), now)
	if at, _ := p.next(); at != now+time.Second {
		t.Errorf("after it worked it waits %v, want 1 s", at-now)
	}
}
