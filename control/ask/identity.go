package ask

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // a key file may have been made with it
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"hash"
	"slices"
)

// An Identity is the certificate that a check shows a server which asks for one.
type Identity struct {
	Certificate tls.Certificate
	sum         string // of the certificates; tells identities apart
}

// String tells identities apart.
func (i *Identity) String() string { return i.sum }

// NewIdentity reads a certificate, with those behind it, and its key, which may be
// encrypted by password. Both are PEM and may be one text.
func NewIdentity(certificate, key []byte, password string) (*Identity, error) {
	key, err := decrypted(key, password)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	for _, der := range c.Certificate {
		sum.Write(der)
	}
	return &Identity{c, hex.EncodeToString(sum.Sum(nil)[:8])}, nil
}

// IsCA says why text is no list of certificates in PEM; nil: it is one.
func IsCA(text []byte) error {
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return errors.New("no certificate in it")
	}
	return nil
}

// decrypted is the text of a key file with its key in the clear.
func decrypted(text []byte, password string) ([]byte, error) {
	var out []byte
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			return out, nil
		}
		var err error
		switch {
		case b.Type == "ENCRYPTED PRIVATE KEY":
			b.Type = "PRIVATE KEY"
			b.Bytes, err = decryptPKCS8(b.Bytes, password)
		case x509.IsEncryptedPEMBlock(b): //nolint:staticcheck // such files exist
			b.Bytes, err = x509.DecryptPEMBlock(b, []byte(password)) //nolint:staticcheck // likewise
			b.Headers = nil
		}
		if err != nil {
			return nil, fmt.Errorf("decrypt the key: %w", err)
		}
		out = append(out, pem.EncodeToMemory(b)...)
	}
}

// Object identifiers of RFC 8018 and of NIST's list of AES.
var ( // never changed
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidSHA1   = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 7}
	oidSHA256 = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}
	oidAES    = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1} // and one number more
)

type algorithm struct {
	ID     asn1.ObjectIdentifier
	Params asn1.RawValue `asn1:"optional"`
}

// decryptPKCS8 decrypts an EncryptedPrivateKeyInfo of RFC 5958 that PBES2 of RFC 8018
// has made with PBKDF2 and AES in CBC mode, as openssl does.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info struct {
		Algorithm algorithm
		Data      []byte
	}
	var scheme struct{ KDF, Cipher algorithm }
	var kdf struct {
		Salt       []byte
		Iterations int
		Length     int       `asn1:"optional"`
		PRF        algorithm `asn1:"optional"`
	}
	var iv []byte
	for _, part := range []func() error{
		func() error { return parse(der, &info) },
		func() error { return parse(info.Algorithm.Params.FullBytes, &scheme) },
		func() error { return parse(scheme.KDF.Params.FullBytes, &kdf) },
		func() error { return parse(scheme.Cipher.Params.FullBytes, &iv) },
	} {
		if err := part(); err != nil {
			return nil, err
		}
	}
	length, ok := keyLength(scheme.Cipher.ID)
	const mostIterations = 10_000_000
	if !info.Algorithm.ID.Equal(oidPBES2) || !scheme.KDF.ID.Equal(oidPBKDF2) || !ok || len(iv) != aes.BlockSize ||
		kdf.Iterations < 1 || kdf.Iterations > mostIterations || len(info.Data) == 0 || len(info.Data)%aes.BlockSize != 0 {
		return nil, errors.New("not encrypted with PBES2, PBKDF2 and AES in CBC mode")
	}
	h := sha1.New
	switch {
	case kdf.PRF.ID.Equal(oidSHA256):
		h = sha256.New
	case len(kdf.PRF.ID) > 0 && !kdf.PRF.ID.Equal(oidSHA1):
		return nil, errors.New("its digest is neither SHA-1 nor SHA-256")
	}
	return decryptCBC(info.Data, iv, password, kdf.Salt, kdf.Iterations, length, h)
}

// keyLength is that of AES in CBC mode, in bytes.
func keyLength(id asn1.ObjectIdentifier) (int, bool) {
	if len(id) != len(oidAES)+1 || !slices.Equal(id[:len(oidAES)], oidAES) {
		return 0, false
	}
	n, ok := map[int]int{2: 16, 22: 24, 42: 32}[id[len(oidAES)]]
	return n, ok
}

func parse(der []byte, into any) error {
	rest, err := asn1.Unmarshal(der, into)
	if err == nil && len(rest) > 0 {
		err = errors.New("more behind the end")
	}
	return err
}

func decryptCBC(data, iv []byte, password string, salt []byte, iterations, length int, h func() hash.Hash) ([]byte, error) {
	key, err := pbkdf2.Key(h, password, salt, iterations, length)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	out := make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(out, data)
	pad := int(out[len(out)-1])
	if pad < 1 || pad > aes.BlockSize {
		return nil, errors.New("the password is wrong")
	}
	return out[:len(out)-pad], nil
}
