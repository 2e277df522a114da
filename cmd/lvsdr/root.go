package main

import (
	"os"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
)

// newRoot makes the command tree: a file for each verb.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lvsdr",
		Short: "A packet director in user space: LVS Direct Routing without kernel modules",
		Long: `lvsdr directs the packets of virtual services to real servers, as Linux Virtual
Server does in Direct Routing mode, without the IPVS kernel modules.

  lvsdr lab                      see it work, on a topology of its own, in a few seconds
  lvsdr run -c keepalived.conf   run the director
  lvsdr status, reload           ask a running director
  lvsdr ipvsadm                  edit and list its services, in ipvsadm's words
  lvsdr explain, trace, top      look into it`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return exitError{usageCode, usageError{cmd, plainFlagError(err)}}
	})
	root.AddCommand(newRun(), newCheck(), newReload(), newPlan(), newDrain(), newCleanup(), newIPVSAdm(), newStatus(), newSync(), newExplain(), newWhySticky(), newTrace(), newTop(), newLab(), newDoctor(), newRealserver(), newSimulate(), newGenhash(), newImportMarks(), newBench(), newVersion())
	return root
}

// A usageError names the help to read.
type usageError struct {
	cmd *cobra.Command
	err error
}

// Error names the problem and what to do next.
func (e usageError) Error() string {
	return e.err.Error() + "\ntry `" + e.cmd.CommandPath() + " --help`"
}

// socketVariable names the control socket for a whole shell session.
const socketVariable = "LVSDR_SOCKET"

// socketFlag adds --socket.
func socketFlag(cmd *cobra.Command, socket *string) {
	cmd.Flags().StringVar(socket, "socket", defaultSocket(), "control socket of the director ($"+socketVariable+")")
}

// configVariable names the director's configuration for a whole shell session.
const configVariable = "LVSDR_CONFIG"

// configFlag adds -c, of what is a `FILE` of the director.
func configFlag(cmd *cobra.Command, config *string, usage string) {
	def := os.Getenv(configVariable)
	if def == "" {
		def = keepalivedConfig
	}
	cmd.Flags().StringVarP(config, "config", "c", def, usage+" ($"+configVariable+")")
}

// defaultSocket is the control socket where none is named.
func defaultSocket() string {
	if path := os.Getenv(socketVariable); path != "" {
		return path
	}
	return api.DefaultSocket
}
