package ask

import (
	"os"
	"strings"
	"testing"
)

// oldKey is the key of client.key as old releases of openssl encrypt it, with "secret".
const oldKey = `-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,D91C6F9B9DBBC33DDDC93ABCFACB74A8

a433sZ4HL7ZQVFpfsUjzuOc6MUlEUf6ntIL31+Ai8IwBVZxRzaYMAMpTOncV+BKg
BKP62k2TT6FSJfYJFoZXqVAGQ3B6OjQWUj8Noa+E3XGSID0LcxdfWl+5qCVU+XWl
e+M7lpG+atgn6LOWuMQKeWO4mpWIv1QbJ7IzO8cDDGw=
-----END EC PRIVATE KEY-----
`

// testdata is a file of package keepalived.
func testdata(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("../keepalived/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestIdentities(t *testing.T) {
	certificate, key := testdata(t, "client.pem"), testdata(t, "client.key")
	for _, tt := range []struct {
		name, certificate, key, password string
		want                             string // of the error; empty: none
	}{
		{"an encrypted key", certificate, key, "secret", ""},
		{"an encrypted key of an old release", certificate, oldKey, "secret", ""},
		{"both in one text", certificate + key, certificate + key, "secret", ""},
		{"a wrong password", certificate, key, "secrets", "key"},
		{"no password", certificate, oldKey, "", "decrypt the key"},
		{"no key", certificate, "", "", "key"},
		{"no certificate", "", key, "secret", "certificate"},
		{"a key that was cut", certificate, strings.Replace(key, "MIHsMFcG", "MIHsMFcH", 1), "secret", "decrypt the key"},
		{"text", "hello", "world", "", "certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id, err := NewIdentity([]byte(tt.certificate), []byte(tt.key), tt.password)
			if tt.want == "" && (err != nil || len(id.Certificate.Certificate) != 1) {
				t.Errorf("%v", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q in it", err, tt.want)
			}
		})
	}
}

// Two checks with other certificates are not the same check.
func TestAnIdentityIsAPartOfTheQuestion(t *testing.T) {
	id, err := NewIdentity([]byte(testdata(t, "client.pem")), []byte(testdata(t, "client.key")), "secret")
	if err != nil {
		t.Fatal(err)
	}
	page := []Page{{Path: "/"}}
	with, without := &HTTP{TLS: true, Pages: page, Client: id}, &HTTP{TLS: true, Pages: page}
	if Same(with, without) || !Same(with, &HTTP{TLS: true, Pages: page, Client: id}) {
		t.Errorf("%v and %v", with, without)
	}
	if strings.Contains(with.String(), "secret") {
		t.Errorf("it tells the password: %v", with)
	}
}

func TestIsCA(t *testing.T) {
	if err := IsCA([]byte(testdata(t, "client.pem"))); err != nil {
		t.Error(err)
	}
	if IsCA(nil) == nil || IsCA([]byte("hello")) == nil {
		t.Error("a text without a certificate is none")
	}
}

// Whatever a key file holds, decrypting it ends with a key or an error.
func FuzzDecrypted(f *testing.F) {
	f.Add(oldKey, "secret")
	f.Add("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n", "")
	f.Fuzz(func(t *testing.T, text, password string) {
		if out, err := decrypted([]byte(text), password); err != nil && out != nil {
			t.Fatal("both a key and an error")
		}
	})
}
