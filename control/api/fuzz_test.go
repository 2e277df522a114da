package api_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"testing"

	"lvsdr/control/api"
)

// FuzzDecodeEdits: what is taken for edits says the same when it is written
// and read again.
func FuzzDecodeEdits(f *testing.F) {
	all, err := json.Marshal(everyEdit)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(all)
	f.Add([]byte(`[{"op":"add-server","server":{"address":"fe80::1%eth0","weight":-1}}]`))
	f.Add([]byte(`[{"op":"zero","service":{"fwmark":4294967296}}]`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, b []byte) {
		edits, err := api.DecodeEdits(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := json.Marshal(edits)
		if err != nil {
			t.Fatal(err)
		}
		back, err := api.DecodeEdits(bytes.NewReader(again))
		if err != nil || !reflect.DeepEqual(back, edits) {
			t.Fatalf("%+v\nbecame %+v, %v", edits, back, err)
		}
	})
}

// FuzzRequests: whatever is asked for, in whatever words, there is one answer
// and no panic.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{"/v1/status", "/v1/explain?client=10.0.0.1&address=10.0.0.2&port=80&protocol=tcp", "/v1/sticky?client=::1", "/v1/trace?sample=2&snaplen=9",
		"/v1/services?protocol=tcp&address=1.2.3.4&port=5", "/v1/services?fwmark=7&ipv6=true", "/v1/connections", "/v1/timeouts", "/v1/events"} {
		f.Add("GET", s, []byte(nil))
	}
	f.Add("POST", "/v1/edits", []byte(`[{"op":"flush"}]`))
	f.Add("POST", "/v1/reload", []byte(nil))
	h := api.Handler(api.Backend{Viewer: &viewer{}, Admin: &admin{}, Inspector: inspector{
		explain:     func(api.Question) (*api.Explained, error) { return &api.Explained{}, nil },
		persistence: func(api.Question) (*api.Persistence, error) { return &api.Persistence{}, nil },
		trace:       func(api.TraceQuestion) (api.TraceSource, error) { return nil, api.ErrBusy },
	}})
	f.Fuzz(func(t *testing.T, method, target string, body []byte) {
		r, err := http.NewRequestWithContext(t.Context(), method, target, bytes.NewReader(body))
		if err != nil || r.URL.Path == "" {
			return
		}
		w := &recorder{header: http.Header{}}
		h.ServeHTTP(w, r)
		if w.code == 0 && w.body.Len() > 0 && w.header.Get("Content-Type") == "" {
			t.Errorf("%s %s: an answer without a type: %s", method, target, w.body.String())
		}
	})
}
