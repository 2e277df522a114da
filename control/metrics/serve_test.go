package metrics

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"lvsdr/control/api"
)

func TestAddressesThatCannotServe(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:9477": "", "[::1]:9477": "", "0.0.0.0:1": "", "[fe80::1%lo]:9477": "",
		"": "not an IP address with a port", "127.0.0.1": "not an IP address with a port", ":9477": "not an IP address with a port",
		"localhost:9477": "not an IP address with a port", "127.0.0.1:65536": "not an IP address with a port", "::1:9477": "not an IP address with a port",
		"127.0.0.1:0": "port 0",
	} {
		err := CheckAddr(addr)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", addr, err, want)
		}
	}
}

// ask asks h and returns the code and the body.
func ask(h http.Handler, method, path string) (int, string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

func TestOnlyMetricsAreAnswered(t *testing.T) {
	h := Handler(source(t, status()))
	for _, c := range []struct {
		name, method, path string
		code               int
		contains           string
	}{
		{"metrics are told", "GET", "/metrics", 200, "lvsdr_workers 2\n"},
		{"those of the program too", "GET", "/metrics", 200, "process_cpu_seconds_total"},
		{"pauses of the runtime too", "GET", "/metrics", 200, "go_sched_pauses_total_gc_seconds_bucket"},
		{"delays of goroutines too", "GET", "/metrics", 200, "go_sched_latencies_seconds_bucket"},
		{"nothing is written", "POST", "/metrics", 405, ""},
		{"nothing else is there", "GET", "/", 404, ""},
		{"above all no control", "GET", "/v1/status", 404, ""},
		{"nor profiles", "GET", "/debug/pprof/", 404, ""},
	} {
		code, body := ask(h, c.method, c.path)
		if code != c.code || !strings.Contains(body, c.contains) {
			t.Errorf("%s: %d, %.100s", c.name, code, body)
		}
	}
}

// What is served is valid as a whole: Prometheus' linter reads it.
func TestAllThatIsServedFollowsTheConventions(t *testing.T) {
	w := &whole{source(t, status()), own()}
	found, err := testutil.GatherAndLint(w)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		if strings.HasPrefix(p.Metric, "lvsdr_") {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	all, err := w.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(all); i++ {
		if all[i-1].GetName() >= all[i].GetName() {
			t.Errorf("%s comes before %s", all[i-1].GetName(), all[i].GetName())
		}
	}
}

// Two scrapes may run at once. A third is refused and costs nothing.
func TestManyScrapesAtOnceAreRefused(t *testing.T) {
	s := source(t, status())
	st := s.Status()
	inside, goOn := make(chan bool), make(chan bool)
	s.Status = func() *api.Status { inside <- true; <-goOn; return st }
	h := Handler(s)
	done := make(chan int, maxScrapes)
	for range maxScrapes {
		go func() {
			code, _ := ask(h, "GET", "/metrics")
			done <- code
		}()
		<-inside
	}
	if code, _ := ask(h, "GET", "/metrics"); code != http.StatusServiceUnavailable {
		t.Errorf("one too many: %d", code)
	}
	close(goOn)
	for range maxScrapes {
		if code := <-done; code != 200 {
			t.Errorf("one of %d: %d", maxScrapes, code)
		}
	}
}

func TestServeEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l, err := Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, source(t, status())) }()
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || !strings.Contains(string(body), "lvsdr_build_info{") {
		t.Errorf("%v: %.100s", err, body)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("it still listens")
	}
}

// A taken address is an error that names it.
func TestATakenAddressIsAnError(t *testing.T) {
	l, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Listen(t.Context(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), l.Addr().String()) {
		t.Error(err)
	}
}
