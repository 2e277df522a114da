package netlab

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"strconv"
	"sync"
	"time"

	"lvsdr/bench/netns"
)

// ServerHeader names, in each answer of StartHTTP's servers, the server that
// gave it.
const ServerHeader = "X-Real-Server"

// An HTTPServer is a net/http server inside a Host.
type HTTPServer struct {
	srv    *http.Server
	forget func()

	requests sync.WaitGroup // being answered
	served   chan error     // Serve's result

	once sync.Once // guards the only stop
	err  error     // its result
}

// maxAnswer bounds what a server answers with, in bytes.
const maxAnswer = 1 << 30

// answerPiece is how much of an answer is written at a time, in bytes.
const answerPiece = 1 << 16

// StartHTTP starts a server on addr (as in Listen) that names itself in the
// header ServerHeader of every answer. To GET it answers with its name and a
// line feed, followed by as many further bytes as the query says, at most
// 1 GiB: ?bytes=20000; to POST and PUT with the SHA-256 of the body in hexadecimal and a
// line feed. It accepts connections when StartHTTP returns, and ends by Stop
// or by the host's Close.
func StartHTTP(h *netns.Host, addr, name string) (*HTTPServer, error) {
	l, err := h.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	s := &HTTPServer{served: make(chan error, 1)}
	s.srv = &http.Server{
		Handler:           s.handler(name),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	if s.forget, err = h.Keep(s.stop); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	go func() { s.served <- s.srv.Serve(l) }()
	return s, nil
}

func (s *HTTPServer) handler(name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		defer s.requests.Done()
		w.Header().Set(ServerHeader, name)
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			fmt.Fprintln(w, name)
			if n, err := strconv.Atoi(r.URL.Query().Get("bytes")); err == nil && n > 0 {
				answer(w, min(n, maxAnswer))
			}
		case http.MethodPost, http.MethodPut:
			sum := sha256.New()
			if _, err := io.Copy(sum, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(w, "%x\n", sum.Sum(nil))
		default:
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		}
	})
}

// answer writes n bytes, unless the client goes.
func answer(w io.Writer, n int) {
	piece := bytes.Repeat([]byte("."), min(n, answerPiece))
	for err := error(nil); n > 0 && err == nil; n -= len(piece) {
		piece = piece[:min(n, len(piece))]
		_, err = w.Write(piece)
	}
}

// Stop closes the listener and all connections, also those in use, and returns
// when no request is being answered any more. A second Stop does nothing.
func (s *HTTPServer) Stop() error {
	s.forget()
	return s.stop()
}

func (s *HTTPServer) stop() error {
	s.once.Do(func() {
		err := s.srv.Close()
		if end := <-s.served; !errors.Is(end, http.ErrServerClosed) {
			err = errors.Join(err, end)
		}
		s.requests.Wait()
		if err != nil {
			s.err = fmt.Errorf("stop http server: %w", err)
		}
	})
	return s.err
}

// StartHTTP starts a server on every real server, on all its addresses, named
// as its host. They are the nodes' HTTP and end with the lab.
func (l *Lab) StartHTTP(port uint16) (err error) {
	for _, n := range l.Servers {
		if n.HTTP, err = StartHTTP(n.Host, l.Wildcard(port), n.Name()); err != nil {
			return err
		}
	}
	return nil
}

// Wildcard is port on all addresses of a host, for StartHTTP and Listen.
func (l *Lab) Wildcard(port uint16) string {
	if l.Spec.Net.Addr().Is6() {
		return fmt.Sprintf("[::]:%d", port)
	}
	return fmt.Sprintf("0.0.0.0:%d", port)
}

// A Tally is the outcome of Get.
type Tally struct {
	ByServer map[string]int // answers by the name in ServerHeader
	Errors   int            // requests without such an answer
	First    error          // one of the errors, nil if there was none
}

// Total is the number of requests made.
func (t Tally) Total() int {
	n := t.Errors
	for c := range maps.Values(t.ByServer) {
		n += c
	}
	return n
}

// Get requests url n times, at most concurrency (at least 1) at a time, and
// counts who answered. An answer counts only with status 200 and a
// ServerHeader, read to its end. When ctx is done the requests left count as
// errors.
func Get(ctx context.Context, client *http.Client, url string, n, concurrency int) Tally {
	t := Tally{ByServer: make(map[string]int)}
	var mu sync.Mutex // guards t
	var wg sync.WaitGroup
	todo := make(chan struct{})
	for range max(1, min(n, concurrency)) {
		wg.Go(func() {
			for range todo {
				name, err := getOne(ctx, client, url)
				mu.Lock()
				if err != nil {
					t.Errors++
					t.First = err
				} else {
					t.ByServer[name]++
				}
				mu.Unlock()
			}
		})
	}
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	wg.Wait()
	return t
}

// getOne makes one request and returns the name of the server.
func getOne(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("get %s: %w", url, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err // a *url.Error, which names the attempt
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", fmt.Errorf("read %s: %w", url, err)
	}
	name := resp.Header.Get(ServerHeader)
	if resp.StatusCode != http.StatusOK || name == "" {
		return "", fmt.Errorf("get %s: status %s, %s %q", url, resp.Status, ServerHeader, name)
	}
	return name, nil
}

// Add adds the outcome of other requests.
func (t *Tally) Add(other Tally) {
	for name, n := range other.ByServer {
		t.ByServer[name] += n
	}
	t.Errors += other.Errors
	if t.First == nil {
		t.First = other.First
	}
}
