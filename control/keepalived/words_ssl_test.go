package keepalived

import (
	"os"
	"strings"
	"testing"

	"lvsdr/control/ask"
)

// pemFile is a file of testdata.
func pemFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The exit codes are those of keepalived -t, which does not look at the files.
func TestSSLBlock(t *testing.T) {
	const good = "password secret\nca /c.pem\ncertificate /c.pem\nkey /k.pem"
	for _, tt := range []struct {
		name, lines string
		exit        int
		report      string // begins one of the reports
		shown       bool   // a certificate
	}{
		{"all of it", good, 0, "", true},
		{"nothing", "", 0, "", false},
		{"a CA alone", "ca /c.pem", 0, "", false},
		{"certificate and key in one file", "password secret\ncertificate /both.pem", 0, "", true},
		{"a key alone, whose file has the certificate", "password secret\nkey /both.pem", 0, "", true},
		{"no such CA", "ca /none\n" + good[strings.Index(good, "cert"):], 0, "f:2: error: ca: /none: file does not exist; SSL_GET is made without a certificate", false},
		{"a CA without certificates", "ca /k.pem", 0, "f:2: error: ca: no certificate in it", false},
		{"no such certificate", strings.Replace(good, "certificate /c", "certificate /x", 1), 0, "f:4: error: certificate: /x.pem: file does not exist", false},
		{"no such key", strings.Replace(good, "/k", "/x", 1), 0, "f:5: error: key: /x.pem: file does not exist", false},
		{"a wrong password", strings.Replace(good, "secret", "x", 1), 0, "f:5: error: key: ", false},
		{"a certificate without its key", "certificate /c.pem", 0, "f:2: error: certificate: tls: ", false},
		{"a value is missing", "password", 5, "f:2: error: password: a value is missing", false},
		{"an unknown word", "cert /c.pem", 5, "f:2: error: cert: unknown word in SSL", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := testOptions("")
			o.Files = memFiles(map[string]string{"/c.pem": pemFile(t, "client.pem"), "/k.pem": pemFile(t, "client.key"), "/both.pem": pemFile(t, "client.pem") + pemFile(t, "client.key"),
				"f": "SSL {\n" + tt.lines + "\n}\n" + httpGet("SSL_GET", "url {\npath /\n}") + strings.Replace(httpGet("HTTP_GET", "url {\npath /\n}"), "10.0.0.1", "10.0.0.5", 1)})
			c, ds, err := Load("f", o)
			if err != nil || ds.ExitCode() != tt.exit {
				t.Errorf("exit code %d, want %d: %v %v", ds.ExitCode(), tt.exit, ds, err)
			}
			wantReport(t, ds, tt.report)
			asks := func(i int) *ask.HTTP { return c.VirtualServers[i].RealServers[0].Checks[0].Ask.(*ask.HTTP) }
			if shown := asks(0).Client != nil; shown != tt.shown || asks(1).Client != nil {
				t.Errorf("SSL_GET shows a certificate: %v, want %v; HTTP_GET: %v", shown, tt.shown, asks(1).Client != nil)
			}
		})
	}
}

// The block holds for services before it, too.
func TestSSLBlockBehindTheServices(t *testing.T) {
	o := testOptions("")
	o.Files = memFiles(map[string]string{"/both.pem": pemFile(t, "client.pem") + pemFile(t, "client.key"),
		"f": httpGet("SSL_GET", "url {\npath /\n}") + "SSL {\npassword secret\ncertificate /both.pem\n}\n"})
	c, ds, err := Load("f", o)
	if err != nil || ds.Max() > Note || c.VirtualServers[0].RealServers[0].Checks[0].Ask.(*ask.HTTP).Client == nil {
		t.Error(ds, err)
	}
}
