package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/netip"
	"time"

	"github.com/spf13/cobra"

	question "lvsdr/control/ask"
	"lvsdr/control/check"
)

// genhashOptions are the flags of genhash.
type genhashOptions struct {
	server   string
	port     uint16
	mark     uint32
	protocol string
	timeout  int
	verbose  bool
	ask      question.HTTP
	page     question.Page
}

func newGenhash() *cobra.Command {
	var o genhashOptions
	cmd := &cobra.Command{
		Use:   "genhash -s ADDRESS -p PORT -u PATH",
		Short: "Print the MD5 digest of a web page, for digest in keepalived.conf",
		Long: `genhash asks a web server for a page and prints the MD5 digest of its body, as
the word digest of HTTP_GET and SSL_GET wants it. Its options are those of
keepalived's genhash.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := o.probe()
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			return o.print(cmd, p)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.server, "server", "s", "", "`ADDRESS` of the web server")
	f.Uint16VarP(&o.port, "port", "p", 0, "port (80, with TLS 443)")
	f.StringVarP(&o.page.Path, "url", "u", "/", "`PATH` of the page")
	f.BoolVarP(&o.ask.TLS, "use-ssl", "S", false, "use TLS")
	f.BoolVarP(&o.ask.SNI, "use-sni", "I", false, "name the host of -V in the TLS handshake")
	f.StringVarP(&o.page.Host, "use-virtualhost", "V", "", "`HOST` to ask for (the address and port)")
	f.StringVarP(&o.protocol, "protocol", "P", "1.0", "`VERSION` of HTTP: 1.0, 1.0C (with \"Connection: close\") or 1.1")
	f.IntVarP(&o.timeout, "timeout", "t", 5, "`SECONDS` to wait for the server")
	f.Uint32VarP(&o.mark, "fwmark", "m", 0, "firewall `MARK` of the packets")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "print the header and the body, too")
	return cmd
}

// probe is the check that asks for the page.
func (o *genhashOptions) probe() (*check.HTTP, error) {
	addr, err := netip.ParseAddr(o.server)
	switch {
	case o.server == "":
		return nil, fmt.Errorf("the server is missing: give its address with -s")
	case err != nil:
		return nil, fmt.Errorf("-s %s: not an IP address", o.server)
	case o.timeout < 1:
		return nil, fmt.Errorf("-t %d: must be at least 1", o.timeout)
	}
	var ok bool
	if o.ask.Version, ok = question.ParseVersion(o.protocol); !ok {
		return nil, fmt.Errorf("-P %s: none of 1.0, 1.0C, 1.1", o.protocol)
	}
	if o.port == 0 {
		o.port = 80
		if o.ask.TLS {
			o.port = 443
		}
	}
	o.ask.Pages = []question.Page{o.page}
	return check.NewHTTP(check.Peer{Addr: netip.AddrPortFrom(addr, o.port), Mark: o.mark}, &o.ask, time.Duration(o.timeout)*time.Second), nil
}

// maxPrinted is how much of a body -v prints, in bytes.
const maxPrinted = 1 << 20

// print asks and prints the digest.
func (o *genhashOptions) print(cmd *cobra.Command, p *check.HTTP) error {
	keep := 0
	if o.verbose {
		keep = maxPrinted
	}
	a, err := p.Get(cmd.Context(), 0, keep)
	if err != nil {
		return err
	}
	verbose := io.Discard
	if o.verbose {
		verbose = cmd.ErrOrStderr()
	}
	fmt.Fprintf(verbose, "%s%s\n", a.Header, a.Body)
	fmt.Fprintln(cmd.OutOrStdout(), hex.EncodeToString(a.Digest[:]))
	return nil
}
