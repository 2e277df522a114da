package main

import (
	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

// remoteFlags adds the flags about the API over TCP.
func remoteFlags(cmd *cobra.Command, r *api.Remote) {
	fl := cmd.Flags()
	fl.StringVar(&r.Listen, "api-listen", "", "serve the API at `ADDR:PORT` too, with one of the next two (docs/api.md)")
	fl.StringVar(&r.ClientCA, "api-client-ca", "", "let in clients with a certificate of the authorities in `FILE`")
	fl.StringVar(&r.TokenFile, "api-token-file", "", "let in clients with the token in `FILE`, which others must not be able to read")
	fl.StringVar(&r.Cert, "api-cert", "", "the API's own certificate, a PEM `FILE`")
	fl.StringVar(&r.Key, "api-key", "", "the key of --api-cert, a PEM `FILE`")
}
