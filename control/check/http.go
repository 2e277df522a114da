package check

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"lvsdr/control/ask"
)

// HTTP asks a web server for pages, one a step; keepalived's HTTP_GET and SSL_GET. The
// certificate of the server is not looked at.
type HTTP struct {
	peer  Peer
	ask   *ask.HTTP
	wait  time.Duration
	pages []func() (*ask.Pattern, error) // what compiles the pattern of each, once
}

var _ Stepped = (*HTTP)(nil)

// NewHTTP is the probe that asks peer. It waits for the server for no longer than wait at
// a time: for the connection, for a TLS handshake, and for each piece of the answer.
func NewHTTP(peer Peer, h *ask.HTTP, wait time.Duration) *HTTP {
	p := &HTTP{peer: peer, ask: h, wait: wait}
	for i := range h.Pages {
		p.pages = append(p.pages, sync.OnceValues(h.Pages[i].Regex.Compile))
	}
	return p
}

// Kind is HTTP_GET or SSL_GET.
func (p *HTTP) Kind() string {
	if p.ask.TLS {
		return "SSL_GET"
	}
	return "HTTP_GET"
}

// String is such as "HTTP_GET 192.168.1.11:80 wait 5s http_protocol 1.0 url { ... }".
func (p *HTTP) String() string {
	return fmt.Sprintf("%s %v wait %v %v", p.Kind(), p.peer, p.wait, p.ask)
}

// Check asks for the first page.
func (p *HTTP) Check(ctx context.Context) Result { return p.CheckStep(ctx, 0) }

// CheckStep asks for one page. Errors read "GET /health at 192.168.1.11:80: status 503, not
// 200-299".
func (p *HTTP) CheckStep(ctx context.Context, step int) Result {
	var keep int
	if p.ask.Pages[step].Regex.Pattern != "" {
		keep = maxMatched
	}
	a, err := p.Get(ctx, step, keep)
	if err != nil {
		return Result{Err: err}
	}
	if err := p.judge(a, step); err != nil {
		return Result{Err: fmt.Errorf("%s: %w", p.what(step), err)}
	}
	return Result{}
}

// what names the attempt of a step, as its errors begin.
func (p *HTTP) what(step int) string {
	return fmt.Sprintf("GET %s at %s", p.ask.Pages[step].Path, p.peer.Addr)
}

// maxMatched is how much of a body a regular expression sees, in bytes.
const maxMatched = 256 << 10

// judge says what is wrong with an answer to a step.
func (p *HTTP) judge(a *Answer, step int) error {
	page := &p.ask.Pages[step]
	switch sum := hex.EncodeToString(a.Digest[:]); {
	case !page.Codes.Has(a.Status):
		return fmt.Errorf("status %d, not %v", a.Status, page.Codes)
	case page.Digest != "" && sum != page.Digest:
		return fmt.Errorf("the MD5 digest of the body is %s, not %s", sum, page.Digest)
	case page.Regex.Pattern == "":
		return nil
	}
	pattern, err := p.pages[step]()
	if err != nil { // package keepalived has compiled it before
		return fmt.Errorf("%w: regex %q: %w", ErrNotMade, page.Regex.Pattern, err)
	}
	good, err := pattern.Match(a.Body)
	switch {
	case err != nil:
		return fmt.Errorf("regex %q: %w", page.Regex.Pattern, err)
	case !good && page.Regex.NoMatch:
		return fmt.Errorf("the body matches %q", page.Regex.Pattern)
	case !good:
		return fmt.Errorf("the body does not match %q", page.Regex.Pattern)
	}
	return nil
}

// Get asks for the page of a step and keeps up to keep bytes of its body.
func (p *HTTP) Get(ctx context.Context, step, keep int) (a *Answer, err error) {
	page := &p.ask.Pages[step]
	err = p.peer.talk(ctx, "tcp", p.what(step), p.wait, func(conn net.Conn) (err error) {
		if p.ask.TLS {
			c := tls.Client(conn, p.tlsConfig(page))
			if err := c.HandshakeContext(ctx); err != nil {
				return fmt.Errorf("TLS handshake: %w", err)
			}
			conn = c
		}
		if _, err := io.WriteString(conn, p.request(page)); err != nil {
			return err
		}
		a, err = ReadAnswer(conn, keep, p.ask.TLS && !p.ask.Strict)
		return err
	})
	return a, err
}

// request is the text that is sent to get a page.
func (p *HTTP) request(page *ask.Page) string {
	var b strings.Builder
	minor := 0
	if p.ask.Version == ask.HTTP11 {
		minor = 1
	}
	fmt.Fprintf(&b, "GET %s HTTP/1.%d\r\nUser-Agent: KeepAliveClient\r\n", page.Path, minor)
	if p.ask.Version != ask.HTTP10 {
		b.WriteString("Connection: close\r\n")
	}
	host := page.Host
	if host == "" {
		host = p.peer.Addr.String()
	}
	fmt.Fprintf(&b, "Host: %s\r\n\r\n", host)
	return b.String()
}

// tlsConfig takes whatever the server offers: the check asks whether it works, not who
// it is.
func (p *HTTP) tlsConfig(page *ask.Page) *tls.Config {
	c := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10}
	for _, list := range [][]*tls.CipherSuite{tls.CipherSuites(), tls.InsecureCipherSuites()} {
		for _, s := range list {
			c.CipherSuites = append(c.CipherSuites, s.ID)
		}
	}
	if p.ask.Client != nil {
		c.Certificates = []tls.Certificate{p.ask.Client.Certificate}
	}
	switch {
	case p.ask.SNIName != "":
		c.ServerName = p.ask.SNIName
	case p.ask.SNI:
		c.ServerName = page.Host
	}
	return c
}
