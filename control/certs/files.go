package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Files names PEM files. The zero Files are none.
type Files struct {
	Cert, Key string
	CA        string // of the authorities whose certificates are let in; empty: none are asked for
}

// Words are the words by which the user names the files, for errors.
type Words Files

// SyncWords are those of connection sync in keepalived.conf.
func SyncWords() Words {
	return Words{Cert: "lvsdr_sync_tls_cert", Key: "lvsdr_sync_tls_key", CA: "lvsdr_sync_tls_ca"}
}

// A Pair has the contents of Files.
type Pair struct {
	Certificate tls.Certificate // with its Leaf
	Authorities *x509.CertPool  // nil: Files names none
	files       Files
}

// maxFile is how much of a file is read, in bytes.
const maxFile = 1 << 20

// read reads the files.
func (f *Files) read(w *Words) (*Pair, error) {
	cert, err := os.ReadFile(f.Cert)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.Cert, err)
	}
	key, err := ReadSecret(f.Key, 0o007)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", w.Key, err)
	}
	var ca []byte
	if f.CA != "" {
		if ca, err = os.ReadFile(f.CA); err != nil {
			return nil, fmt.Errorf("%s: %w", w.CA, err)
		}
	}
	return f.Parse(w, cert, key, ca)
}

// Parse makes a Pair of what stands in the files.
func (f *Files) Parse(w *Words, cert, key, ca []byte) (*Pair, error) {
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s %s with %s %s: %w", w.Cert, f.Cert, w.Key, f.Key, err)
	}
	p := &Pair{Certificate: pair, files: *f}
	if f.CA == "" {
		return p, nil
	}
	p.Authorities = x509.NewCertPool()
	if !p.Authorities.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s %s: there is no certificate in it", w.CA, f.CA)
	}
	return p, nil
}

// Valid is an error if the certificate is not valid at now.
func (p *Pair) Valid(now time.Time) error {
	if err := valid(p.Certificate.Leaf, now); err != nil {
		return fmt.Errorf("%s: %w", p.files.Cert, err)
	}
	return nil
}

// valid is an error if a certificate is not valid at now.
func valid(c *x509.Certificate, now time.Time) error {
	const day = "2006-01-02 15:04 MST"
	switch {
	case now.After(c.NotAfter):
		return fmt.Errorf("the certificate of %s has expired at %s", c.Subject, c.NotAfter.UTC().Format(day))
	case now.Before(c.NotBefore):
		return fmt.Errorf("the certificate of %s is not valid before %s", c.Subject, c.NotBefore.UTC().Format(day))
	}
	return nil
}

// verify is an error if a chain of certificates, the peer's own first, is not one of the
// authorities of p at now. What else the certificate says, such as names, does not matter.
func (p *Pair) verify(chain []*x509.Certificate, now time.Time) error {
	if len(chain) == 0 {
		return errors.New("the other side has no certificate")
	}
	if err := valid(chain[0], now); err != nil {
		return err
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: p.Authorities, Intermediates: between, CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return fmt.Errorf("the certificate of %s: %w", chain[0].Subject, err)
	}
	return nil
}

// ReadSecret reads a file that must be a regular one of this user's or root's, and
// must not have the permissions others.
func ReadSecret(name string, others fs.FileMode) ([]byte, error) {
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
	return io.ReadAll(io.LimitReader(f, maxFile))
}
