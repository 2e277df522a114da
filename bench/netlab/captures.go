package netlab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"lvsdr/dataplane/tap"
)

// Captures are captures on several interfaces, as CaptureAll makes them.
type Captures []*Capture

// CaptureAll starts a capture on every interface of every host of the lab but
// the switches; lo and the end of a tunnel are none of them. Each is shaped by c.
func (l *Lab) CaptureAll(c CaptureConfig) (Captures, error) {
	var all Captures
	for _, n := range l.Nodes() {
		links, err := n.Netlink().LinkList()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("list interfaces of %s: %w", n.Name(), err), all.Stop())
		}
		for _, link := range links {
			if name := link.Attrs().Name; link.Type() != "veth" || name == TunnelIfname || name == feedIfname {
				continue
			}
			one, err := n.Capture(link.Attrs().Name, c)
			if err != nil {
				return nil, errors.Join(err, all.Stop())
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// Frames are the frames so far of all, in the order of time.
func (c Captures) Frames() []Frame {
	var all []Frame
	for _, one := range c {
		all = append(all, one.Frames()...)
	}
	slices.SortStableFunc(all, func(a, b Frame) int { return a.Time.Compare(b.Time) })
	return all
}

// Lost is the sum of all.
func (c Captures) Lost() uint64 {
	var n uint64
	for _, one := range c {
		n += one.Lost()
	}
	return n
}

// Stop stops all.
func (c Captures) Stop() error {
	var errs []error
	for _, one := range c {
		errs = append(errs, one.Stop())
	}
	return errors.Join(errs...)
}

// Keep writes a file HOST-IFNAME.pcapng for each capture into the folder dir,
// which is made if it is missing, and all.pcapng with the frames of all of
// them. The option comment may be nil; it says something about a frame, or
// nothing.
func (c Captures) Keep(dir string, comment func(Frame) string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keep captures: %w", err)
	}
	for _, one := range c {
		name := one.Host() + "-" + one.Ifname() + ".pcapng"
		if err := keep(filepath.Join(dir, name), comment, one.Frames()); err != nil {
			return err
		}
	}
	return keep(filepath.Join(dir, "all.pcapng"), comment, c.Frames())
}

// keep writes a file of frames.
func keep(path string, comment func(Frame) string, frames []Frame) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("keep captures: %w", err)
	}
	if err := errors.Join(tap.WritePcapng(f, comment, frames), f.Close()); err != nil {
		return fmt.Errorf("keep captures in %s: %w", path, err)
	}
	return nil
}
