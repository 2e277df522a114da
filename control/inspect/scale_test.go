package inspect

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"lvsdr/conntrack"
	"lvsdr/control/api"
	"lvsdr/control/check"
	"lvsdr/control/director"
	"lvsdr/control/hostnet"
	"lvsdr/control/keepalived"
	"lvsdr/control/metrics"
	"lvsdr/control/notify"
	"lvsdr/control/site"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
)

// large is an Inspector of a director with 3000 services of ten servers each, and
// a million entries' room.
func large(b *testing.B) *Inspector {
	b.Helper()
	var text strings.Builder
	for s := range 3000 {
		fmt.Fprintf(&text, "virtual_server 10.1.%d.%d 80 {\n lb_algo wrr\n lb_kind DR\n protocol TCP\n persistence_timeout 0\n", s/250, s%250+1)
		for i := range 10 {
			fmt.Fprintf(&text, " real_server 10.2.0.%d 80 {\n TCP_CHECK {\n }\n }\n", i+1)
		}
		text.WriteString("}\n")
	}
	cfg, _, err := keepalived.Load("test.conf", keepalived.Options{Files: keepalived.Files{
		Open: func(string) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text.String())), nil },
	}})
	if err != nil {
		b.Fatal(err)
	}
	link := hostnet.Link{Name: "eth0", Index: 2, MAC: frame.MAC{2, 2}, MTU: 1500, Up: true, Kind: "device"}
	state, _, err := site.New(site.Options{}).Apply(site.Loaded{Config: cfg, Host: &hostnet.Snapshot{Links: []hostnet.Link{link},
		Addrs:  []hostnet.Addr{{Link: 2, Prefix: netip.MustParsePrefix("10.0.0.10/8")}},
		Routes: []hostnet.Route{{To: netip.MustParsePrefix("10.0.0.0/8"), Link: 2, Source: ip("10.0.0.10")}}}})
	if err != nil {
		b.Fatal(err)
	}
	d, err := dataplane.New(dataplane.Config{Conns: conntrack.Config{Limit: 1 << 20}, Tunables: dataplane.DefaultTunables()})
	if err != nil {
		b.Fatal(err)
	}
	d.Edit(0, func(tx *dataplane.Tx) {
		for s := range state.Table().All() {
			err = tx.AddService(s.Config)
			for _, r := range slices.Backward(s.Servers) {
				err = tx.AddServer(s.Config.Key, r.Config)
			}
		}
		for i := range 10 {
			tx.SetNeighbour(frame.AddrFrom(ip(fmt.Sprintf("10.2.0.%d", i+1))), frame.MAC{2, 9}, dataplane.Link{Index: 2, MAC: link.MAC, MTU: 1500})
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	v := &View{State: state}
	return &Inspector{TakenOver: func() *api.TakenOver { return nil }, Engine: d, View: func() *View { return v }, Admin: director.New(d, now), Now: now, Wall: func(int64) time.Time { return time.Now() },
		NICs: ports{}, ARP: func() map[string]uint64 { return nil },
		Check:    func(string) (check.State, bool) { return check.State{}, true },
		Notified: func() notify.Stats { return notify.Stats{} }, Log: func(string, ...any) {}}
}

// now is the time since the tests began.
func now() int64 { return int64(time.Since(began)) }

var began = time.Now()

// How long a new connection takes while the director is asked for its status
// again and again: what it waits for shows in the last parts of a thousand. Other
// processes show there too; compare with the first.
func BenchmarkNewConnectionBeside(b *testing.B) {
	i := large(b)
	for _, c := range []struct {
		name string
		do   func()
	}{
		{"nothing", nil},
		{"status", func() { i.Status() }},
		{"statusAsJSON", func() { _ = json.NewEncoder(io.Discard).Encode(i.Status()) }},
		{"scrape", func() { scrape(b, i) }},
		{"tick", i.Admin.Tick},
	} {
		b.Run(c.name, func(b *testing.B) {
			stop, done := make(chan bool), make(chan int)
			go func() {
				n := 0
				for {
					select {
					case <-stop:
						done <- n
						return
					default:
					}
					if c.do == nil {
						time.Sleep(time.Millisecond)
						continue
					}
					c.do()
					n++
				}
			}()
			took := connect(b, i.Engine)
			close(stop)
			b.ReportMetric(float64(<-done), "asked")
			for name, at := range map[string]int{"p50-µs": 500, "p99-µs": 990, "p99.9-µs": 999} {
				b.ReportMetric(float64(took[len(took)*at/1000].Nanoseconds())/1000, name)
			}
			b.ReportMetric(float64(took[len(took)-1].Nanoseconds())/1000, "max-µs")
		})
	}
}

// scrape asks for the director's metrics as Prometheus does.
func scrape(b *testing.B, i *Inspector) {
	h := metrics.Handler(&metrics.Source{Status: i.Status, States: i.Engine.CountStates, Latencies: func() []check.Latency { return nil }})
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	if h.ServeHTTP(w, r); w.Code != 200 {
		b.Error(w.Code)
	}
}

// connect opens a connection after the other and returns how long each took, the
// shortest first.
func connect(b *testing.B, d *dataplane.Director) []time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	scratch, batch := d.NewScratch(0), dataplane.NewBatch()
	batch.In = 2
	var took []time.Duration
	for n := 0; b.Loop(); n++ {
		src := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 3, byte(n >> 8), byte(n)}), uint16(1024+n>>16))
		dst := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 1, byte(n % 3000 / 250), byte(n%250 + 1)}), 80)
		data := build.TCP{Src: src, Dst: dst, Flags: "S"}.Bytes()
		batch.Packets = append(batch.Packets[:0], dataplane.Packet{Data: data, Partial: true})
		start := time.Now()
		d.Process(scratch, batch, now())
		took = append(took, time.Since(start))
		if r := batch.Packets[0].Reason; r != dataplane.Scheduled && r != dataplane.Hit {
			b.Fatal(r)
		}
	}
	slices.Sort(took)
	return took
}
