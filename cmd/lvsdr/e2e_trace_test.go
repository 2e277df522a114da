package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket/pcapgo"
	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// A tracer is a trace that runs beside the test.
type tracer struct {
	cmd *exec.Cmd
	out netlab.Output
	err *bufio.Reader
}

// traced starts a trace and returns when it is at work.
func traced(t *testing.T, d *netlab.Director, args ...string) *tracer {
	t.Helper()
	tr := &tracer{cmd: exec.CommandContext(context.WithoutCancel(t.Context()), binary(), append([]string{"trace", "--socket", d.Socket}, args...)...)}
	tr.cmd.Stdout = &tr.out
	pipe, err := tr.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	tr.err = bufio.NewReader(pipe)
	t.Cleanup(func() { _ = tr.cmd.Process.Kill() }) // it may have ended
	if line, err := tr.err.ReadString('\n'); !strings.HasPrefix(line, "tracing") {
		t.Fatalf("the trace says %q, %v", line, err)
	}
	return tr
}

// end waits for the trace's end, on a signal if stop, and returns its last words.
func (tr *tracer) end(t *testing.T, stop bool) string {
	t.Helper()
	if stop {
		if err := tr.cmd.Process.Signal(unix.SIGINT); err != nil {
			t.Fatal(err)
		}
	}
	last, _ := tr.err.ReadString('\n')
	if err := tr.cmd.Wait(); err != nil {
		t.Fatalf("the trace ended with %v: %s", err, last)
	}
	return last
}

func TestTraceShowsTheFramesOfARequest(t *testing.T) {
	t.Parallel()
	lab := newHTTPLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(rotating()))
	pcap := filepath.Join(t.TempDir(), "trace.pcapng")
	tr := traced(t, d, "--json", "--pcap", pcap, "--snaplen", "-1", "--count", "5", "host", lab.Clients[0].Addr.String(), "and", "port", "8080")
	if r := verb(t, "trace", "--socket", d.Socket); r.code != 1 || !strings.Contains(r.stderr, "another trace is running") {
		t.Errorf("a second trace: exit code %d, %q", r.code, r.stderr)
	}
	tally := get(t, lab, 1)
	get(t, lab, 1) // in case the first one took less frames
	if last := tr.end(t, false); last != "5 frames, 0 not shown\n" {
		t.Errorf("it ended with %q", last)
	}
	var lines []api.TraceLine
	for dec := json.NewDecoder(strings.NewReader(tr.out.String())); dec.More(); {
		var l api.TraceLine
		if err := dec.Decode(&l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	if len(lines) != 5 {
		t.Fatalf("%d lines", len(lines))
	}
	server := lab.Servers[0]
	for _, s := range lab.Servers {
		if tally.ByServer[s.Name()] > 0 {
			server = s
		}
	}
	for i, reason := range []string{"scheduled", "hit", "hit"} {
		l := lines[i]
		if l.Reason != reason || l.Verdict != "forward" || l.Server != server.Addr.String() || l.In != "eth0" || l.Out != "eth0" || l.Protocol != "tcp" ||
			l.Src != lab.Clients[0].Addr.String() || l.Dst != lab.Spec.VIP.String() || l.DstPort != port || l.Length != len(l.Data) ||
			!bytes.Equal(l.Data[:6], server.MAC) || time.Since(l.Time) > 5*time.Minute {
			t.Errorf("frame %d: %+v, the request went to %s", i, l, server.Addr)
		}
	}
	if lines[0].Flags != "S" || lines[1].Flags != "." {
		t.Errorf("flags %q and %q", lines[0].Flags, lines[1].Flags)
	}
	b, err := os.ReadFile(pcap)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte("forward (scheduled) to "+server.Addr.String())) {
		t.Error("the capture file has no decision")
	}
	ng, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range lines {
		data, ci, err := ng.ReadPacketData()
		if err != nil || !bytes.Equal(data, l.Data) || !ci.Timestamp.Equal(l.Time) {
			t.Errorf("packet %d of the file: %v, %+v", i, err, ci)
		}
	}
	await(t, "the place to be free", func() bool {
		c := api.NewClient(d.Socket)
		defer c.Close()
		r, err := c.Trace(t.Context(), api.TraceQuestion{})
		if err == nil {
			return r.Close() == nil
		}
		if !errors.Is(err, api.ErrBusy) {
			t.Fatal(err)
		}
		return false
	})
	if r := verb(t, "trace", "hsot", "1.1.1.1", "--socket", d.Socket); r.code != 1 || !strings.Contains(r.stderr, `"hsot" is none of its words`) {
		t.Errorf("a bad filter: exit code %d, %q", r.code, r.stderr)
	}
}

func TestTraceShowsWhatIsRefused(t *testing.T) {
	t.Parallel()
	lab := newLab(t, netlab.Spec{})
	d := direct(t, lab, lab.Config(rotating()))
	tr := traced(t, d, "-n", "1", "reason reset-no-service or reason not-ours")
	c, err := lab.Clients[0].DialFrom(t.Context(), "tcp", netip.AddrPortFrom(lab.Clients[0].Addr, 5555), netip.AddrPortFrom(lab.Spec.VIP, 81).String())
	if err == nil {
		c.Close()
		t.Error("nobody serves port 81, and yet it is open")
	}
	if last := tr.end(t, false); last != "1 frames, 0 not shown\n" {
		t.Errorf("it ended with %q", last)
	}
	want := regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{6} eth0 tcp 192\.168\.1\.50:5555 > 192\.168\.1\.100:81 \[S\], 7\d bytes: answer \(reset-no-service\)\n$`)
	if !want.MatchString(tr.out.String()) {
		t.Errorf("it says %q", tr.out.String())
	}
}
