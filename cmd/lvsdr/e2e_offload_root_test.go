//go:build root

package main_test

import (
	"context"
	"io"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
	"lvsdr/control/api"
	"lvsdr/dataplane/frame"
)

// hooked is how many programs look at what comes in by the lab's interface on a host.
func hooked(t *testing.T, h *netns.Host) (n int) {
	t.Helper()
	index, err := h.Netlink().LinkByName(netlab.Ifname)
	if err != nil {
		t.Fatal(err)
	}
	err = h.Do(func() error {
		r, err := link.QueryPrograms(link.QueryOptions{Target: index.Attrs().Index, Attach: ebpf.AttachTCXIngress})
		if err == nil {
			n = len(r.Programs)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// offloaded is how many frames the kernel has forwarded.
func offloaded(st *api.Status) uint64 { return st.Reasons["offloaded"] }

// The kernel forwards the frames of a connection with many requests, nobody else on the host
// answers or forwards what it leaves to the director, all of them are counted, and a stop
// leaves nothing.
func TestTheKernelForwardsEstablishedFlows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		spec netlab.Spec
		vip  bool // on the director's lo, as scripts for IPVS put it
		kind string
	}{{"IPv4", netlab.Spec{}, false, "tc"}, {"IPv6", netlab.Spec{Net: net6}, false, "tc"}, {"the VIP on lo", netlab.Spec{}, true, "tc"}, {"to the peer", netlab.Spec{}, false, "tc,peer"}, {"IPv6 to the peer", netlab.Spec{Net: net6}, false, "tc,peer"}} {
		t.Run(c.name, func(t *testing.T) { t.Parallel(); testOffload(t, c.spec, c.vip, c.kind) })
	}
}

func testOffload(t *testing.T, spec netlab.Spec, local bool, kind string) {
	lab := newHTTPLab(t, spec)
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if err := lab.Director.Sysctl(key, "1"); err != nil {
			t.Fatal(err)
		}
	}
	if local {
		if err := lab.Director.AddAddr("lo", netip.PrefixFrom(lab.Spec.VIP, lab.Spec.VIP.BitLen())); err != nil {
			t.Fatal(err)
		}
	}
	d := direct(t, lab, lab.Config(rotating()), "--offload", kind)
	if n := hooked(t, lab.Director.Host); n != 1 {
		t.Errorf("%d programs at the director's interface, want 1", n)
	}
	atClient, atDirector := capture(t, lab.Clients[0]), capture(t, lab.Director)
	ask := func(client *http.Client, n int) {
		t.Helper()
		for range n {
			r, err := client.Get(url(lab))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Fatal(err)
			}
			r.Body.Close()
		}
	}
	kept := lab.client(t, lab.Clients[0].Addr, false)
	ask(kept, 200)
	ask(lab.client(t, lab.Clients[0].Addr, true), 20)
	await(t, "the kernel to forward frames", func() bool { return offloaded(status(t, d)) > 100 })
	st := status(t, d)
	if sum, all := st.Reasons["hit"]+st.Reasons["scheduled"]+offloaded(st), st.Services[0].Traffic.Packets; sum != all {
		t.Errorf("%d frames were forwarded, %d packets are counted for the service", sum, all)
	}
	if o := st.Offload; o == nil || o.Hooks[netlab.Ifname] != "tcx" || o.Begun == 0 || o.Full+o.Refused > 0 || o.Packets < offloaded(st) {
		t.Errorf("%d frames were forwarded by the kernel, and the status says %+v", offloaded(st), o)
	}
	if why, asked := st.Offload.Exits[netlab.Ifname]; asked != (kind == "tc,peer") || why != "" {
		t.Errorf("%s: frames go to the peers of %v", kind, st.Offload.Exits)
	}
	// A capture sees what leaves by the interface, and not what goes to its peer.
	left := uint64(0)
	for _, s := range sightings(t, atDirector) {
		if s.Outgoing && s.Proto == frame.ProtoTCP {
			left++
		}
	}
	if ours := st.Reasons["hit"] + st.Reasons["scheduled"]; (left > ours) == (kind == "tc,peer") {
		t.Errorf("%s: %d frames left by the interface, %d of the director and %d of the kernel", kind, left, ours, offloaded(st))
	}
	for _, s := range sightings(t, atClient) {
		if !s.Outgoing && s.Proto == frame.ProtoTCP && s.Flags&frame.RST != 0 || !s.Outgoing && s.Proto == frame.ProtoICMP {
			t.Errorf("the client was told: %v", s)
		}
	}
	// A trace shows every frame.
	trace := lab.Director.Command(t.Context(), binary(), "trace", "--socket", d.Socket, "--count", "50")
	traced := make(chan error, 1)
	var out strings.Builder
	trace.Stdout = &out
	go func() { traced <- trace.Run() }()
	for done := false; !done; {
		select {
		case err := <-traced:
			if err != nil {
				t.Fatal(err)
			}
			done = true
		default:
			ask(kept, 5)
		}
	}
	if strings.Count(out.String(), "hit") < 20 {
		t.Errorf("the trace shows too little:\n%s", out.String())
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := hooked(t, lab.Director.Host); n != 0 {
		t.Errorf("%d programs are left at the director's interface", n)
	}
}

// A killed director leaves no program; the connections that it had go on with the next one,
// whose table is the old one's.
func TestAKilledDirectorLeavesNoProgram(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	d, err := lab.StartDirector(context.WithoutCancel(t.Context()), binary(), lab.Config(rotating()), netlab.SmallTable, "--offload", "tc")
	if err != nil {
		t.Fatal(err)
	}
	get(t, lab, 3)
	if err := d.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "the program to be gone", func() bool { return hooked(t, lab.Director.Host) == 0 })
	direct(t, lab, lab.Config(rotating()), "--offload", "tc")
	get(t, lab, 3)
}

// Without the privilege the director forwards everything, and says what is missing.
func TestOffloadSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	setpriv := tool(t, "setpriv", "util-linux")
	lab := newHTTPLab(t, netlab.Spec{})
	script := t.TempDir() + "/lvsdr"
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec "+setpriv+" --bounding-set -all,+net_raw,+net_admin -- "+binary()+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	d, err := lab.StartDirector(context.WithoutCancel(t.Context()), script, lab.Config(rotating()), netlab.SmallTable, "--offload", "tc")
	if err != nil {
		t.Fatal(err)
	}
	get(t, lab, 3)
	if st := status(t, d); !strings.Contains(strings.Join(st.Problems, "\n"), "CAP_BPF") {
		t.Errorf("the problems are %q, and none says what is missing", st.Problems)
	}
	if st := status(t, d); st.Offload == nil || !strings.Contains(st.Offload.Problem, "CAP_BPF") {
		t.Errorf("the status of offload is %+v, and does not say what is missing", st.Offload)
	}
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
}
