package metrics

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"golang.org/x/net/netutil"
)

// Limits of the server. The address may be one that others reach.
const (
	maxConns      = 16               // connections at once; others wait
	maxScrapes    = 2                // at once; others are refused (503)
	headerTimeout = 5 * time.Second  // from a connection's or a request's start to the end of its header
	idleTimeout   = 30 * time.Second // between two scrapes
	writeTimeout  = 30 * time.Second // of an answer
	maxHeader     = 16 << 10         // bytes
)

// CheckAddr says why metrics cannot be served at addr; nil: they can. It is an IP address
// and a port, as 127.0.0.1:9477.
func CheckAddr(addr string) error {
	at, err := netip.ParseAddrPort(addr)
	switch {
	case err != nil:
		return fmt.Errorf("%q is not an IP address with a port, such as 127.0.0.1:9477", addr)
	case at.Port() == 0:
		return fmt.Errorf("%q has port 0: no Prometheus would find it", addr)
	}
	return nil
}

// Listen opens addr.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return l, nil
}

// Serve answers GET /metrics on l until ctx ends, which is no error. It closes l.
func Serve(ctx context.Context, l net.Listener, s *Source) error {
	srv := &http.Server{Handler: Handler(s), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, WriteTimeout: writeTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: log.New(io.Discard, "", 0)} // a client's fault is its own affair
	stop := context.AfterFunc(ctx, func() { srv.Close() })
	defer stop()
	if err := srv.Serve(netutil.LimitListener(l, maxConns)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("metrics: %w", err)
	}
	return nil
}

// Handler answers GET /metrics.
func Handler(s *Source) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(&whole{s, own()}, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, EnableOpenMetrics: true}))
	return mux
}

// own gathers metrics of the process: its CPU time, memory and descriptors, and pauses and
// delays of the Go runtime, which hold up packet workers too.
func own() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)))
	return r
}

// A whole gathers the director's metrics and those of its process. A prometheus.Gatherers
// would compare each sample with all others, which costs more than all the rest.
type whole struct {
	source *Source
	own    prometheus.Gatherer
}

// Gather implements prometheus.Gatherer: "go_" comes before "lvsdr_", and that before
// "process_".
func (w *whole) Gather() ([]*dto.MetricFamily, error) {
	all, err := w.own.Gather()
	f := families{all: all}
	ours, ourErr := w.source.Gather()
	f.all = append(f.all, ours...)
	return f.sorted(), errors.Join(err, ourErr)
}
