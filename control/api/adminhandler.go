package api

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"time"
)

// Limits of what a client may send.
const (
	maxEdits     = 64 << 20         // bytes of a list of edits
	readPatience = 30 * time.Second // how long the list may take to arrive
)

// adminHandler answers the requests of ipvsadm.
type adminHandler struct{ admin Admin }

func (h adminHandler) edit(w http.ResponseWriter, r *http.Request) {
	out := http.NewResponseController(w)
	// A connection without deadlines needs none.
	_ = out.SetReadDeadline(time.Now().Add(readPatience))
	edits, err := DecodeEdits(http.MaxBytesReader(w, r.Body, maxEdits))
	_ = out.SetReadDeadline(time.Time{})
	if err != nil {
		answer(w, nil, err)
		return
	}
	patient(w, reloadPatience)
	refused, err := h.admin.Edit(r.Context(), edits)
	if err != nil {
		answer(w, nil, unknownOutcome(err))
		return
	}
	all := make([]*Refusal, len(refused))
	for i := range refused {
		all[i] = refusalOf(refused[i])
	}
	answer(w, all, nil)
}

// unknownOutcome is the error of edits of which it is not known what was done: no
// fault of the client's.
func unknownOutcome(err error) error {
	return &Refusal{ErrUnavailable.Code, err.Error()}
}

// DecodeEdits reads a list of edits as JSON. Words that it does not know are an
// error: an edit is carried out as it was meant, or not at all.
func DecodeEdits(r io.Reader) ([]Edit, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var edits []Edit
	if err := dec.Decode(&edits); err != nil {
		return nil, fmt.Errorf("edits: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("edits: more than one JSON value")
	}
	return edits, nil
}

func (h adminHandler) services(w http.ResponseWriter, r *http.Request) {
	k, err := keyIn(r.URL.Query())
	if err != nil {
		answer(w, nil, err)
		return
	}
	var keys []ServiceKey
	if k != nil {
		keys = append(keys, *k)
	}
	streamAll(w, h.admin.Services(r.Context(), keys...))
}

func (h adminHandler) conns(w http.ResponseWriter, r *http.Request) {
	f, err := connFilterIn(r.URL.Query())
	if err != nil {
		answer(w, nil, err)
		return
	}
	streamAll(w, f.of(h.admin.Conns(r.Context())))
}

func (h adminHandler) timeouts(w http.ResponseWriter, r *http.Request) {
	t, err := h.admin.Timeouts(r.Context())
	answer(w, t, err)
}

func (h adminHandler) daemons(w http.ResponseWriter, r *http.Request) {
	all, err := h.admin.Daemons(r.Context())
	if all == nil {
		all = []Daemon{}
	}
	answer(w, all, err)
}

// streamAll writes values, a line each. After an error in their midst the answer
// breaks off, so that the client does not take it for the whole.
func streamAll[T any](w http.ResponseWriter, all iter.Seq2[T, error]) {
	s := newStream(w)
	for v, err := range all {
		switch {
		case err != nil && s.n == 0:
			answer(w, nil, err)
			return
		case err != nil:
			panic(http.ErrAbortHandler)
		case !s.put(&v):
			return
		}
	}
}
