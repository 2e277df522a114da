package notify

import (
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net"
	"net/smtp"
	"strings"
	"sync"
	"time"

	"lvsdr/control/keepalived"
)

// A letter is a mail that waits, with where it goes.
type letter struct {
	to            keepalived.Mail
	subject, body string
	at            time.Time
}

// maxLetters is how many mails wait at most.
const maxLetters = 256

// A mailer sends mails one after another, beside its callers.
type mailer struct {
	log  *slog.Logger
	send func(context.Context, letter) error
	now  func() time.Time

	mu     sync.Mutex
	queue  []letter
	busy   bool
	closed bool
	lost   uint64
	sent   uint64
	last   string // the last failure; logged
	ctx    context.Context
	stop   context.CancelFunc
	idle   *sync.Cond
}

func newMailer(log *slog.Logger) *mailer {
	m := &mailer{log: log, send: deliver, now: time.Now}
	m.idle = sync.NewCond(&m.mu)
	m.ctx, m.stop = context.WithCancel(context.Background())
	return m
}

// post has a mail sent. It does not wait; a mail that finds no room is lost and counted.
func (m *mailer) post(to keepalived.Mail, subject, body string) {
	if len(to.To) == 0 || to.Server == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || len(m.queue) >= maxLetters {
		m.lose("too many mails wait")
		return
	}
	m.queue = append(m.queue, letter{to, subject, body, m.now()})
	if !m.busy {
		m.busy = true
		go m.work()
	}
}

// lose counts a mail that does not arrive, and logs why if that is news. The caller holds
// mu.
func (m *mailer) lose(why string) {
	m.lost++
	if m.last != why {
		m.log.Error("a mail about a change is lost", "error", why)
	}
	m.last = why
}

// work sends what waits.
func (m *mailer) work() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.queue) > 0 {
		l := m.queue[0]
		m.queue = m.queue[1:]
		m.mu.Unlock()
		err := m.send(m.ctx, l)
		m.mu.Lock()
		if err != nil {
			m.lose(err.Error())
			continue
		}
		m.sent++
		m.last = ""
	}
	m.busy = false
	m.idle.Broadcast()
}

// counts are the mails that were sent, and those that were lost.
func (m *mailer) counts() (sent, lost uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sent, m.lost
}

// close sends what waits for patience at most; the rest is lost.
func (m *mailer) close(patience time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	late := time.AfterFunc(patience, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.lost += uint64(len(m.queue))
		m.queue = nil
		m.stop()
	})
	for m.busy {
		m.idle.Wait()
	}
	late.Stop()
	m.stop()
}

// deliver sends one mail.
func deliver(ctx context.Context, l letter) error {
	timeout := l.to.Timeout
	if timeout == 0 {
		timeout = 30 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.to.Server)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	host, _, err := net.SplitHostPort(l.to.Server)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	if err := converse(conn, host, &l); err != nil {
		return fmt.Errorf("mail by %s: %w", l.to.Server, err)
	}
	return nil
}

// converse hands a mail to the server at conn.
func converse(conn net.Conn, host string, l *letter) error {
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return err
	}
	if l.to.Helo != "" {
		if err := c.Hello(l.to.Helo); err != nil {
			return err
		}
	}
	if err := c.Mail(l.to.From); err != nil {
		return err
	}
	for _, to := range l.to.To {
		if err := c.Rcpt(to); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write([]byte(l.text())); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	_ = c.Quit() // the server has the mail
	return nil
}

// text is the mail with its header.
func (l *letter) text() string {
	var b strings.Builder
	for _, h := range [][2]string{{"Date", l.at.Format(time.RFC1123Z)}, {"From", l.to.From}, {"To", strings.Join(l.to.To, ", ")},
		{"Subject", mime.QEncoding.Encode("utf-8", oneLine(l.subject))}, {"X-Mailer", "lvsdr"}, {"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"}, {"Content-Transfer-Encoding", "8bit"}} {
		fmt.Fprintf(&b, "%s: %s\r\n", h[0], oneLine(h[1]))
	}
	fmt.Fprintf(&b, "\r\n%s\r\n", strings.ReplaceAll(l.body, "\n", "\r\n"))
	return b.String()
}

// oneLine is s without ends of lines, which would begin another header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' {
			return ' '
		}
		return r
	}, s)
}
