package notify

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"lvsdr/control/keepalived"
)

// A relay is a small mail server, which keeps what it was told until it is asked.
type relay struct {
	net.Listener
	refuse string // the command that it refuses; empty: none
	told   chan string
}

func newRelay(t *testing.T, refuse string) *relay {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{l, refuse, make(chan string, 16)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.told <- r.talk(c)
		}
	}()
	return r
}

// talk is one conversation, as text.
func (r *relay) talk(c net.Conn) string {
	defer c.Close()
	var all strings.Builder
	fmt.Fprint(c, "220 relay\r\n")
	data := false
	for lines := bufio.NewScanner(c); lines.Scan(); {
		line := lines.Text()
		fmt.Fprintln(&all, line)
		word, _, _ := strings.Cut(line, " ")
		switch {
		case data && line != ".":
		case data:
			data = false
			fmt.Fprint(c, "250 taken\r\n")
		case word == r.refuse:
			fmt.Fprint(c, "550 not here\r\n")
		case word == "DATA":
			data = true
			fmt.Fprint(c, "354 go on\r\n")
		case word == "QUIT":
			fmt.Fprint(c, "221 bye\r\n")
			return all.String()
		default:
			fmt.Fprint(c, "250 good\r\n")
		}
	}
	return all.String()
}

// mail is where the mails of a test go.
func (r *relay) mail() keepalived.Mail {
	return keepalived.Mail{Server: r.Addr().String(), Helo: "director.example.org", From: "lvs@example.org", To: []string{"root@example.org", "ops@example.org"}, Timeout: time.Minute}
}

func TestAMailIsSent(t *testing.T) {
	r := newRelay(t, "")
	n := New(Config{Log: slog.New(slog.DiscardHandler)})
	n.Configure(Settings{Mail: r.mail()})
	n.Tell(Message{Title: "[LVS] Realserver a of virtual server b - DOWN\r\nBcc: all", Text: "=> refused <="})
	got := <-r.told
	n.Close(time.Minute)
	for _, want := range []string{"EHLO director.example.org\n", "MAIL FROM:<lvs@example.org>", "RCPT TO:<root@example.org>\nRCPT TO:<ops@example.org>\nDATA\n",
		"From: lvs@example.org\n", "To: root@example.org, ops@example.org\n", "Subject: [LVS] Realserver a of virtual server b - DOWN  Bcc: all\n", "\n\n=> refused <=\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	if s := n.Stats(); s != (Stats{Mails: 1}) {
		t.Errorf("%+v", s)
	}
}

func TestAMailThatIsRefusedIsLost(t *testing.T) {
	for _, word := range []string{"MAIL", "RCPT", "DATA"} {
		r := newRelay(t, word)
		var log strings.Builder
		n := New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		n.Configure(Settings{Mail: r.mail()})
		n.Tell(Message{Title: "a"})
		n.Tell(Message{Title: "b"})
		n.Close(time.Minute)
		if s := n.Stats(); s != (Stats{LostMail: 2}) || strings.Count(log.String(), "550") != 1 {
			t.Errorf("%s: %+v\n%s", word, s, log.String())
		}
	}
}

func TestNoMailWithoutReceivers(t *testing.T) {
	n := New(Config{Log: slog.New(slog.DiscardHandler)})
	n.Tell(Message{Title: "a"})
	n.Configure(Settings{Mail: keepalived.Mail{Server: "127.0.0.1:1"}})
	n.Tell(Message{Title: "a"})
	n.Configure(Settings{Mail: keepalived.Mail{To: []string{"root@example.org"}}})
	n.Tell(Message{Title: "a"})
	n.Close(0)
	if s := n.Stats(); s != (Stats{}) {
		t.Errorf("%+v", s)
	}
}

// A server that hangs holds nobody up: the queue is bounded, what has no room is counted,
// and the end does not wait for it.
func TestAMailServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMailer(slog.New(slog.DiscardHandler))
		m.send = func(ctx context.Context, _ letter) error {
			<-ctx.Done()
			return ctx.Err()
		}
		to := keepalived.Mail{Server: "a:25", To: []string{"b"}}
		start := time.Now()
		for range maxLetters + 10 {
			m.post(to, "c", "")
			synctest.Wait()
		}
		if sent, lost := m.counts(); sent != 0 || lost != 9 || time.Since(start) != 0 {
			t.Errorf("%d sent, %d lost after %v", sent, lost, time.Since(start))
		}
		m.close(5 * time.Second)
		if sent, lost := m.counts(); sent != 0 || lost != maxLetters+10 || time.Since(start) != 5*time.Second {
			t.Errorf("at the end %d sent, %d lost after %v", sent, lost, time.Since(start))
		}
		m.post(to, "late", "")
		if _, lost := m.counts(); lost != maxLetters+11 {
			t.Errorf("%d lost after the end", lost)
		}
	})
}

// One failure does not hold up the mails behind it, and is logged once until another
// mail arrives.
func TestMailsAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		m := newMailer(slog.New(slog.NewTextHandler(&log, nil)))
		var subjects []string
		m.send = func(_ context.Context, l letter) error {
			subjects = append(subjects, l.subject)
			if strings.HasPrefix(l.subject, "bad") {
				return errors.New("no route")
			}
			return nil
		}
		for _, s := range []string{"bad 1", "bad 2", "good 3", "bad 4"} {
			m.post(keepalived.Mail{Server: "a:25", To: []string{"b"}}, s, "")
		}
		synctest.Wait()
		if got := strings.Join(subjects, ", "); got != "bad 1, bad 2, good 3, bad 4" || strings.Count(log.String(), "no route") != 2 {
			t.Errorf("%s\n%s", got, log.String())
		}
		if sent, lost := m.counts(); sent != 1 || lost != 3 {
			t.Errorf("%d sent, %d lost", sent, lost)
		}
		m.close(time.Second)
	})
}
