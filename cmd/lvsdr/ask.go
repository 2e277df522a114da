package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

// askPatience is how long a director may take to answer.
const askPatience = 10 * time.Second

// An asking is the flags of a verb that asks a running director one thing.
type asking struct {
	socket string
	asJSON bool
}

// flags adds --json and --socket.
func (a *asking) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&a.asJSON, "json", false, "print everything as JSON")
	socketFlag(cmd, &a.socket)
}

// A texter prints itself for people.
type texter interface{ WriteText(io.Writer) error }

// ask asks the director and prints the answer.
func ask[T texter](cmd *cobra.Command, a *asking, question func(context.Context, *api.Client) (T, error)) error {
	ctx, cancel := context.WithTimeout(cmd.Context(), askPatience)
	defer cancel()
	c := api.NewClient(a.socket)
	defer c.Close()
	v, err := question(ctx, c)
	if err != nil {
		return err
	}
	if a.asJSON {
		return printJSON(cmd.OutOrStdout(), v)
	}
	return api.WriteScreen(cmd.OutOrStdout(), v, screenWidth(cmd.OutOrStdout()))
}

// printJSON writes v for a program, in lines that a person can read.
func printJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// clientOf reads ADDR or ADDR:PORT, of IPv6 [ADDR]:PORT.
func clientOf(s string) (netip.Addr, uint16, error) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return a.Unmap(), 0, nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.Addr{}, 0, fmt.Errorf("client %q: want ADDR or ADDR:PORT, such as 192.168.1.50:40123 or [2001:db8::7]:40123", s)
	}
	return ap.Addr().Unmap(), ap.Port(), nil
}

// serviceQuestion reads VIP:PORT.
func serviceQuestion(s, proto string) (api.Question, error) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return api.Question{}, fmt.Errorf("service %q: want VIP:PORT, such as 192.168.1.100:8080 or [2001:db8::1]:80", s)
	}
	if proto != "" {
		if _, err := frame.ParseServiceProto(proto); err != nil {
			return api.Question{}, err
		}
	}
	return api.Question{VIP: ap.Addr().Unmap(), Port: ap.Port(), Protocol: proto}, nil
}
