package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netlab/shell"
	"lvsdr/bench/netns"
)

func newLabShell() *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:   "shell [HOST] [-- COMMAND...]",
		Short: "Keep the lab up and open a shell on one of its hosts",
		Long: `shell opens a shell on a host of the lab: client (the default), director,
director2, rs1, rs2, router and so on. The first shell builds the lab, with a topology set by flags
or a file (docs/lab.md), and the lab ends with it; further shells, from within it or
from another terminal, join. A command after -- runs instead of a shell, and its
exit code is returned.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := shellArgs(args, cmd.ArgsLenAtDash())
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			ctx, stop := shell.Context(cmd.Context())
			defer stop()
			if !netns.Inside() || shell.Inside() {
				code, err := shell.Join(req, f.topology.Given())
				if shell.Inside() || !errors.Is(err, shell.ErrNoLab) {
					return exitWith(code, usageOf(err))
				}
			}
			return inWorld(ctx, func() error { return openShell(ctx, f.topology, req) })
		},
	}
	f.add(cmd)
	completes(cmd, first(labHosts(f.topology)))
	return cmd
}

// openShell builds a lab and opens a shell there.
func openShell(ctx context.Context, t *netlab.Topology, req shell.Request) error {
	binary, err := thisProgram()
	if err != nil {
		return err
	}
	s, err := netlab.OpenSite(ctx, binary, t)
	if err != nil {
		return err
	}
	return errors.Join(hold(ctx, s, req), s.Close(ctx))
}

// hold opens a shell in a lab, until it ends.
func hold(ctx context.Context, s *netlab.Site, req shell.Request) error {
	socket, config, release, err := s.Files()
	if err != nil {
		return err
	}
	code, err := shell.Hold(ctx, s, req, func(n *netlab.Node) []string {
		socket, config := socket, config
		if d := s.DirectorOf(n); d != nil {
			socket, config = d.Socket, d.File()
		}
		return []string{socketVariable + "=" + socket, configVariable + "=" + config}
	})
	return exitWith(code, errors.Join(err, release()))
}

func exitWith(code int, err error) error {
	if err != nil {
		return err
	}
	if code != 0 {
		return exitError{code: code}
	}
	return nil
}

// shellArgs reads [HOST] [-- COMMAND...].
func shellArgs(args []string, dash int) (shell.Request, error) {
	req := shell.Request{Host: "client"}
	if dash >= 0 {
		req.Command = args[dash:]
		args = args[:dash]
	}
	switch len(args) {
	case 0:
	case 1:
		req.Host = args[0]
	default:
		return req, fmt.Errorf("more than one host: %s; a command goes after --", strings.Join(args, " "))
	}
	return req, nil
}
