package netlab

import (
	"errors"
	"io"

	"lvsdr/bench/netns"
	"lvsdr/dataplane/tap"
)

// A Frame is one captured frame, as package tap has it.
type Frame = tap.Frame

// CaptureConfig shapes a Capture, as package tap has it.
type CaptureConfig = tap.Config

// A Capture collects the frames of one interface until Stop or until the
// host's Close.
type Capture struct {
	*tap.Capture
	forget func()
}

// Capture is StartCapture on the node.
func (n *Node) Capture(ifname string, c CaptureConfig) (*Capture, error) {
	return StartCapture(n.Host, ifname, c)
}

// StartCapture starts to collect frames of an interface of the host, both
// directions. Nothing sent after it returns is missed.
func StartCapture(h *netns.Host, ifname string, c CaptureConfig) (*Capture, error) {
	p := &Capture{}
	err := h.Do(func() (err error) {
		p.Capture, err = tap.Start(h.Name(), ifname, c)
		return err
	})
	if err != nil {
		return nil, err
	}
	if p.forget, err = h.Keep(p.Capture.Stop); err != nil {
		return nil, errors.Join(err, p.Capture.Stop())
	}
	return p, nil
}

// Stop is tap.Capture's; the host does not stop it any more.
func (p *Capture) Stop() error {
	p.forget()
	return p.Capture.Stop()
}

// WritePcapng writes the frames so far to w as a pcapng file.
func (p *Capture) WritePcapng(w io.Writer) error { return tap.WritePcapng(w, nil, p.Frames()) }
