package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lvsdr/bench/lesson"
	"lvsdr/bench/netlab"
	"lvsdr/bench/netlab/shell"
	"lvsdr/bench/netns"
)

func newLab() *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:   "lab",
		Short: "Build a complete LVS-DR lab in namespaces and show it at work",
		Long: `lab builds clients, a director, real servers and a switch as network
namespaces, without root where user namespaces are allowed, runs real HTTP
servers, a real director and a real HTTP client in them, and shows the way of a
packet from captured frames, the share of each real server, and what persistence
does. It ends by itself, leaves nothing behind, and exits with 0 only if everything
was as expected. Flags or a file choose its topology (docs/lab.md).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.show(cmd.Context(), cmd.OutOrStdout(), lesson.Demo)
		},
	}
	f.add(cmd)
	f.addPcap(cmd)
	cmd.AddCommand(newLabShell(), newLabBreak(), newLabLesson())
	return cmd
}

// labFlags are the flags of lab and its verbs.
type labFlags struct {
	topology *netlab.Topology
	pcap     string
}

// add adds the flags for the shape of the lab.
func (f *labFlags) add(cmd *cobra.Command) {
	f.topology = netlab.NewTopology()
	cmd.Flags().AddFlagSet(f.topology.Flags())
	completesFlag(cmd, "scheduler", schedulers)
	cmd.Flags().StringVar(&f.topology.File, "topology", "", "read these flags from `FILE`, one a line without dashes, as in: clients 2")
}

// addPcap adds --pcap.
func (f *labFlags) addPcap(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.pcap, "pcap", "", "keep captures of every interface in the folder `DIR`, as pcapng files with comments")
}

// show shows a lab of this shape on out, in a world of its own.
func (f *labFlags) show(ctx context.Context, out io.Writer, show func(context.Context, lesson.Options) error) error {
	return inWorld(ctx, func() error {
		binary, err := thisProgram()
		if err != nil {
			return err
		}
		return show(ctx, lesson.Options{Out: out, Width: screenWidth(out), Binary: binary, Topology: f.topology, Pcap: f.pcap})
	})
}

// thisProgram is the path of this program.
func thisProgram() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return path, nil
}

// interruptedCode is the exit code after SIGINT, as shells have it: 128+2.
const interruptedCode = 130

// inWorld runs f in a world of its own: this program is run once more there.
func inWorld(ctx context.Context, f func() error) error { return in(ctx, netns.Reexec, f) }

// in runs f in the world that enter makes.
func in(ctx context.Context, enter func(context.Context) (int, error), f func() error) error {
	if netns.Inside() {
		err := usageOf(f())
		if ctx.Err() != nil {
			return exitError{code: interruptedCode} // who entered the world says it
		}
		return err
	}
	if err := shell.Prepare(); err != nil {
		return err
	}
	code, err := enter(ctx)
	switch {
	case ctx.Err() != nil:
		return exitError{interruptedCode, errors.New("interrupted; nothing is left behind")}
	case err != nil:
		return err
	case code != 0:
		return exitError{code: code}
	}
	return nil
}

// usageOf gives an error of the user the exit code for it.
func usageOf(err error) error {
	if usage := (netlab.UsageError{}); errors.As(err, &usage) {
		return exitError{usageCode, usage}
	}
	return err
}
