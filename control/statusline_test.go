package control

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/site"
)

func TestTheStatusLineCounts(t *testing.T) {
	for _, c := range []struct {
		n        site.Count
		problems int
		want     string
	}{
		{site.Count{}, 0, "0 services, no servers"},
		{site.Count{Services: 1}, 1, "1 service, no servers, 1 problem"},
		{site.Count{Services: 1, Servers: 1, Up: 1}, 0, "1 service, 1 of 1 server up"},
		{site.Count{Services: 3, Servers: 9, Up: 7}, 1, "3 services, 7 of 9 servers up, 1 problem"},
		{site.Count{Services: 2, Servers: 2}, 12, "2 services, 0 of 2 servers up, 12 problems"},
	} {
		if got := lineOf(c.n, c.problems); got != c.want {
			t.Errorf("%+v, %d: %q, want %q", c.n, c.problems, got, c.want)
		}
	}
}

// The service manager is told how things stand from READY=1 on, when that has changed,
// and at most once a second.
func TestTheServiceManagerIsToldHowThingsStand(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, service(vip, checkedServer(rs1), checkedServer(rs2))).start()
		if len(r.statuses) != 0 {
			t.Errorf("told %q before it serves", r.statuses)
		}
		r.resolve()
		want := []string{"1 service, 2 of 2 servers up"}
		expect := func(what string) {
			t.Helper()
			if !slices.Equal(r.statuses, want) {
				t.Errorf("%s: told %q, want %q", what, r.statuses, want)
			}
		}
		expect("at the start")
		r.pass(time.Minute)
		r.put(hostChanged{})
		expect("after a minute without news")
		r.check(rs1, false)
		want = append(want, "1 service, 1 of 2 servers up")
		expect("a server is down")
		for range 10 { // within a second
			r.check(rs1, true)
			r.check(rs1, false)
			r.pass(10 * time.Millisecond)
		}
		r.check(rs2, false)
		expect("too early to tell more")
		r.pass(time.Second)
		want = append(want, "1 service, 0 of 2 servers up")
		expect("the last of all that changed")
		r.pass(time.Second)
		r.Fail = func(string) error { return errors.New("no answer") }
		r.put(hostChanged{})
		want = append(want, "1 service, 0 of 2 servers up, 1 problem")
		expect("a problem")
	})
}

// A change that is taken back before it may be told leaves nothing to be told: the loop
// once asked itself for ever whether it was time.
func TestAChangeThatIsTakenBackLeavesNothingToTell(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1)))
		r.pass(time.Minute)
		r.check(rs1, false) // told: the next may be told in a second
		at, problems := r.l.state, r.l.line.problems
		r.Fail = func(string) error { return errors.New("no answer") }
		r.put(hostChanged{})
		r.Fail = nil
		r.put(hostChanged{})
		if r.l.state != at || r.l.line.problems != problems {
			t.Fatal("it was not taken back")
		}
		if _, due := r.l.line.due(); due {
			t.Error("there is something to tell")
		}
		r.pass(time.Hour) // does not end if the loop does not rest
		if want := []string{"1 service, 1 of 1 server up", "1 service, 0 of 1 server up"}; !slices.Equal(r.statuses, want) {
			t.Errorf("told %q, want %q", r.statuses, want)
		}
	})
}

// The loop answers the watchdog's question in its next turn, and not while it is held up.
func TestALoopThatIsHeldUpDoesNotAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := running(t, service(vip, checkedServer(rs1)))
		if !r.l.answered() {
			t.Error("it owes an answer, and was not asked")
		}
		r.l.wake()
		synctest.Wait()
		if !r.l.answered() {
			t.Error("it rests, and has not answered")
		}
		free := make(chan struct{})
		r.l.notify = func(string) { <-free }
		r.check(rs1, false)
		r.pass(2 * time.Second) // it tells the service manager
		r.l.wake()
		r.pass(time.Minute)
		if r.l.answered() {
			t.Error("it has answered, and is held up")
		}
		close(free)
		synctest.Wait()
		if !r.l.answered() {
			t.Error("it goes on, and has not answered")
		}
	})
}
