//go:build long

package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// An iperfReport is the part of iperf3's JSON that a test needs.
type iperfReport struct {
	Error string `json:"error"`
	Start struct {
		MSS int64 `json:"tcp_mss_default"`
	} `json:"start"`
	End struct {
		Sent struct {
			Bytes       int64 `json:"bytes"`
			Retransmits int64 `json:"retransmits"`
		} `json:"sum_sent"`
		Received struct {
			Bytes         int64   `json:"bytes"`
			BitsPerSecond float64 `json:"bits_per_second"`
		} `json:"sum_received"`
	} `json:"end"`
}

// String is the report in a line.
func (r iperfReport) String() string {
	return fmt.Sprintf("%.2f Gbit/s, %d of about %d segments sent again",
		r.End.Received.BitsPerSecond/1e9, r.End.Sent.Retransmits, r.segments())
}

// segments is about how many segments were sent.
func (r iperfReport) segments() int64 { return r.End.Sent.Bytes / max(r.Start.MSS, 1) }

// mostBuffered is the most bytes that a TCP socket of the host buffers, by tcp_wmem
// or tcp_rmem of tcp(7).
func mostBuffered(t *testing.T, h *netns.Host, setting string) (n int64) {
	t.Helper()
	err := h.Do(func() error {
		b, err := os.ReadFile("/proc/sys/net/ipv4/" + setting)
		if err == nil {
			_, err = fmt.Sscan(string(b), new(int64), new(int64), &n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Bulk TCP at the default offloads is what breaks where checksums or segment
// sizes are lost on the way. iperf3 opens two connections which must meet at
// one server: the default persistence sees to that.
func TestIperf(t *testing.T) {
	t.Parallel()
	iperf := tool(t, "iperf3", "iperf3")
	lab := newLab(t, netlab.Spec{})
	for _, n := range lab.Servers {
		start(t, n.Host, iperf, "--server", "--bind", "0.0.0.0", "--port", fmt.Sprint(port))
	}
	for _, n := range lab.Servers {
		await(t, "iperf3 to listen on "+n.Name(), func() bool { return listening(t, n.Host, port) })
	}
	d := direct(t, lab, lab.Config(netlab.Service{Port: port}))
	run := func(addr fmt.Stringer, seconds int) iperfReport {
		out, err := lab.Clients[0].Command(t.Context(), iperf, "--client", addr.String(), "--port", fmt.Sprint(port),
			"--time", fmt.Sprint(seconds), "--json").Output()
		var r iperfReport
		if jsonErr := json.Unmarshal(out, &r); err != nil || jsonErr != nil || r.Error != "" {
			t.Fatalf("iperf3 to %s: %v, %v\n%s", addr, err, jsonErr, out)
		}
		return r
	}
	through := run(lab.Spec.VIP, 3)
	t.Logf("through the director: %v", through)
	t.Logf("to a real server:     %v", run(lab.Servers[0].Addr, 1))
	r := through.End
	// What is missing is still in the buffers of both sockets: iperf3 stops there.
	room := mostBuffered(t, lab.Clients[0].Host, "tcp_wmem") + mostBuffered(t, lab.Servers[0].Host, "tcp_rmem")
	if r.Received.Bytes == 0 || r.Received.Bytes < r.Sent.Bytes-room {
		t.Errorf("%d of %d bytes arrived, and buffers have room for %d", r.Received.Bytes, r.Sent.Bytes, room)
	}
	if s := r.Sent.Retransmits; s > max(through.segments()/100, 100) {
		t.Errorf("%d of about %d segments were sent again", s, through.segments())
	}
	if b := status(t, d).Services[0].Traffic.Bytes; b < uint64(r.Received.Bytes) {
		t.Errorf("%d bytes arrived and the director counts %d", r.Received.Bytes, b)
	}
}
