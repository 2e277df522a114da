package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
)

var _ Admin = (*Client)(nil)

// Edit carries out edits, all in one request; see Admin.
func (c *Client) Edit(ctx context.Context, edits []Edit) ([]error, error) {
	body, err := json.Marshal(edits)
	if err != nil {
		return nil, fmt.Errorf("edits: %w", err)
	}
	refused, err := ask[[]*Refusal](ctx, c, http.MethodPost, "/v1/edits", nil, body)
	if err != nil {
		return nil, err
	}
	if len(*refused) != len(edits) {
		return nil, fmt.Errorf("the director at %s answered %d of %d edits", c.socket, len(*refused), len(edits))
	}
	errs := make([]error, len(edits))
	for i, r := range *refused {
		if r != nil {
			errs[i] = r
		}
	}
	return errs, nil
}

// Services are the services of keys, or all; see Admin.
func (c *Client) Services(ctx context.Context, keys ...ServiceKey) iter.Seq2[Service, error] {
	return func(yield func(Service, error) bool) {
		queries := []url.Values{nil}
		if len(keys) > 0 {
			queries = queries[:0]
		}
		for _, k := range keys {
			queries = append(queries, k.query())
		}
		for _, q := range queries {
			if !list(ctx, c, "/v1/services", q, yield) {
				return
			}
		}
	}
}

// Service is one service, with the health of its servers.
func (c *Client) Service(ctx context.Context, k ServiceKey) (*Service, error) {
	return get[Service](ctx, c, "/v1/services/"+k.PathName(), nil)
}

// Conns are the connections and templates; see Admin.
func (c *Client) Conns(ctx context.Context) iter.Seq2[Conn, error] {
	return func(yield func(Conn, error) bool) { list(ctx, c, "/v1/connections", nil, yield) }
}

// Timeouts are those in force.
func (c *Client) Timeouts(ctx context.Context) (Timeouts, error) {
	t, err := get[Timeouts](ctx, c, "/v1/timeouts", nil)
	if err != nil {
		return Timeouts{}, err
	}
	return *t, nil
}

// list yields the values of an answer. It reports whether more is wanted.
func list[T any](ctx context.Context, c *Client, path string, query url.Values, yield func(T, error) bool) bool {
	r, err := open[T](ctx, c, path, query)
	if err != nil {
		yield(*new(T), err)
		return false
	}
	defer func() { _ = r.Close() }()
	for {
		v, err := r.Next()
		switch {
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			yield(v, fmt.Errorf("read the director's answer: %w", err))
			return false
		case !yield(v, nil):
			return false
		}
	}
}
