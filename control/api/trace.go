package api

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// A TraceQuestion says which frames are wanted.
type TraceQuestion struct {
	Filter  string // see control/trace; empty: all
	Sample  int    // one of so many; 0: all
	SnapLen int    // bytes of each; 0: none
}

// MaxSnapLen is the longest frame there is, in bytes: a super-frame with its
// headers.
const MaxSnapLen = 1 << 17

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

// WriteText writes the frame as a line.
func (l *TraceLine) WriteText(w io.Writer) error {
	_, err := fmt.Fprintln(w, l.text())
	return err
}

func (l *TraceLine) text() string {
	if l.NotShown > 0 {
		return fmt.Sprintf("%d frames not shown", l.NotShown)
	}
	packet := l.Protocol
	switch {
	case packet == "":
		packet = "other"
	case l.SrcPort != 0 || l.DstPort != 0:
		packet += " " + endpoint(l.Src, l.SrcPort) + " > " + endpoint(l.Dst, l.DstPort)
	case l.Src != "":
		packet += " " + l.Src + " > " + l.Dst
	}
	if l.Flags != "" {
		packet += " [" + l.Flags + "]"
	}
	if l.Fragment != 0 {
		packet += fmt.Sprintf(" fragment at %d", l.Fragment)
	}
	packet += fmt.Sprintf(", %d bytes", l.Length)
	if l.GSOSize != 0 {
		packet += fmt.Sprintf(" in segments of %d", l.GSOSize)
	}
	return fmt.Sprintf("%s %s %s: %s", l.Time.Local().Format("15:04:05.000000"), l.In, packet, l.Decision())
}

func endpoint(addr string, port uint16) string {
	return net.JoinHostPort(addr, strconv.Itoa(int(port)))
}

// Decision is the decision about the frame, in words.
func (l *TraceLine) Decision() string {
	s := l.Verdict + " (" + l.Reason + ")"
	if l.Server != "" {
		s += " to " + l.Server
	}
	if l.Out != "" && l.Out != l.In {
		s += " by " + l.Out
	}
	return s
}

func (q TraceQuestion) query() url.Values {
	return url.Values{"filter": {q.Filter}, "sample": {strconv.Itoa(q.Sample)}, "snaplen": {strconv.Itoa(q.SnapLen)}}
}

// traceQuestion reads what query wrote. What is not given is 0.
func traceQuestion(v url.Values) (q TraceQuestion, err error) {
	q.Filter = v.Get("filter")
	for _, n := range []struct {
		name string
		to   *int
		most int
	}{{"sample", &q.Sample, 1 << 30}, {"snaplen", &q.SnapLen, MaxSnapLen}} {
		if v.Get(n.name) == "" {
			continue
		}
		if *n.to, err = strconv.Atoi(v.Get(n.name)); err != nil || *n.to < 0 || *n.to > n.most {
			return q, fmt.Errorf("%s %q: not a number from 0 to %d", n.name, v.Get(n.name), n.most)
		}
	}
	return q, nil
}
