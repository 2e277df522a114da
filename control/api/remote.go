package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"syscall"
)

// A Remote says how the API is served over TCP, beside the socket. The zero Remote
// is not served at all. Files are read once, when it is opened.
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

// OpenRemote reads the files of r and listens.
func OpenRemote(r *Remote) (*RemoteListener, error) {
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
	config, err := r.tls()
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
func (r *Remote) tls() (*tls.Config, error) {
	if r.Cert == "" {
		return nil, nil
	}
	cert, err := os.ReadFile(r.Cert)
	if err != nil {
		return nil, fmt.Errorf("--api-cert: %w", err)
	}
	key, err := readSecret(r.Key, 0o007)
	if err != nil {
		return nil, fmt.Errorf("--api-key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("--api-cert %s with --api-key %s: %w", r.Cert, r.Key, err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}}
	if r.ClientCA == "" {
		return c, nil
	}
	ca, err := os.ReadFile(r.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("--api-client-ca: %w", err)
	}
	c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("--api-client-ca %s: there is no certificate in it", r.ClientCA)
	}
	return c, nil
}

// readToken reads a token, which is one line.
func readToken(name string) (string, error) {
	text, err := readSecret(name, 0o077)
	if err != nil {
		return "", fmt.Errorf("--api-token-file: %w", err)
	}
	token := strings.TrimSpace(string(text))
	if len(token) < minToken || len(token) > maxToken || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("--api-token-file %s: want one word of %d to %d characters", name, minToken, maxToken)
	}
	return token, nil
}

// readSecret reads a file that must be a regular one of this user's or root's, and
// must not have the permissions of others.
func readSecret(name string, others fs.FileMode) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO would wait for a writer
	if err != nil {
		return nil, err
	}
	defer f.Close() // it was only read
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case info.Mode().Perm()&others != 0:
		return nil, fmt.Errorf("%s has mode %04o, so that other users may use it; change it: chmod 600 %s", name, info.Mode().Perm(), name)
	case ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid():
		return nil, fmt.Errorf("%s belongs to user %d, neither to root nor to the director's", name, owner.Uid)
	}
	return io.ReadAll(io.LimitReader(f, 1<<20))
}
