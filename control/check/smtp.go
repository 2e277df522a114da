package check

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"lvsdr/control/ask"
)

// SMTP greets a mail server as keepalived's SMTP_CHECK does: it wants 220, sends HELO,
// wants 250, sends QUIT and waits for an answer to that.
type SMTP struct {
	Peer Peer
	Ask  *ask.SMTP
	// Wait bounds each wait for the server.
	Wait time.Duration
}

var _ Probe = SMTP{}

// Kind is keepalived's word for it.
func (p SMTP) Kind() string { return "SMTP_CHECK" }

// String is such as `SMTP_CHECK 192.168.1.11:25 wait 5s helo_name "a"`.
func (p SMTP) String() string {
	return fmt.Sprintf("%s %v wait %v %v", p.Kind(), p.Peer, p.Wait, p.Ask)
}

// Check greets. Errors read "greet 192.168.1.11:25: the server says 554 to the connection,
// not 220".
func (p SMTP) Check(ctx context.Context) Result {
	return Result{Err: p.Peer.talk(ctx, "tcp", "greet "+p.Peer.Addr.String(), p.Wait, p.greet)}
}

// greet is the conversation.
func (p SMTP) greet(c net.Conn) error {
	r := bufio.NewReader(c)
	for _, step := range []struct {
		send, to string
		want     int // 0: any
	}{{"", "the connection", 220}, {"HELO " + p.Ask.Helo + "\r\n", "HELO", 250}, {"QUIT\r\n", "QUIT", 0}} {
		if _, err := io.WriteString(c, step.send); err != nil {
			return err
		}
		switch code, err := readReply(r); {
		case err != nil:
			return err
		case step.want != 0 && code != step.want:
			return fmt.Errorf("the server says %d to %s, not %d", code, step.to, step.want)
		}
	}
	return nil
}

// maxReplyLines bounds the lines of one reply.
const maxReplyLines = 100

// readReply reads the reply of a mail server with all its lines, and returns its code (RFC
// 5321 section 4.2.1).
func readReply(r *bufio.Reader) (int, error) {
	for range maxReplyLines {
		line, err := r.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return 0, errors.New("closed without a reply")
		case errors.Is(err, bufio.ErrBufferFull):
			return 0, errors.New("a line of the reply is too long")
		case err != nil:
			return 0, err
		}
		code := 0
		for i := range 3 {
			if i >= len(line) || line[i] < '0' || line[i] > '9' {
				const most = 40 // bytes of a wrong line that are told
				return 0, fmt.Errorf("no reply of SMTP: %q", line[:min(len(line), most)])
			}
			code = 10*code + int(line[i]-'0')
		}
		if line[3] != '-' { // the newline is there
			return code, nil
		}
	}
	return 0, errors.New("the reply has too many lines")
}
