package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"lvsdr/control/api"
	"lvsdr/dataplane/tap"
)

// traceFlags are the flags of trace.
type traceFlags struct {
	socket, sample, pcap string
	count, snapLen       int
	asJSON               bool
}

func newTrace() *cobra.Command {
	var f traceFlags
	cmd := &cobra.Command{
		Use:   "trace [FILTER]",
		Short: "Watch the director's decisions, frame by frame",
		Long: `trace shows what a running director decides, as it happens: time, interface,
client and virtual address, verdict, reason, real server, TCP flags, length.

The filter uses words like tcpdump's:

  host ADDR  src ADDR  dst ADDR  server ADDR    ADDR may be a network, 10.0.0.0/8
  port N     proto tcp|udp|sctp|icmp|icmp6|arp
  verdict forward|drop|answer|arp               reason NAME, as in lvsdr status

joined by and, or, not and parentheses (quote those for the shell):

  lvsdr trace host 192.168.1.50 and not reason hit
  lvsdr trace 'verdict drop or reason reset-no-service' --count 20

Frames that are not shown because too many came at once are counted in a line
of their own. There is one trace at a time.`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, strings.Join(args, " ")) },
	}
	fl := cmd.Flags()
	fl.IntVarP(&f.count, "count", "n", 0, "end after `N` frames (default: with Ctrl-C)")
	fl.StringVar(&f.sample, "sample", "1/1", "show one of `1/N` frames that match")
	fl.StringVar(&f.pcap, "pcap", "", "write the frames to `FILE` as pcapng, the decision as their comments; - is standard output")
	fl.IntVar(&f.snapLen, "snaplen", 0, "`BYTES` of each frame in the file (default 96), or with --json; -1: all")
	fl.BoolVar(&f.asJSON, "json", false, "print a line of JSON for each frame")
	socketFlag(cmd, &f.socket)
	return cmd
}

// question returns the request for the director.
func (f *traceFlags) question(filter string) (api.TraceQuestion, error) {
	q := api.TraceQuestion{Filter: filter, SnapLen: f.snapLen}
	n, err := strconv.Atoi(strings.TrimPrefix(f.sample, "1/"))
	if err != nil || n < 1 {
		return q, fmt.Errorf("--sample %q: want 1/N, such as 1/100", f.sample)
	}
	q.Sample = n
	switch {
	case f.snapLen < 0:
		q.SnapLen = api.MaxSnapLen
	case f.snapLen > api.MaxSnapLen:
		return q, fmt.Errorf("--snaplen %d: want -1, or up to %d bytes", f.snapLen, api.MaxSnapLen)
	case f.snapLen == 0 && f.pcap != "":
		q.SnapLen = 96
	}
	if f.count < 0 {
		return q, fmt.Errorf("--count %d: want 0 or more", f.count)
	}
	return q, nil
}

func (f *traceFlags) run(cmd *cobra.Command, filter string) error {
	q, err := f.question(filter)
	if err != nil {
		return exitError{usageCode, usageError{cmd, err}}
	}
	show, finish, err := f.output(cmd.OutOrStdout())
	if err != nil {
		return err
	}
	c := api.NewClient(f.socket)
	defer c.Close()
	began := false
	n, err := c.Follow(cmd.Context(), q, f.count, func() {
		began = true
		fmt.Fprintln(cmd.ErrOrStderr(), "tracing; Ctrl-C ends it")
	}, show)
	err = errors.Join(err, finish())
	if began {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d frames, %d not shown\n", n.Shown, n.NotShown)
	}
	return err
}

// output is where lines go, and how it is ended.
func (f *traceFlags) output(out io.Writer) (show func(*api.TraceLine) error, finish func() error, err error) {
	nothing := func() error { return nil }
	text := func(l *api.TraceLine) error { return l.WriteText(out) }
	if f.asJSON {
		enc := json.NewEncoder(out)
		text = func(l *api.TraceLine) error { return enc.Encode(l) }
	}
	switch f.pcap {
	case "":
		return text, nothing, nil
	case "-":
		show, err := pcapOutput(out)
		return show, nothing, err
	}
	file, err := os.Create(f.pcap)
	if err != nil {
		return nil, nil, err
	}
	pcap, err := pcapOutput(file)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return func(l *api.TraceLine) error { return errors.Join(pcap(l), text(l)) }, file.Close, nil
}

// pcapOutput writes lines to a capture file.
func pcapOutput(w io.Writer) (func(*api.TraceLine) error, error) {
	p, err := tap.NewWriter(w)
	return func(l *api.TraceLine) error {
		if l.NotShown > 0 {
			return nil
		}
		return p.Write(tap.Frame{Time: l.Time, Ifname: l.In, Data: l.Data, Length: l.Length}, l.Decision())
	}, err
}
