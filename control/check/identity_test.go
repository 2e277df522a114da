package check

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"testing"
	"time"

	"lvsdr/control/ask"
)

// A server that wants a certificate of its clients gets the one of the SSL block; whom it
// trusts does not matter to the check.
func TestSSLGetShowsItsCertificate(t *testing.T) {
	certificate, err := os.ReadFile("../keepalived/testdata/client.pem")
	must(t, err)
	key, err := os.ReadFile("../keepalived/testdata/client.key")
	must(t, err)
	id, err := ask.NewIdentity(certificate, key, "secret")
	must(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName)) // the check says what came
	}))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	server.StartTLS()
	defer server.Close()
	codes := ask.Codes{}
	must(t, codes.Add("200"))
	question := ask.HTTP{TLS: true, Client: id, Pages: []ask.Page{{Path: "/", Codes: codes, Regex: ask.Regex{Pattern: "^director.example.org$"}}}}
	peer := Peer{Addr: netip.MustParseAddrPort(server.Listener.Addr().String())}
	if r := NewHTTP(peer, &question, time.Minute).Check(t.Context()); r.Err != nil {
		t.Error(r.Err)
	}
	none := question
	none.Client = nil
	if r := NewHTTP(peer, &none, time.Minute).Check(t.Context()); r.Err == nil {
		t.Error("the server took a client without a certificate")
	}
}
