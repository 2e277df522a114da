package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"lvsdr/control/certs"
)

// A Remote says how the API is served over TCP, beside the socket. The zero Remote
// is not served at all. The token is read once, when it is opened; the other files again
// when they have changed.
type Remote struct {
	Listen    string // IP address and port
	Cert, Key string // files of the server's certificate and its key, PEM
	ClientCA  string // file of the authorities whose client certificates are let in, PEM
	TokenFile string // file of the token that clients send as Authorization: Bearer
}

// Bounds of a token: one that can be guessed is none.
const (
	minToken = 16
	maxToken = 4096
)

// Check refuses a Remote that would let everybody in, or that is not whole.
func (r *Remote) Check() error {
	if r.Listen == "" {
		if *r != (Remote{}) {
			return errors.New("--api-cert, --api-key, --api-client-ca and --api-token-file need --api-listen ADDR:PORT")
		}
		return nil
	}
	at, err := netip.ParseAddrPort(r.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("--api-listen %q: want an IP address and a port, such as 192.168.1.10:8443", r.Listen)
	case r.ClientCA == "" && r.TokenFile == "":
		return fmt.Errorf("--api-listen %s: every host could change the director; give --api-client-ca or --api-token-file", r.Listen)
	case (r.Cert == "") != (r.Key == ""):
		return errors.New("--api-cert and --api-key belong together")
	case r.ClientCA != "" && r.Cert == "":
		return errors.New("--api-client-ca needs TLS: give --api-cert and --api-key")
	case r.Cert == "" && !at.Addr().IsLoopback():
		return fmt.Errorf("--api-listen %s: the network could read the token; give --api-cert and --api-key, or listen on 127.0.0.1", r.Listen)
	}
	return nil
}

// A RemoteListener is an opened Remote.
type RemoteListener struct {
	listener net.Listener
	token    *[sha256.Size]byte // nil: none is wanted
}

// OpenRemote reads the files of r and listens. report is told of renewed certificates that
// are no good: those before them stay in use.
func OpenRemote(r *Remote, report func(error)) (*RemoteListener, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	var l RemoteListener
	if r.TokenFile != "" {
		token, err := readToken(r.TokenFile)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256([]byte(token))
		l.token = &sum
	}
	config, err := r.tls(report)
	if err != nil {
		return nil, err
	}
	if l.listener, err = net.Listen("tcp", r.Listen); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w; the director keeps no privilege for ports below 1024", err)
		}
		return nil, fmt.Errorf("--api-listen %s: %w", r.Listen, err)
	}
	if config != nil {
		l.listener = tls.NewListener(l.listener, config)
	}
	return &l, nil
}

// Addr is where it listens.
func (l *RemoteListener) Addr() string { return l.listener.Addr().String() }

// Close ends the listening.
func (l *RemoteListener) Close() error { return l.listener.Close() }

// Serve answers out of b until ctx ends, which is no error.
func (l *RemoteListener) Serve(ctx context.Context, b Backend) error {
	limit := max(connLimit(descriptors())/2, minConns)
	return serve(ctx, l.listener, "API listener", limit, l.guarded(handler(b, max(limit/streamShare, 1))))
}

// ErrToken says that a request has no token, or another one.
var ErrToken = &Refusal{"token", "the request needs the director's token, as Authorization: Bearer TOKEN"}

// guarded lets those requests through that have the token.
func (l *RemoteListener) guarded(h http.Handler) http.Handler {
	if l.token == nil {
		return h // TLS has let the client in
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		sum := sha256.Sum256([]byte(token))
		if subtle.ConstantTimeCompare(sum[:], l.token[:]) != 1 || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			answerWith(w, http.StatusUnauthorized, ErrToken)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// tls is the configuration of TLS; nil: there is none.
func (r *Remote) tls(report func(error)) (*tls.Config, error) {
	if r.Cert == "" {
		return nil, nil
	}
	words := certs.Words{Cert: "--api-cert", Key: "--api-key", CA: "--api-client-ca"}
	source, err := certs.Open(certs.Files{Cert: r.Cert, Key: r.Key, CA: r.ClientCA}, words, report)
	if err != nil {
		return nil, err
	}
	return source.Server("http/1.1"), nil
}

// readToken reads a token, which is one line.
func readToken(name string) (string, error) {
	text, err := certs.ReadSecret(name, 0o077)
	if err != nil {
		return "", fmt.Errorf("--api-token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken || len(token) > maxToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("--api-token-file %s: want one word of %d to %d characters", name, minToken, maxToken)
	}
	return token, nil
}
