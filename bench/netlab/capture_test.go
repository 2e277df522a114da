package netlab

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/google/gopacket/pcapgo"

	"lvsdr/dataplane/tap"
)

// A capture belongs to its host: it ends with it, has its name, and cannot be
// had any more.
func TestCaptureEndsWithItsHost(t *testing.T) {
	h := newHost(t, "h")
	c, err := StartCapture(h, "lo", CaptureConfig{})
	if err != nil {
		t.Fatal(err)
	}
	stopped, err := StartCapture(h, "lo", CaptureConfig{})
	if err != nil || stopped.Stop() != nil {
		t.Fatal(err)
	}
	if c.Host() != "h" || c.Ifname() != "lo" {
		t.Errorf("capture on %s of %s", c.Ifname(), c.Host())
	}
	if _, err := StartCapture(h, "eth7", CaptureConfig{}); err == nil {
		t.Error("captures on an interface that is not there")
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := StartCapture(h, "lo", CaptureConfig{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("capture on a closed host: %v, want os.ErrClosed", err)
	}
	var file bytes.Buffer
	if err := c.WritePcapng(&file); err != nil {
		t.Fatal(err)
	}
	if _, err := pcapgo.NewNgReader(&file, pcapgo.DefaultNgReaderOptions); err != nil {
		t.Error(err)
	}
}

// The headers of a captured frame are read with it.
func TestPacketOf(t *testing.T) {
	p := PacketOf(tap.Frame{Ifname: "eth0"})
	if p.Ifname != "eth0" || p.From() != p.To() || p.TCP(0) {
		t.Errorf("%+v", p)
	}
}
