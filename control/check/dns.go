package check

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"

	"github.com/miekg/dns"

	"lvsdr/control/ask"
)

// DNS asks a name server over UDP; keepalived's DNS_CHECK. Datagrams that are no response
// to the question are passed over.
type DNS struct {
	Peer Peer
	Ask  *ask.DNS
}

var _ Probe = DNS{}

// Kind is keepalived's word for it.
func (p DNS) Kind() string { return "DNS_CHECK" }

// String is such as `DNS_CHECK 192.168.1.11:53 type SOA name "."`.
func (p DNS) String() string { return fmt.Sprintf("%s %v %v", p.Kind(), p.Peer, p.Ask) }

// Check asks. Errors read "ask 192.168.1.11:53 for SOA of .: SERVFAIL".
func (p DNS) Check(ctx context.Context) Result {
	what := fmt.Sprintf("ask %s for %s of %s", p.Peer.Addr, p.Ask.Type, p.Ask.Name)
	query := new(dns.Msg).SetQuestion(dns.Fqdn(p.Ask.Name), dns.StringToType[p.Ask.Type])
	text, err := query.Pack()
	if err != nil { // package keepalived has looked at the name
		return Result{Err: fmt.Errorf("%w: %s: %w", ErrNotMade, what, err)}
	}
	return Result{Err: p.Peer.talk(ctx, "udp", what, 0, func(c net.Conn) error { return resolve(c, text, query.Id) })}
}

// resolve sends a query with this ID and waits for the response.
func resolve(c net.Conn, query []byte, id uint16) error {
	if _, err := c.Write(query); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		switch rcode, ok := responseCode(buf[:n], id); {
		case ok && rcode != dns.RcodeSuccess:
			return errors.New(rcodeName(rcode))
		case ok:
			return nil
		}
	}
}

// responseCode is the code of a response to the query with this ID; ok is false where b is
// none (RFC 1035 section 4.1.1).
func responseCode(b []byte, id uint16) (code int, ok bool) {
	const header, response = 12, 1 << 15
	if len(b) < header || binary.BigEndian.Uint16(b) != id {
		return 0, false
	}
	bits := binary.BigEndian.Uint16(b[2:])
	return int(bits & 0xf), bits&response != 0
}

// rcodeName is the usual name of a response code.
func rcodeName(code int) string {
	if name, ok := dns.RcodeToString[code]; ok {
		return name
	}
	return fmt.Sprintf("response code %d", code)
}
