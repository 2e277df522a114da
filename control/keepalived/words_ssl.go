package keepalived

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"lvsdr/control/ask"
)

// An SSL is the SSL block: what checks show web servers that ask for a certificate.
type SSL struct {
	Password    string // of the key
	CA          string // path; it must be readable, and nothing is verified with it
	Certificate string // path
	Key         string // path; empty: the key is in Certificate
}

// sslBlock is the word SSL.
func sslBlock() []word {
	text := func(name string, field func(*SSL) *string) word {
		return word{name: name, min: 1, max: 1, text: true, soft: true, set: func(r *reader, n *Node) {
			*field(&r.global.SSL) = strings.Clone(n.Args[0])
			r.ssl[name] = n
		}}
	}
	return []word{{name: "SSL", max: anyArgs, end: (*reader).endSSL, set: func(r *reader, _ *Node) { r.ssl = map[string]*Node{} }, block: &block{name: "SSL", words: []word{
		text("password", func(s *SSL) *string { return &s.Password }), text("ca", func(s *SSL) *string { return &s.CA }),
		text("certificate", func(s *SSL) *string { return &s.Certificate }), text("key", func(s *SSL) *string { return &s.Key }),
	}}}}
}

// endSSL reads the files that the block names. keepalived does so at its start, and not
// with -t, so that a file that is not there counts as good.
func (r *reader) endSSL(n *Node) {
	s, at := r.global.SSL, n
	identity, err := func() (id *ask.Identity, err error) {
		if s.CA != "" {
			at = r.ssl["ca"]
			text, err := r.readAll(s.CA)
			if err == nil {
				err = ask.IsCA(text)
			}
			if err != nil {
				return nil, err
			}
		}
		if s.Certificate == "" && s.Key == "" {
			return nil, nil
		}
		if s.Certificate == "" {
			s.Certificate = s.Key
		}
		if at = r.ssl["certificate"]; at == nil {
			at = r.ssl["key"]
		}
		certificate, err := r.readAll(s.Certificate)
		if err != nil {
			return nil, err
		}
		key := certificate
		if s.Key != "" {
			at = r.ssl["key"]
			if key, err = r.readAll(s.Key); err != nil {
				return nil, err
			}
		}
		return ask.NewIdentity(certificate, key, s.Password)
	}()
	if err != nil {
		r.report(at, Error, AsGood, "%v; SSL_GET is made without a certificate", err)
		r.global.SSL = SSL{}
		return
	}
	r.identity = identity
}

// maxPEM is how much of a file with a certificate or a key is read, in bytes.
const maxPEM = 1 << 20

// readAll is the content of a file that a word names.
func (r *reader) readAll(name string) ([]byte, error) {
	f, err := r.opt.Files.Open(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(text) > maxPEM:
		return nil, fmt.Errorf("%s: more than %d bytes", name, maxPEM)
	}
	return text, nil
}
