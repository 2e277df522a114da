package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Handler answers requests out of b.
func Handler(b Backend) http.Handler { return handler(b, maxConns/streamShare) }

// streamShare is the part of all connections that may read events: the others can
// still ask.
const streamShare = 2

// handler is Handler for so many readers of events at a time.
func handler(b Backend, readers int) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range routes(b, readers) {
		if h == nil {
			h = func(w http.ResponseWriter, r *http.Request) { answer(w, nil, Unsupported(r.URL.Path)) }
		}
		mux.HandleFunc(pattern, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			w = &unroutedWriter{w}
		}
		mux.ServeHTTP(w, r)
	})
}

// An unroutedWriter replaces the mux's own answer to a request that has no handler,
// which is text, by a Refusal. The headers stay: Allow is among them.
type unroutedWriter struct{ http.ResponseWriter }

// WriteHeader keeps the mux's status.
func (u *unroutedWriter) WriteHeader(code int) {
	refusal := ErrNoPath
	if code == http.StatusMethodNotAllowed {
		refusal = ErrNoMethod
	}
	u.Header().Set("Content-Type", jsonType)
	u.ResponseWriter.WriteHeader(code)
	_ = json.NewEncoder(u.ResponseWriter).Encode(refusal) // it fails when the client has gone
}

// Write drops the text.
func (u *unroutedWriter) Write(b []byte) (int, error) { return len(b), nil }

// routes are all requests; nil where b lacks the part that answers them.
func routes(b Backend, readers int) map[string]http.HandlerFunc {
	all := map[string]http.HandlerFunc{
		"GET /v1/status": nil, "GET /v1/explain": nil, "GET /v1/sticky": nil, "GET /v1/trace": nil, "GET /v1/events": nil,
		"GET /v1/services": nil, "GET /v1/connections": nil, "GET /v1/timeouts": nil, "GET /v1/daemons": nil, "GET /v1/sync": nil, "POST /v1/edits": nil, "POST /v1/reload": nil,
		"POST /v1/plan":        nil,
		"GET /v1/openapi.yaml": description,
	}
	resources{b.Viewer, b.Admin}.routes(all)
	if b.Viewer == nil || b.Admin == nil {
		resources{}.without(all)
	}
	if b.Viewer != nil {
		all["GET /v1/status"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, finished(b.Viewer.Status()), nil) }
	}
	if i := b.Inspector; i != nil {
		all["GET /v1/explain"] = answerTo(func(q Question) (*Explained, error) {
			x, err := i.Explain(q)
			return x.finished(), err
		})
		all["GET /v1/sticky"] = answerTo(i.Persistence)
		all["GET /v1/trace"] = func(w http.ResponseWriter, r *http.Request) { streamTrace(w, r, i) }
	}
	if b.Admin != nil {
		h := adminHandler{b.Admin}
		all["GET /v1/services"], all["GET /v1/connections"], all["GET /v1/timeouts"], all["GET /v1/daemons"], all["POST /v1/edits"] = h.services, h.conns, h.timeouts, h.daemons, h.edit
	}
	if b.Planner != nil {
		all["POST /v1/plan"] = answering(planHandler{b.Planner}.plan)
	}
	if b.Events != nil {
		all["GET /v1/events"] = eventHandler{b.Events, make(chan struct{}, readers)}.stream
	}
	if b.Syncer != nil {
		all["GET /v1/sync"] = func(w http.ResponseWriter, _ *http.Request) { answer(w, b.Syncer.Sync(), nil) }
	}
	if b.Reloader != nil {
		all["POST /v1/reload"] = func(w http.ResponseWriter, r *http.Request) {
			patient(w, reloadPatience)
			done, err := b.Reloader.Reload(r.Context())
			answer(w, done, err)
		}
	}
	return all
}

// reloadPatience is how long a reload may take.
const reloadPatience = 5 * time.Minute

// patient gives an answer longer than the server usually does.
func patient(w http.ResponseWriter, d time.Duration) {
	// A connection without deadlines needs none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(d))
}

// finished fills in what follows from the rest of a status.
func finished(st *Status) *Status {
	if st.Time.IsZero() {
		st.Time = time.Now()
	}
	for i := range st.Services {
		st.Services[i].finish()
	}
	return st
}

func (s *Service) finish() {
	for i := range s.Servers {
		s.Servers[i].State = s.Servers[i].StateText()
	}
}

func (x *Explained) finished() *Explained {
	if x == nil {
		return nil
	}
	if x.Service != nil {
		x.Service.finish()
	}
	if x.Server != nil {
		x.Server.State = x.Server.StateText()
	}
	x.Anew.finished()
	return x
}

// answerTo answers a question with what f gives.
func answerTo[T any](f func(Question) (*T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := question(r.URL.Query())
		var v *T
		if err == nil {
			v, err = f(q)
		}
		answer(w, v, err)
	}
}

// jsonType is the media type of answers that are one value.
const jsonType = "application/json"

// answer writes v, or err, as JSON.
func answer(w http.ResponseWriter, v any, err error) {
	if err != nil {
		answerWith(w, statusOf(err), refusalOf(err))
		return
	}
	answerWith(w, http.StatusOK, v)
}

// answerWith writes v as JSON. An error of writing means that the client has gone.
func answerWith(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", jsonType)
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// statusOf is the HTTP status of a refusal: 4xx where the request was at fault, and
// nothing was changed.
func statusOf(err error) int {
	for _, s := range []struct {
		refusal *Refusal
		code    int
	}{
		{ErrBusy, http.StatusConflict}, {ErrServiceExists, http.StatusConflict}, {ErrServerExists, http.StatusConflict}, {ErrDaemonRuns, http.StatusConflict},
		{ErrNoService, http.StatusNotFound}, {ErrNoServer, http.StatusNotFound}, {ErrNotDefined, http.StatusNotFound}, {ErrNoDaemon, http.StatusNotFound},
		{ErrMemory, http.StatusInsufficientStorage}, {ErrStreams, http.StatusServiceUnavailable}, {ErrUnsupported, http.StatusNotImplemented}, {ErrUnavailable, http.StatusServiceUnavailable},
	} {
		if errors.Is(err, s.refusal) {
			return s.code
		}
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return http.StatusServiceUnavailable // the client has gone
	}
	return http.StatusBadRequest
}

// refusalOf is err as it goes over the wire; nil for nil.
func refusalOf(err error) *Refusal {
	if err == nil {
		return nil
	}
	r := &Refusal{Text: err.Error()}
	var known *Refusal
	if errors.As(err, &known) {
		r.Code = known.Code
	}
	return r
}

func streamTrace(w http.ResponseWriter, r *http.Request, i Inspector) {
	q, err := traceQuestion(r.URL.Query())
	var src TraceSource
	if err == nil {
		src, err = i.Trace(q)
	}
	if err != nil {
		answer(w, nil, err)
		return
	}
	defer src.Close()
	newStream(w).follow(r, func() ([]any, error) { return boxed(src.Next(r.Context())) })
}

// boxed are values for a stream.
func boxed[T any](all []T, err error) ([]any, error) {
	out := make([]any, len(all))
	for i := range all {
		out[i] = &all[i]
	}
	return out, err
}

// keyIn reads the service in a query; nil: there is none.
func keyIn(v url.Values) (*ServiceKey, error) {
	k := &ServiceKey{Protocol: v.Get("protocol"), IPv6: v.Get("ipv6") == "true"}
	if v.Has("fwmark") {
		n, err := strconv.ParseUint(v.Get("fwmark"), 10, 32)
		if err != nil {
			return nil, fmt.Errorf("fwmark %q: not a number from 0 to 4294967295", v.Get("fwmark"))
		}
		k.FWMark = uint32(n)
		return k, nil
	}
	if !v.Has("address") {
		return nil, nil
	}
	var err error
	if k.Address, err = addrIn(v, "address"); err != nil {
		return nil, err
	}
	k.Port, err = portIn(v, "port")
	return k, err
}

// query is k in a URL.
func (k ServiceKey) query() url.Values {
	if k.FWMark != 0 {
		return url.Values{"fwmark": {strconv.FormatUint(uint64(k.FWMark), 10)}, "ipv6": {strconv.FormatBool(k.IPv6)}}
	}
	return url.Values{"protocol": {k.Protocol}, "address": {k.Address.String()}, "port": {strconv.Itoa(int(k.Port))}}
}
