package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lvsdr/bench/fault"
	"lvsdr/bench/netlab"
)

// breakFlags are the flags of lab break.
type breakFlags struct {
	spec       *labSpec
	list, hold bool
	pcap       string
}

func newLabBreak() *cobra.Command {
	var f breakFlags
	cmd := &cobra.Command{
		Use:   "break FAULT [-- COMMAND...]",
		Short: "Break the lab in one of ten usual ways and show what that looks like",
		Long: `break builds the lab, shows that it works, brings a fault about, and shows from
captured frames what it does. --list names the faults. It exits with 0 only if
the lab was well before and the symptom showed afterwards.

With --hold the broken lab stays, with a shell on the director that ends it (lab
shell HOST joins), or until a command after -- has ended, which is run there and
whose exit code is break's: a place to try how to find the fault.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.list {
				return listFaults(cmd.OutOrStdout())
			}
			flt, req, err := breakArgs(args, cmd.ArgsLenAtDash())
			if err == nil && len(req.Command) > 0 && !f.hold {
				err = errors.New("a command needs --hold")
			}
			if err != nil {
				return exitError{usageCode, usageError{cmd, err}}
			}
			ctx, stop := cmd.Context(), context.CancelFunc(func() {})
			if f.hold {
				ctx, stop = shellContext(ctx)
			}
			defer stop()
			return inWorld(ctx, func() error { return f.showFault(ctx, cmd.OutOrStdout(), flt, req) })
		},
	}
	f.spec = labFlags(cmd)
	pcapFlag(cmd, &f.pcap)
	cmd.Flags().BoolVar(&f.list, "list", false, "list the faults")
	cmd.Flags().BoolVar(&f.hold, "hold", false, "keep the broken lab, with a shell on the director")
	return cmd
}

// listFaults writes a line for each fault.
func listFaults(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range fault.All() {
		fmt.Fprintf(w, "%s\t%s\n", f.Name, f.Summary)
	}
	return w.Flush()
}

// breakArgs reads FAULT [-- COMMAND...].
func breakArgs(args []string, dash int) (fault.Fault, shellRequest, error) {
	req := shellRequest{Host: "director"}
	if dash >= 0 {
		req.Command = args[dash:]
		args = args[:dash]
	}
	if len(args) != 1 {
		return fault.Fault{}, req, errors.New("one fault is needed; --list names them")
	}
	f, err := fault.Find(args[0])
	return f, req, err
}

// A faultShow is a lab that is broken while one looks on.
type faultShow struct {
	*labSite
	report
	scene *fault.Scene
	pcap  string // folder, may be empty
}

func (f *breakFlags) showFault(ctx context.Context, out io.Writer, flt fault.Fault, req shellRequest) (err error) {
	if err := f.spec.complete(); err != nil {
		return err
	}
	if err := flt.Fits(f.spec.spec()); err != nil {
		return exitError{usageCode, err}
	}
	site, err := openSite(ctx, f.spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.close(ctx)) }()
	s := &faultShow{labSite: site, report: report{out: out}, pcap: f.pcap, scene: &fault.Scene{
		Lab: site.Lab, Director: site.director, Config: site.config, Port: labPort, Binary: site.self}}
	defer func() { err = errors.Join(err, s.scene.Close()) }()
	if err := s.show(ctx, flt); err != nil || !f.hold {
		return err
	}
	fmt.Fprintln(out)
	return site.hold(ctx, req)
}

// show looks at the lab, breaks it, and looks again.
func (s *faultShow) show(ctx context.Context, flt fault.Fault) error {
	s.title(flt.Name + ": " + flt.Summary)
	watch, err := fault.Observe(ctx, s.scene)
	if err != nil {
		return err
	}
	defer func() { _ = watch.Close() }() // nothing was written
	before, err := watch.Look(ctx, fault.Long)
	if err != nil {
		return err
	}
	early := flt.Shows(before)
	s.expect(before.Serves(), "the lab does not work even without the fault")
	s.expect(!early.Shown, "the symptom shows without the fault: %s", early.Text)
	fmt.Fprintf(s.out, "Before: %s\n", requests(before))
	if err := s.keep("before", before, early); err != nil {
		return err
	}
	err = flt.Break(ctx, s.scene)
	s.director = s.scene.Director // it may have none any more
	if err != nil {
		return fmt.Errorf("break the lab: %w", err)
	}
	after, err := watch.Look(ctx, fault.Short)
	if err != nil {
		return err
	}
	found := flt.Shows(after)
	s.expect(found.Shown, "the symptom does not show: %s", found.Text)
	fmt.Fprintf(s.out, "After:  %s\n", requests(after))
	if err := s.keep("after", after, found); err != nil {
		return err
	}
	s.title("What the frames say")
	if err := s.prove(found); err != nil {
		return err
	}
	s.title("What it is")
	fmt.Fprintln(s.out, flt.Explain)
	return s.verdict("The symptom shows: " + found.Text + ".")
}

// requests is how the requests of a look fared, in one line.
func requests(e *fault.Evidence) string {
	served := maps.Clone(e.Small.ByServer)
	for name, n := range e.Large.ByServer {
		served[name] += n
	}
	var by []string
	for _, name := range slices.Sorted(maps.Keys(served)) {
		by = append(by, fmt.Sprintf("%s %d", name, served[name]))
	}
	text := fmt.Sprintf("%d of %d requests were answered", e.Made()-e.Failed(), e.Made())
	if len(by) > 0 {
		text += " (" + strings.Join(by, ", ") + ")"
	}
	if e.Kept != nil {
		text += "; a connection that was open broke"
	}
	return text + "."
}

// maxShown is how many packets of a finding are shown.
const maxShown = 8

// prove shows the packets of a finding.
func (s *faultShow) prove(found fault.Finding) error {
	shown := found.Packets[:min(len(found.Packets), maxShown)]
	err := printPackets(s.out, s.columns("seen", "from", "to", "src ip", "dst ip", "ports", "bytes", "what"), shown)
	if more := len(found.Packets) - len(shown); more > 0 {
		fmt.Fprintf(s.out, "and %d more of the kind\n", more)
	}
	return err
}

// keep keeps the captures of a look in a folder of that name, if they are to be
// kept; the packets of the finding are marked.
func (s *faultShow) keep(name string, e *fault.Evidence, found fault.Finding) error {
	if s.pcap == "" {
		return nil
	}
	proof := map[*byte]bool{} // the captured bytes are shared, so their place names them
	for _, p := range found.Packets {
		proof[&p.Data[0]] = true
	}
	return e.Captures.Keep(filepath.Join(s.pcap, name), func(f netlab.Frame) string {
		text := s.comment(f)
		if found.Shown && proof[&f.Data[0]] {
			text = "symptom: " + text
		}
		return text
	})
}
