package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"syscall"
)

// maxAnswer bounds what a client reads of an answer that is one value, in bytes.
const maxAnswer = 256 << 20

// A Client asks a director over its control socket. Its methods may be called
// from several goroutines.
type Client struct {
	socket string
	http   http.Client
}

// NewClient makes a client of the director at socket. It connects with the
// first request.
func NewClient(socket string) *Client {
	return &Client{socket: socket, http: http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		DisableCompression: true,
	}}}
}

// Close closes the connections that wait for another request.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Status is the director's status.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "/v1/status", nil)
}

// Explain asks what would become of a client's next packet.
func (c *Client) Explain(ctx context.Context, q Question) (*Explained, error) {
	return get[Explained](ctx, c, "/v1/explain", q.query())
}

// Persistence asks what binds a client to its servers.
func (c *Client) Persistence(ctx context.Context, q Question) (*Persistence, error) {
	return get[Persistence](ctx, c, "/v1/sticky", q.query())
}

// Reload makes the director read its configuration again, and waits for the
// outcome.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	return ask[Reloaded](ctx, c, http.MethodPost, "/v1/reload", nil, nil)
}

// Trace begins a trace. Every frame that the director receives after Trace has
// returned is in it. It ends with ctx, or with Close.
func (c *Client) Trace(ctx context.Context, q TraceQuestion) (*Reader[TraceLine], error) {
	return open[TraceLine](ctx, c, "/v1/trace", q.query())
}

// Events gives the director's events from now on, until ctx ends, or Close.
func (c *Client) Events(ctx context.Context) (*Reader[Event], error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/events", nil, nil)
	if err != nil {
		return nil, err
	}
	return eventReader(resp.Body), nil
}

// A Reader reads an answer of several values.
type Reader[T any] struct {
	body io.ReadCloser
	dec  *json.Decoder
}

// Next is the next value. It is io.EOF where the director has ended the answer,
// and io.ErrUnexpectedEOF where it broke off.
func (r *Reader[T]) Next() (v T, err error) {
	err = r.dec.Decode(&v)
	return v, err
}

// Close ends the answer.
func (r *Reader[T]) Close() error { return r.body.Close() }

// open makes a request whose answer is several values.
func open[T any](ctx context.Context, c *Client, path string, query url.Values) (*Reader[T], error) {
	resp, err := c.do(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	return &Reader[T]{resp.Body, json.NewDecoder(resp.Body)}, nil
}

// get makes a request whose answer is one value.
func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	return ask[T](ctx, c, http.MethodGet, path, query, nil)
}

// ask is get with a method and a body.
func ask[T any](ctx context.Context, c *Client, method, path string, query url.Values, body []byte) (*T, error) {
	resp, err := c.do(ctx, method, path, query, body)
	if err != nil {
		return nil, err
	}
	defer drain(resp.Body)
	v := new(T)
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(v); err != nil {
		return nil, fmt.Errorf("read the director's answer: %w", err)
	}
	return v, nil
}

// askWith is ask with a value as its body.
func askWith[T any](ctx context.Context, c *Client, method, path string, v any) (*T, error) {
	body, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("request: %w", err)
	}
	return ask[T](ctx, c, method, path, nil, body)
}

// drain lets the connection be used again.
func drain(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 1<<10) // what is left costs a new connection at worst
	body.Close()
}

// do makes a request. The body of the answer is to be closed.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Response, error) {
	u := url.URL{Scheme: "http", Host: "lvsdr", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unanswered(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer drain(resp.Body)
	r := &Refusal{}
	known := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(r) == nil && r.Text != ""
	switch {
	case known && !errors.Is(r, ErrNoPath) && !errors.Is(r, ErrNoMethod):
		return nil, r
	case resp.StatusCode == http.StatusNotFound, resp.StatusCode == http.StatusMethodNotAllowed:
		return nil, fmt.Errorf("the director at %s does not know %s: it is older than this command", c.socket, path)
	}
	return nil, fmt.Errorf("ask the director at %s: %s", c.socket, resp.Status)
}

// unanswered says what to do next.
func (c *Client) unanswered(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no director answers at %s: start one with `lvsdr run`, or name its socket with --socket", c.socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: permission denied; the director answers its own user and group, and root", c.socket)
	}
	return fmt.Errorf("ask the director at %s: %w", c.socket, err)
}
