package certs

import (
	"crypto/tls"
	"errors"
	"os"
	"sync"
	"time"
)

// A Source has what stands in files, as long as they are good. Its methods may be called
// from several goroutines.
type Source struct {
	files  Files
	words  Words
	report func(error)

	mu     sync.Mutex // guards what follows
	stamps [3]stamp
	pair   *Pair
}

// A stamp says which state of a file was read; the zero stamp: it is not there.
type stamp struct {
	info os.FileInfo
}

// same reports whether two stamps are of the same state of the same file.
func (s stamp) same(o stamp) bool {
	if s.info == nil || o.info == nil {
		return s.info == o.info
	}
	return os.SameFile(s.info, o.info) && s.info.ModTime().Equal(o.info.ModTime()) && s.info.Size() == o.info.Size()
}

// Open reads the files. report is told of renewed files that are no good, once for each
// state of theirs: until there are better ones, what was read before is used.
func Open(f Files, w Words, report func(error)) (*Source, error) {
	s := &Source{files: f, words: w, report: report, stamps: f.stamps()}
	var err error
	if s.pair, err = f.read(&w); err != nil {
		return nil, err
	}
	return s, nil
}

// stamps are those of the files now.
func (f *Files) stamps() (all [3]stamp) {
	for i, name := range []string{f.Cert, f.Key, f.CA} {
		if info, err := os.Stat(name); err == nil {
			all[i].info = info
		}
	}
	return all
}

// Pair returns the contents of the files: those of now, or the last good ones. It must
// not be changed.
func (s *Source) Pair() *Pair {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.files.stamps() // before they are read: a later change is seen the next time
	for i := range now {
		if !now[i].same(s.stamps[i]) {
			s.stamps = now
			s.renew()
			break
		}
	}
	return s.pair
}

// renew reads the files again.
func (s *Source) renew() {
	pair, err := s.files.read(&s.words)
	if err != nil {
		s.report(err)
		return
	}
	s.pair = pair
}

// Server is the configuration of a listener: of its clients it wants certificates of the
// authorities, if there are any.
func (s *Source) Server(protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		p := s.Pair()
		c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{p.Certificate}, NextProtos: protocols}
		if p.Authorities != nil {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, p.Authorities
		}
		return c, nil
	}}
}

// errNoAuthorities says that a Source cannot tell who is let in.
var errNoAuthorities = errors.New("there are no authorities")

// Mutual is the configuration of either side of a connection of which both sides show
// certificates of the authorities, whatever names these have. It is for one handshake, and
// an error if there are no authorities.
func (s *Source) Mutual(now func() time.Time) (*tls.Config, error) {
	p := s.Pair()
	if p.Authorities == nil {
		return nil, errNoAuthorities
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{p.Certificate}, ClientAuth: tls.RequireAnyClientCert,
		InsecureSkipVerify: true, // of names: VerifyConnection looks at all else
		VerifyConnection:   func(c tls.ConnectionState) error { return p.verify(c.PeerCertificates, now()) }}, nil
}
