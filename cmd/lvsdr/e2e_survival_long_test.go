//go:build long

package main_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/control/api"
)

// What is open while directors are killed.
const (
	survivors    = 1000    // connections of HTTP, half of them from before the second director
	survivorsUDP = 100     // flows
	downloaded   = 1 << 30 // bytes of the download
	uploadedPart = 1 << 26 // bytes of a third of the upload
)

// A flow is a UDP socket of a client, and the server that it had answers from.
type flow struct {
	net.Conn
	server string
}

// ask sends and wants an answer of the same server as before.
func (f *flow) ask() error {
	if _, err := f.Write([]byte("who?")); err != nil {
		return err
	}
	_ = f.SetReadDeadline(time.Now().Add(patience))
	var b [64]byte
	n, err := f.Read(b[:])
	if err != nil {
		return err
	}
	if got := string(b[:n]); f.server != "" && got != f.server {
		return fmt.Errorf("answered by %s, before by %s", got, f.server)
	}
	f.server = string(b[:n])
	return nil
}

// A survival has the connections, flows and transfers of a client through a pair of directors.
type survival struct {
	*network
	conns    []*openConn
	flows    []*flow
	download *openConn
	read     int64 // of the download
	upload   *io.PipeWriter
	sum      []byte // of the upload's parts
	uploaded chan error
}

// open opens n more connections, and n/10 more flows, which three packets make known.
func (s *survival) open(t *testing.T, n int) {
	t.Helper()
	for range n {
		c := dialVIP(t, s.network)
		must(t, c.ask())
		s.conns = append(s.conns, c)
	}
	for range n * survivorsUDP / survivors {
		from := netip.AddrPortFrom(s.Clients[0].Addr, uint16(firstPort+len(s.flows)))
		c, err := s.Clients[0].DialFrom(t.Context(), "udp", from, vipPort(s.network))
		must(t, err)
		t.Cleanup(func() { _ = c.Close() })
		f := &flow{Conn: c}
		for range 3 {
			must(t, f.ask())
		}
		s.flows = append(s.flows, f)
	}
}

// transfer begins a download and an upload.
func (s *survival) transfer(t *testing.T) {
	t.Helper()
	s.download = dialVIP(t, s.network)
	_, err := fmt.Fprintf(s.download.Conn, "GET /?bytes=%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", downloaded)
	must(t, err)
	body, to := io.Pipe()
	s.upload, s.uploaded = to, make(chan error, 1)
	part := bytes.Repeat([]byte("0123456789abcdef"), uploadedPart/16)
	sum := sha256.Sum256(bytes.Repeat(part, 3))
	s.sum = part
	go func() { s.uploaded <- uploadHalves(t, s.network, body, sum) }()
	s.goOn(t, "the director that saw them begin")
}

// goOn moves a third of the transfers, and asks on all that is open.
func (s *survival) goOn(t *testing.T, through string) {
	t.Helper()
	broken := 0
	note := func(err error) {
		if err != nil {
			if broken++; broken < 4 {
				t.Errorf("through %s: %v", through, err)
			}
		}
	}
	for _, c := range s.conns {
		note(c.ask())
	}
	for _, f := range s.flows {
		note(f.ask())
	}
	n, err := io.CopyN(io.Discard, s.download.Reader, downloaded/3)
	s.read += n
	note(err)
	_, err = s.upload.Write(s.sum)
	note(err)
	if broken > 0 {
		t.Fatalf("%d of %d connections, flows and transfers are broken through %s", broken, len(s.conns)+len(s.flows)+2, through)
	}
}

// held is how many established connections and flows of UDP a director knows.
func held(t *testing.T, socket string) (conns, flows int) {
	t.Helper()
	c := api.NewClient(socket)
	defer c.Close()
	for one, err := range c.Conns(t.Context()) {
		must(t, err)
		switch {
		case one.State == "ESTABLISHED":
			conns++
		case one.Protocol == "udp":
			flows++
		}
	}
	return conns, flows
}

// Open connections, flows, a download of 1 GB and an upload go on through another director
// when the master is killed, through the first one again when it has come back and
// the other is killed: none is reset, none breaks, none gets another server.
func TestNothingBreaksWhenTheMasterIsKilledAndKilledAgain(t *testing.T) {
	lab := newHTTPLab(t, netlab.Spec{Servers: weighted(1, 1)})
	for _, rs := range lab.Servers {
		serveUDP(t, lab, rs, func([]byte) []byte { return []byte(rs.Name()) })
	}
	n, err := lab.AddDirector(t.Context(), "director2")
	must(t, err)
	config := "global_defs {\n lvs_sync_daemon eth0 web id 7\n lvsdr_sync_secret word\n}\n" + lab.Config(rotating()) + udpService(lab, "")
	high, low := virtualRouter(lab, 150, "0.25", " nopreempt")+config, virtualRouter(lab, 100, "0.25", " nopreempt")+config
	first := director(t, lab.Director, high)
	becomes(t, first, "MASTER")
	s := &survival{network: lab}
	s.open(t, survivors/2)
	second := s.joins(t, n, low)
	s.open(t, survivors/2)
	s.transfer(t)

	s.kill(t, first, second, "the second director")
	again := s.joins(t, lab.Director, high)
	s.kill(t, second, again, "the first one again")

	must(t, s.upload.Close())
	if err := <-s.uploaded; err != nil {
		t.Errorf("the upload: %v", err)
	}
	rest, err := io.Copy(io.Discard, s.download.Reader)
	if s.read += rest; err != nil || s.read < downloaded {
		t.Errorf("%d bytes of the download came: %v", s.read, err)
	}
	t.Logf("%d connections, %d flows, %d MB down and %d MB up went on twice", len(s.conns), len(s.flows), s.read>>20, 3*len(s.sum)>>20)
}

// joins starts a director and waits until it stands by with the table of the master.
func (s *survival) joins(t *testing.T, n *netlab.Node, config string) *netlab.Director {
	t.Helper()
	d := director(t, n, config)
	becomes(t, d, "BACKUP")
	await(t, "the director that joined to have the table", func() bool {
		j := syncOf(t, d.Socket).Join
		return j != nil && j.State == api.SyncDone
	})
	j := syncOf(t, d.Socket).Join
	t.Logf("joined with %d entries in %.2f s", j.Entries, j.Seconds)
	return d
}

// kill kills the master when the other director knows all, and goes on through that.
func (s *survival) kill(t *testing.T, master, other *netlab.Director, through string) {
	t.Helper()
	await(t, through+" to know all", func() bool {
		conns, flows := held(t, other.Socket)
		return conns >= len(s.conns)+2 && flows >= len(s.flows)
	})
	began := time.Now()
	must(t, master.Kill())
	gone := outage(t, s.network, began)
	becomes(t, other, "MASTER")
	reached(t, s.network, other)
	must(t, other.Await(context.WithoutCancel(t.Context()), func(st *api.Status) bool { return len(st.Problems) == 0 }))
	s.goOn(t, through)
	if st := status(t, other); st.Reasons["reset-no-connection"] != 0 {
		t.Errorf("%s reset %d connections", through, st.Reasons["reset-no-connection"])
	}
	t.Logf("killed; the VIP answers from %s after %v", through, gone.Round(time.Millisecond))
}
