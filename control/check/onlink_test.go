package check

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// links are Links of one interface.
type links struct {
	why  string
	last time.Time // when it was last down
}

func (l *links) Down(index int, since time.Time) string {
	if index != 7 {
		return "another interface was asked for"
	}
	if l.why == "" && !l.last.Before(since) {
		return "it was down"
	}
	return l.why
}

func TestOnlyFailuresWhileTheLinkIsDownAreNotMade(t *testing.T) {
	start := time.Now()
	for _, c := range []struct {
		name  string
		err   error
		links links
		want  Outcome
	}{
		{"a good attempt is good", nil, links{why: "interface eth0 is down"}, Good},
		{"a failure while the link is up is the server's", errRefused, links{last: start.Add(-time.Hour)}, Bad},
		{"a failure while it is down is not", errRefused, links{why: "interface eth0 is down"}, NotMade},
		{"nor is one if it was down meanwhile", errRefused, links{last: start.Add(time.Hour)}, NotMade},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &fake{name: "TCP 192.168.1.11:80", err: c.err}
			on := OnLink{Probe: p, Ifindex: 7, Links: &c.links}
			res := on.Check(t.Context())
			if res.Outcome() != c.want || errors.Is(res.Err, ErrLinkDown) != (c.want == NotMade) {
				t.Errorf("%v: %v", res.Outcome(), res.Err)
			}
			if on.String() != p.String() || on.Kind() != p.Kind() {
				t.Errorf("it is called %s, %s", on, on.Kind())
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	on := OnLink{Probe: &fake{takes: time.Hour}, Ifindex: 7, Links: &links{why: "interface eth0 is down"}}
	if res := on.Check(ctx); !errors.Is(res.Err, context.Canceled) {
		t.Errorf("cancelled: %v", res.Err)
	}
}

// While the link is down for longer than a check has patience, nothing is reported or
// logged of it; what was known before counts on.
func TestALinkThatIsDownIsNoNewsOfAnyCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{t0: time.Now()}
		var log bytes.Buffer
		r := New(Config{OnChange: func(c Change) {
			if c.Result.Outcome() != NotMade { // as the loop takes it
				d.note(c)
			}
		}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		defer r.Close()
		s := quick()
		s.DelayLoop, s.Retry = sec, 0
		l := &links{}
		p := &fake{name: "server"}
		must(t, r.Set([]Spec{{ID: "server", Settings: s, Probe: OnLink{p, 7, l}}}))
		time.Sleep(5 * sec)
		l.why = "interface eth0 is down"
		p.set(errRefused, 0)
		time.Sleep(time.Minute)
		d.expect(t)
		if st, _ := r.State("server"); !st.Up || st.NotMade < 50 || st.LastError != "check not made: interface eth0 is down" {
			t.Errorf("state %+v", st)
		}
		if log.Len() > 0 {
			t.Errorf("logged\n%s", &log)
		}
		l.why, l.last = "", time.Now()
		p.set(nil, 0)
		time.Sleep(5 * sec)
		if st, _ := r.State("server"); !st.Up || !st.Made {
			t.Errorf("state %+v", st)
		}
		p.set(errRefused, 0)
		time.Sleep(5 * sec)
		if st, _ := r.State("server"); st.Up {
			t.Error("a server that fails while the link is up stays up")
		}
	})
}
