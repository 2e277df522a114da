package ask

// A Version is the version of HTTP that a request names.
type Version uint8

// The versions.
const (
	HTTP10      Version = iota // 1.0
	HTTP10Close                // 1.0, with "Connection: close"
	HTTP11                     // 1.1, with "Connection: close"
)

// ParseVersion reads the value of http_protocol.
func ParseVersion(s string) (v Version, ok bool) {
	switch s {
	case "1.0":
		return HTTP10, true
	case "1.0C", "1.0c":
		return HTTP10Close, true
	case "1.1":
		return HTTP11, true
	}
	return HTTP10, false
}

// String is the version as http_protocol names it.
func (v Version) String() string {
	switch v {
	case HTTP10:
		return "1.0"
	case HTTP10Close:
		return "1.0C"
	case HTTP11:
		return "1.1"
	}
	return "version?"
}

// HTTP asks a web server for pages, one after the other; HTTP_GET and SSL_GET. The
// server works when all of them are as they should be.
type HTTP struct {
	Version Version
	TLS     bool   // SSL_GET
	SNI     bool   // the page's Host is named in the TLS handshake (enable_sni)
	SNIName string // named in its place (sni_name); empty: none
	Strict  bool   // a TLS stream must be closed as TLS demands it (tls_compliant)
	// Fast asks without a pause while the server is down and no page is known as bad
	// (fast_recovery).
	Fast  bool
	Pages []Page // at least one
	// Client is shown to a server that asks for a certificate; nil: none is.
	Client *Identity
}

// A Page is one url of HTTP_GET or SSL_GET.
type Page struct {
	Path string
	Host string // in the Host header (virtualhost); empty: the address and port
	// Digest is the MD5 of the body in lower-case hexadecimal digits; empty: any.
	Digest string
	Codes  Codes
	Regex  Regex
}

var _ Ask = (*HTTP)(nil)

// String is such as "http_protocol 1.0 url { path "/" status_code 200-299 }".
func (h *HTTP) String() string {
	var t text
	t.addIf(h.TLS, "SSL")
	t.addIf(true, "http_protocol %v", h.Version)
	t.addIf(h.SNI, "enable_sni")
	t.addIf(h.SNIName != "", "sni_name %q", h.SNIName)
	t.addIf(h.Strict, "tls_compliant")
	t.addIf(h.Fast, "fast_recovery")
	t.addIf(h.Client != nil, "certificate %v", h.Client)
	for i := range h.Pages {
		t.addIf(true, "url { %v }", &h.Pages[i])
	}
	return t.Builder.String()
}

// String is the text between the braces of a url.
func (p *Page) String() string {
	var t text
	t.addIf(true, "path %q", p.Path)
	t.addIf(p.Host != "", "virtualhost %q", p.Host)
	t.addIf(p.Digest != "", "digest %s", p.Digest)
	t.addIf(true, "status_code %v", p.Codes)
	t.addIf(p.Regex != (Regex{}), "%v", &p.Regex)
	return t.Builder.String()
}
