package api

import (
	"encoding/json"
	"net/http"
	"time"
)

// stuck is how long a client may take to read what it is sent at once.
const stuck = 30 * time.Second

// A stream is an answer of several values, a line of JSON each.
type stream struct {
	out *http.ResponseController
	enc *json.Encoder
	n   int // values since the deadline was moved
}

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "application/x-ndjson")
	return &stream{out: http.NewResponseController(w), enc: json.NewEncoder(w)}
}

// put writes a value. It reports whether the client is still there.
func (s *stream) put(v any) bool {
	const often = 256
	if s.n%often == 0 {
		// A connection without deadlines is one that cannot get stuck.
		_ = s.out.SetWriteDeadline(time.Now().Add(stuck))
	}
	s.n++
	return s.enc.Encode(v) == nil
}

// follow writes what next gives as soon as it is there, until the client goes
// or next gives an error.
func (s *stream) follow(r *http.Request, next func() ([]any, error)) {
	for {
		_ = s.out.SetWriteDeadline(time.Now().Add(stuck))
		if s.out.Flush() != nil || r.Context().Err() != nil {
			return
		}
		values, err := next()
		if err != nil {
			return
		}
		for _, v := range values {
			if !s.put(v) {
				return
			}
		}
	}
}
