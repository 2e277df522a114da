package lesson

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"lvsdr/bench/fault"
	"lvsdr/bench/netlab"
)

// A faultShow is a lab that is broken while it is watched.
type faultShow struct {
	*netlab.Site
	report
	scene *fault.Scene
	pcap  string // folder, may be empty
}

// Break builds a lab, shows that it works, brings a fault about, and shows from
// captured frames what it does. Then it calls hold, if that is not nil, with the
// broken lab. It must be called in a world. A fault that does not fit the shape
// of the lab is a netlab.UsageError.
func Break(ctx context.Context, o Options, f fault.Fault, hold func(*netlab.Site) error) (err error) {
	if err := o.Topology.Complete(); err != nil {
		return err
	}
	if o.Topology.Directors > 1 {
		return netlab.UsageError{Err: errors.New("--directors 2: the faults are shown with one director")}
	}
	if err := f.Fits(o.Topology.Spec()); err != nil {
		return netlab.UsageError{Err: err}
	}
	site, err := netlab.OpenSite(ctx, o.Binary, o.Topology)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, site.Close(ctx)) }()
	s := &faultShow{Site: site, report: report{out: o.Out, width: o.Width}, pcap: o.Pcap, scene: &fault.Scene{
		Lab: site.Lab, Director: site.Running, Config: site.Text, Port: netlab.ServicePort, Binary: site.Binary}}
	defer func() { err = errors.Join(err, s.scene.Close()) }()
	if err := s.show(ctx, f); err != nil || hold == nil {
		return err
	}
	fmt.Fprintln(o.Out)
	return hold(site)
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
	s.Running = s.scene.Director // it may have none any more
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
	err := s.WritePackets(s.out, s.width, shown, "seen", "from", "to", "src ip", "dst ip", "ports", "bytes", "what")
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
		text := s.Comment(f)
		if found.Shown && proof[&f.Data[0]] {
			text = "symptom: " + text
		}
		return text
	})
}
