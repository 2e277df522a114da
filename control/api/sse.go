package api

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"time"
)

// The stream of events is one of server-sent events, as HTML's section 9.2 has them:
//
//	id: 1a2b-7
//	event: server-down
//	data: {"id":"1a2b-7","time":"...","kind":"server-down",...}
//
// A comment comes where there is nothing else to say, so that a client that has gone
// is noticed.
const (
	eventType = "text/event-stream"
	silence   = 15 * time.Second // at most, between two lines
)

// ErrStreams says that there are too many readers of events.
var ErrStreams = &Refusal{"streams", "too many clients read events; one of them must go first"}

// An eventHandler answers with events, to so many clients at a time.
type eventHandler struct {
	events Events
	room   chan struct{}
}

func (h eventHandler) stream(w http.ResponseWriter, r *http.Request) {
	select {
	case h.room <- struct{}{}:
		defer func() { <-h.room }()
	default:
		answer(w, nil, ErrStreams)
		return
	}
	src := h.events.Subscribe(r.Header.Get("Last-Event-ID"))
	defer src.Close()
	w.Header().Set("Content-Type", eventType)
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	var text bytes.Buffer
	writeComment(&text, "the director's events")
	for {
		_ = out.SetWriteDeadline(time.Now().Add(stuck)) // a connection without deadlines is one that cannot get stuck
		if _, err := w.Write(text.Bytes()); err != nil || out.Flush() != nil {
			return
		}
		text.Reset()
		events, err := nextWithin(r.Context(), src, silence)
		switch {
		case err != nil:
			return
		case len(events) == 0:
			writeComment(&text, "")
		}
		for i := range events {
			writeEvent(&text, &events[i])
		}
	}
}

// nextWithin waits for events for so long at most; then there are none.
func nextWithin(ctx context.Context, src EventSource, d time.Duration) ([]Event, error) {
	within, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	events, err := src.Next(within)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, nil
	}
	return events, err
}

func writeComment(to *bytes.Buffer, text string) {
	to.WriteString(": " + text + "\n\n")
}

func writeEvent(to *bytes.Buffer, e *Event) {
	if e.ID != "" {
		to.WriteString("id: " + e.ID + "\n")
	}
	to.WriteString("event: " + string(e.Kind) + "\ndata: ")
	_ = json.NewEncoder(to).Encode(e) // it ends the line; an Event can be encoded
	to.WriteString("\n")
}

// dataLines reads the data of server-sent events.
type dataLines struct {
	in   *bufio.Reader
	left []byte // of a line
}

// Read implements io.Reader.
func (d *dataLines) Read(to []byte) (int, error) {
	for len(d.left) == 0 {
		line, err := d.in.ReadBytes('\n')
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && err == nil {
			d.left = data
		} else if err != nil {
			return 0, err
		}
	}
	n := copy(to, d.left)
	d.left = d.left[n:]
	return n, nil
}

// eventReader reads the events of an answer.
func eventReader(body io.ReadCloser) *Reader[Event] {
	return &Reader[Event]{body, json.NewDecoder(&dataLines{in: bufio.NewReader(body)})}
}
