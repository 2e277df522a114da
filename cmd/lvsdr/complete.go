package main

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lvsdr/bench/fault"
	"lvsdr/bench/lesson"
	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// completionPatience is how long a director may take while a shell waits for
// proposals.
const completionPatience = 500 * time.Millisecond

// mostProposals is how many clients a shell is offered.
const mostProposals = 100

// A completer proposes the values of an argument or a flag, each with a description
// behind a tab where there is one; the shell chooses among them. given are the
// arguments before it.
type completer func(cmd *cobra.Command, given []string) []cobra.Completion

// completes makes c the completer of cmd's arguments.
func completes(cmd *cobra.Command, c completer) {
	cmd.ValidArgsFunction = func(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c(cmd, given), cobra.ShellCompDirectiveNoFileComp
	}
}

// completesFlag makes c the completer of a flag of cmd.
func completesFlag(cmd *cobra.Command, name string, c completer) {
	err := cmd.RegisterFlagCompletionFunc(name, func(cmd *cobra.Command, given []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c(cmd, given), cobra.ShellCompDirectiveNoFileComp
	})
	if err != nil {
		panic(err) // cmd has no such flag, or this is done twice
	}
}

// first is c for the first argument only.
func first(c completer) completer {
	return func(cmd *cobra.Command, given []string) []cobra.Completion {
		if len(given) > 0 {
			return nil
		}
		return c(cmd, given)
	}
}

func faults(*cobra.Command, []string) (all []cobra.Completion) {
	for _, f := range fault.All() {
		all = append(all, cobra.CompletionWithDesc(f.Name, f.Summary))
	}
	return all
}

func lessonNumbers(*cobra.Command, []string) (all []cobra.Completion) {
	for i, title := range lesson.Titles() {
		all = append(all, cobra.CompletionWithDesc(string(rune('1'+i)), title))
	}
	return append(all, "all")
}

// labHosts are the hosts of the lab that the flags describe.
func labHosts(t *netlab.Topology) func(*cobra.Command, []string) []cobra.Completion {
	return func(*cobra.Command, []string) []cobra.Completion {
		if t.Complete() != nil {
			return nil // there will be no such lab
		}
		return t.Hosts()
	}
}

func schedulers(*cobra.Command, []string) []cobra.Completion { return netlab.Schedulers() }

// interfaces are those of this host.
func interfaces(*cobra.Command, []string) (all []cobra.Completion) {
	links, err := net.Interfaces()
	if err != nil {
		return nil
	}
	for _, l := range links {
		all = append(all, l.Name)
	}
	return all
}

// clientsAndServices are the clients of the running director for the first argument, and
// its services for the second.
func clientsAndServices(cmd *cobra.Command, given []string) []cobra.Completion {
	socket, err := cmd.Flags().GetString("socket")
	if err != nil || len(given) > 1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionPatience)
	defer cancel()
	c := api.NewClient(socket)
	defer c.Close()
	if len(given) == 0 {
		return clientsOf(ctx, c)
	}
	var all []cobra.Completion
	for s, err := range c.Services(ctx) {
		if err != nil {
			break
		}
		if s.FWMark == 0 {
			all = append(all, cobra.CompletionWithDesc(api.HostPort(s.Address, s.Port), s.Protocol+" "+s.Scheduler))
		}
	}
	return all
}

// clientsOf are some of the addresses that have connections.
func clientsOf(ctx context.Context, c *api.Client) (all []cobra.Completion) {
	for conn, err := range c.Conns(ctx) {
		if err != nil || len(all) == mostProposals {
			break
		}
		if a := conn.Client.String(); !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}
