package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/doctor/checks"
	"lvsdr/control/doctor/facts"
	"lvsdr/control/doctor/findings"
	"lvsdr/control/doctor/wire"
	"lvsdr/control/keepalived"
)

// DirectorOptions say how a director's host is examined.
type DirectorOptions struct {
	// File is the configuration, read with Reading.
	File    string
	Reading keepalived.Options
	// Interface is where the VIPs are received; empty: as the running director
	// says, or where their network is.
	Interface string
	// Socket is the running director's.
	Socket string
	// Passive: nothing is sent.
	Passive bool
	// Timeout is how long an answer is waited for; 0 means 1 s. Traffic is
	// listened to for three times as long at least.
	Timeout time.Duration
	// Progress, if not nil, is told after each check.
	Progress checks.Progress
}

// listenTimes is how many times Timeout traffic is listened to: enough for a
// client's second SYN, which comes after 1 s (RFC 6298).
const listenTimes = 3

// Director examines the host of a director. It needs CAP_NET_RAW, without which
// the error wraps os.ErrPermission; an error means that there is no report.
func Director(ctx context.Context, o DirectorOptions) (*findings.Report, error) {
	cfg, diags, err := keepalived.Load(o.File, o.Reading)
	if err != nil {
		return nil, err
	}
	wait := o.Timeout
	if wait == 0 {
		wait = time.Second
	}
	d := &checks.Director{Config: cfg, Diags: diags, File: o.File, Interface: o.Interface}
	if d.Interface == "" {
		d.Interface = cfg.Global.DefaultInterface
	}
	// Asked before anything is sent: the answers to our questions tell a running
	// director things that clients went without.
	running := api.NewClient(o.Socket)
	defer running.Close()
	if d.Status, err = running.Status(ctx); err != nil {
		d.Status = nil
	}
	if d.Host, err = facts.Read(append(d.VIPs(), d.RealServers()...)); err != nil {
		return nil, err
	}
	leaveOut(d.Host, d.Status)
	prober, err := wire.Open(d.Links(), d.VIPs(), d.RealServers(), wait)
	if err != nil {
		return nil, fmt.Errorf("%w (needs CAP_NET_RAW: run as root, or with the ambient capabilities of docs/operations.md)", err)
	}
	r, err := d.Examine(ctx, checks.Asking{Network: prober, Passive: o.Passive, Listen: listenTimes * wait}, o.Progress)
	return r, errors.Join(err, prober.Close())
}

// leaveOut takes the packet sockets of the running director from those of others.
func leaveOut(h *facts.Host, st *api.Status) {
	h.Taps = slices.DeleteFunc(h.Taps, func(t facts.Tap) bool { return st != nil && t.PID == st.PID })
}
