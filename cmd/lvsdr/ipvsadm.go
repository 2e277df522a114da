package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
	"lvsdr/control/ipvsadm"
)

func newIPVSAdm() *cobra.Command {
	return &cobra.Command{
		Use:   "ipvsadm [--socket PATH] ARGUMENTS...",
		Short: "Edit and list a running director's services, in ipvsadm's words",
		Long: `ipvsadm is the command line of ipvsadm 1.31 for a running director: the same
commands and options, output, refusals and exit codes. A symbolic link to lvsdr
that is called ipvsadm, ipvsadm-save or ipvsadm-restore is that program, so that
scripts for IPVS need no change:

  ln -s /usr/local/bin/lvsdr /usr/local/sbin/ipvsadm
  ipvsadm -A -t 192.168.1.100:80 -s wrr
  ipvsadm -Ln

What is edited stays until it is edited again, until the file's own entry of it
changes with a reload, or until the director ends.

The control socket is that of --socket, in front of all other arguments, or else
$` + socketVariable + `. lvsdr ipvsadm -h lists the commands and options.`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := runIPVSAdm(cmd.Context(), cmd.CommandPath(), args, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()); code != 0 {
				return exitError{code: code}
			}
			return nil
		},
	}
}

// calledIPVSAdm is the arguments of ipvsadm if the program was called by one of
// its names.
func calledIPVSAdm(argv []string) ([]string, bool) {
	switch filepath.Base(argv[0]) {
	case "ipvsadm":
		return argv[1:], true
	case "ipvsadm-save":
		return append([]string{"-S"}, argv[1:]...), true
	case "ipvsadm-restore":
		return append([]string{"-R"}, argv[1:]...), true
	}
	return nil, false
}

// runIPVSAdm carries out a command of ipvsadm, which is called name, and returns
// its exit code.
func runIPVSAdm(ctx context.Context, name string, args []string, in io.Reader, out, errs io.Writer) int {
	socket, args := socketOf(args)
	c := api.NewClient(socket)
	defer c.Close()
	i := ipvsadm.Interpreter{Admin: c, Names: ipvsadm.SystemNames(ctx), Name: name}
	r := i.Run(ctx, args, in)
	if _, err := io.WriteString(out, r.Out); err != nil {
		fmt.Fprintln(errs, err)
		return ipvsadm.ExitRefused
	}
	fmt.Fprint(errs, r.Err)
	return r.Exit
}

// socketOf takes --socket from the front of ipvsadm's arguments; without it the
// socket is that of the environment.
func socketOf(args []string) (socket string, rest []string) {
	if len(args) > 0 {
		if path, ok := strings.CutPrefix(args[0], "--socket="); ok {
			return path, args[1:]
		}
		if args[0] == "--socket" && len(args) > 1 {
			return args[1], args[2:]
		}
	}
	return defaultSocket(), args
}
