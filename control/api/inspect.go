package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"lvsdr/dataplane"
)

// A Question is about a client, and about what it would reach.
type Question struct {
	Client     netip.Addr
	ClientPort uint16     // 0: any
	VIP        netip.Addr // of Sticky, the zero Addr: all services
	Port       uint16
	Protocol   string // tcp, udp or sctp
}

// An Explained is what would become of a client's next packet.
type Explained struct {
	Protocol   string `json:"protocol"` // tcp, udp or sctp
	Client     string `json:"client"`
	ClientPort uint16 `json:"client_port"` // of the packet that was explained
	AnyPort    bool   `json:"any_port"`    // it was not asked for: a new connection
	Address    string `json:"address"`     // asked for
	Port       uint16 `json:"port"`
	// Packet is what was explained: SYN or ACK of TCP, INIT or DATA of SCTP,
	// or a datagram.
	Packet     string   `json:"packet"`
	OurVIP     bool     `json:"our_vip"`
	Verdict    string   `json:"verdict"`
	Reason     string   `json:"reason"`
	Meaning    string   `json:"meaning"` // the reason in words
	Service    *Service `json:"service"` // null: none at that port; with the servers in the scheduler's order
	Flags      string   `json:"flags,omitempty"`
	Scheduler  string   `json:"scheduler_state,omitempty"` // in words
	Elsewhere  []string `json:"elsewhere,omitempty"`       // services there are, where there is none at that port
	Connection *Entry   `json:"connection,omitempty"`      // that the packet is of
	Template   *Entry   `json:"template,omitempty"`        // of the client in the service
	Server     *Server  `json:"server,omitempty"`          // where it goes
	// Connections are those that the client has to the address and port, from
	// any port.
	Connections int `json:"client_connections"`
	// Anew is what a SYN would meet instead, where the connection is closing.
	Anew *Explained `json:"anew,omitempty"`
}

// An Entry is a connection or a template.
type Entry struct {
	Protocol    string  `json:"protocol,omitempty"` // empty: any, of a service by mark
	Client      string  `json:"client"`
	ClientPort  uint16  `json:"client_port,omitempty"`
	Address     string  `json:"address"`
	Port        uint16  `json:"port"`
	Server      string  `json:"server"`
	State       string  `json:"state"`
	Expires     float64 `json:"expires"`               // seconds from now
	Connections int     `json:"connections,omitempty"` // of a template
	Removed     bool    `json:"removed,omitempty"`     // its server was removed
}

// A Sticky is what binds a client to its servers.
type Sticky struct {
	Client   string          `json:"client"`
	Services []StickyService `json:"services"`
}

// A StickyService is what binds a client in one service.
type StickyService struct {
	Protocol    string `json:"protocol"`
	Address     string `json:"address"`
	Port        uint16 `json:"port"`
	Scheduler   string `json:"scheduler"`
	Flags       string `json:"flags,omitempty"`
	Persistence int    `json:"persistence"` // seconds; 0: off
	FromDefault bool   `json:"persistence_from_default"`
	Granularity string `json:"granularity"` // clients that are one: "10.0.0.0/24"
	Template    *Entry `json:"template,omitempty"`
	// Connections are those that the client has.
	Connections []Entry `json:"connections"`
}

// A TraceQuestion says which frames are wanted.
type TraceQuestion struct {
	Filter  string // see control/trace; empty: all
	Sample  int    // one of so many; 0: all
	SnapLen int    // bytes of each; 0: none
}

// A TraceLine is one frame with its decision, or, if NotShown is not 0, so many
// frames at this place that there was no room for.
type TraceLine struct {
	NotShown uint64    `json:"not_shown,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	In       string    `json:"in,omitempty"`  // interface
	Out      string    `json:"out,omitempty"` // interface, if it left
	Verdict  string    `json:"verdict,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Server   string    `json:"server,omitempty"`   // where it was sent, or would have been
	Protocol string    `json:"protocol,omitempty"` // tcp, udp, sctp, icmp, icmp6, arp, or a number
	Src      string    `json:"src,omitempty"`
	SrcPort  uint16    `json:"src_port,omitempty"`
	Dst      string    `json:"dst,omitempty"`
	DstPort  uint16    `json:"dst_port,omitempty"`
	Flags    string    `json:"flags,omitempty"`    // TCP: S, SA, ...
	Fragment int       `json:"fragment,omitempty"` // its offset, of a fragment that is not the first
	GSOSize  int       `json:"gso_size,omitempty"` // segment size of a super-frame
	Length   int       `json:"length,omitempty"`   // bytes of the frame
	Data     []byte    `json:"data,omitempty"`     // its beginning, base64
}

// A TraceSource is a trace at work.
type TraceSource interface {
	// Next waits for frames, or for the end of ctx, which is an error.
	Next(ctx context.Context) ([]TraceLine, error)
	// Close ends the trace.
	Close()
}

// Answers are what a director answers requests with.
type Answers struct {
	Status  func() Status
	Explain func(Question) (*Explained, error)
	Sticky  func(Question) (*Sticky, error)
	// Trace is dataplane.ErrTraced where there is a trace already.
	Trace func(TraceQuestion) (TraceSource, error)
}

// stuck is how long a client of a trace may take to read.
const stuck = 30 * time.Second

// Handler answers requests.
func Handler(a Answers) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", func(w http.ResponseWriter, _ *http.Request) { answer(w, a.Status(), nil) })
	mux.HandleFunc("GET /v1/explain", to(a.Explain))
	mux.HandleFunc("GET /v1/sticky", to(a.Sticky))
	mux.HandleFunc("GET /v1/trace", func(w http.ResponseWriter, r *http.Request) { stream(w, r, a.Trace) })
	return mux
}

// to answers a question with what f gives.
func to[T any](f func(Question) (*T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q, err := question(r.URL.Query())
		var v *T
		if err == nil {
			v, err = f(q)
		}
		answer(w, v, err)
	}
}

// answer writes v, or err, as JSON. An error of writing is the client's going
// away.
func answer(w http.ResponseWriter, v any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		code := http.StatusBadRequest
		if errors.Is(err, dataplane.ErrTraced) {
			code = http.StatusConflict
		}
		w.WriteHeader(code)
		v = refusal{err.Error()}
	}
	_ = json.NewEncoder(w).Encode(v)
}

// A refusal is the body of an answer that is none.
type refusal struct {
	Error string `json:"error"`
}

// stream writes a trace, a line of JSON for each frame, until the client goes,
// or does not read any more.
func stream(w http.ResponseWriter, r *http.Request, begin func(TraceQuestion) (TraceSource, error)) {
	q, err := traceQuestion(r.URL.Query())
	var src TraceSource
	if err == nil {
		src, err = begin(q)
	}
	if err != nil {
		answer(w, nil, err)
		return
	}
	defer src.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out, enc := http.NewResponseController(w), json.NewEncoder(w)
	for lines := []TraceLine(nil); ; {
		if out.SetWriteDeadline(time.Now().Add(stuck)) != nil {
			return
		}
		for i := range lines {
			if enc.Encode(&lines[i]) != nil {
				return
			}
		}
		if out.Flush() != nil {
			return
		}
		if lines, err = src.Next(r.Context()); err != nil {
			return
		}
	}
}

// query is q in a URL.
func (q Question) query() url.Values {
	v := url.Values{"client": {q.Client.String()}, "client_port": {strconv.Itoa(int(q.ClientPort))}}
	if q.VIP.IsValid() {
		v.Set("address", q.VIP.String())
		v.Set("port", strconv.Itoa(int(q.Port)))
		v.Set("protocol", q.Protocol)
	}
	return v
}

// question reads what query wrote.
func question(v url.Values) (q Question, err error) {
	if q.Client, err = netip.ParseAddr(v.Get("client")); err != nil {
		return q, fmt.Errorf("client: %w", err)
	}
	if q.ClientPort, err = portOf(v, "client_port"); err != nil {
		return q, err
	}
	if !v.Has("address") {
		return q, nil
	}
	if q.VIP, err = netip.ParseAddr(v.Get("address")); err != nil {
		return q, fmt.Errorf("address: %w", err)
	}
	if q.VIP.Is4() != q.Client.Is4() {
		return q, fmt.Errorf("%s and %s are not of one address family", q.Client, q.VIP)
	}
	q.Protocol = v.Get("protocol")
	q.Port, err = portOf(v, "port")
	return q, err
}

// portOf is the port called name; 0 where there is none.
func portOf(v url.Values, name string) (uint16, error) {
	if v.Get(name) == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v.Get(name), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return uint16(n), nil
}

func (q TraceQuestion) query() url.Values {
	return url.Values{"filter": {q.Filter}, "sample": {strconv.Itoa(q.Sample)}, "snaplen": {strconv.Itoa(q.SnapLen)}}
}

// maxSnapLen is the longest frame there is: a super-frame with its headers.
const maxSnapLen = 1 << 17

// traceQuestion reads what query wrote. What is not said is 0.
func traceQuestion(v url.Values) (q TraceQuestion, err error) {
	q.Filter = v.Get("filter")
	for _, n := range []struct {
		name string
		to   *int
		most int
	}{{"sample", &q.Sample, 1 << 30}, {"snaplen", &q.SnapLen, maxSnapLen}} {
		if v.Get(n.name) == "" {
			continue
		}
		if *n.to, err = strconv.Atoi(v.Get(n.name)); err != nil || *n.to < 0 || *n.to > n.most {
			return q, fmt.Errorf("%s %q: not a number from 0 to %d", n.name, v.Get(n.name), n.most)
		}
	}
	return q, nil
}

// Explain asks the director at socket what would become of a packet.
func Explain(ctx context.Context, socket string, q Question) (*Explained, error) {
	x := &Explained{}
	return x, get(ctx, socket, "/v1/explain", q.query(), x)
}

// AskSticky asks the director at socket what binds a client.
func AskSticky(ctx context.Context, socket string, q Question) (*Sticky, error) {
	s := &Sticky{}
	return s, get(ctx, socket, "/v1/sticky", q.query(), s)
}

// A TraceReader reads a trace.
type TraceReader struct {
	body io.ReadCloser
	dec  *json.Decoder
}

// Trace begins a trace of the director at socket. Every frame that it receives
// after Trace has returned is in it. It ends with ctx, or with Close.
func Trace(ctx context.Context, socket string, q TraceQuestion) (*TraceReader, error) {
	resp, err := ask(ctx, socket, "/v1/trace", q.query())
	if err != nil {
		return nil, err
	}
	return &TraceReader{resp.Body, json.NewDecoder(resp.Body)}, nil
}

// Next is the next line. It is io.EOF where the director has ended the trace.
func (t *TraceReader) Next() (TraceLine, error) {
	var l TraceLine
	err := t.dec.Decode(&l)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return l, err
}

// Close ends the trace.
func (t *TraceReader) Close() error { return t.body.Close() }
