package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"lvsdr/control"
	"lvsdr/control/api"
	"lvsdr/control/keepalived"
)

// planChanges is the exit code of a plan that changes something.
const planChanges = 3

func newPlan() *cobra.Command {
	var a asking
	var id string
	cmd := &cobra.Command{
		Use:   "plan FILE",
		Short: "Say what a configuration would change in the running director, and change nothing",
		Long: `plan sends FILE, with the files that it includes, to the running director, which
compares it with what it does now: services, servers and weights, as edited and as
its checks have found them. Each change has the connections that it touches, and
says where they lose their server.

The exit code is 0 if nothing would change, 3 if something would, and 1 if a
reload would refuse the file, or the director does not answer.

  lvsdr plan keepalived.conf.new && echo "no change"`,
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			q, err := planOf(cmd.Context(), args[0], id)
			if err != nil {
				return err
			}
			var p *api.Plan
			err = ask(cmd, &a, func(ctx context.Context, c *api.Client) (_ *api.Plan, err error) {
				p, err = c.Plan(ctx, q)
				return p, err
			})
			if err == nil && len(p.Changes) > 0 {
				return exitError{code: planChanges}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&id, "config-id", "", "which @id lines to read, as in lvsdr run (default: the host name)")
	a.flags(cmd)
	return cmd
}

// planOf is the file with all that it includes. What is wrong with it is told by the
// director, which reads it with its own options.
func planOf(ctx context.Context, name, id string) (*api.PlanRequest, error) {
	name, err := filepath.Abs(name)
	if err != nil {
		return nil, fmt.Errorf("name of the file: %w", err)
	}
	var r keepalived.Recording
	read := control.Loader(func() (*keepalived.Config, keepalived.Diagnostics, error) {
		return keepalived.Load(name, keepalived.Options{ConfigID: id, IPv6: true, Files: r.Over(keepalived.Files{})})
	})
	_, _, err = read.Until(ctx)
	if _, read := r.Files[name]; err != nil && !read {
		return nil, err
	}
	return &api.PlanRequest{Name: name, Files: r.Files, Globs: r.Globs}, nil
}
