package ask

import "fmt"

// DNS asks a name server, over UDP, for a record; DNS_CHECK. Any answer without an error
// code is good, also one without that record.
type DNS struct {
	Type string // A, NS, CNAME, SOA, MX, TXT or AAAA
	Name string // with or without the dot at its end
}

var _ Ask = (*DNS)(nil)

// String is such as `type SOA name "."`.
func (d *DNS) String() string { return fmt.Sprintf("type %s name %q", d.Type, d.Name) }

// SMTP greets a mail server; SMTP_CHECK.
type SMTP struct {
	Helo string // the name of this host in the greeting (helo_name)
}

var _ Ask = (*SMTP)(nil)

// String is such as `helo_name "director.example.org"`.
func (s *SMTP) String() string { return fmt.Sprintf("helo_name %q", s.Helo) }
