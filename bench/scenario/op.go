// Package scenario plays recorded or written scenarios through the production
// core on a virtual clock: services, edits, packets and pauses, one JSON object
// a line, and says what became of every packet. The format is described in
// docs/simulate.md.
package scenario

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
)

// Schema is the version of the format that this package reads.
const Schema = 1

// maxLine bounds a line of a scenario, in bytes.
const maxLine = 16 << 20

// An Op is one line of a scenario: an operation with its input fields and,
// once it was played, its results. Absent fields are zero.
type Op struct {
	Op  string `json:"op"`
	TMs int64  `json:"t_ms"` // virtual milliseconds since the start; output only

	// scenario
	Schema   int             `json:"schema,omitempty"`
	Name     string          `json:"name,omitempty"`
	About    string          `json:"about,omitempty"`
	Check    string          `json:"check,omitempty"`
	Requires json.RawMessage `json:"requires,omitempty"`
	RSMTU    int             `json:"rs_mtu,omitempty"` // MTU of the servers' side, 1500 if 0
	Kernel   string          `json:"kernel,omitempty"`
	Source   json.RawMessage `json:"source,omitempty"`
	Frames   json.RawMessage `json:"frames,omitempty"`
	Forward  bool            `json:"forward,omitempty"` // the director's host routes, too
	Detail   bool            `json:"detail,omitempty"`  // Out says what left
	Sync     bool            `json:"sync,omitempty"`    // there is a network for connection sync, at the interface s0

	// sysctl, timeouts, sleep
	Key    string `json:"key,omitempty"`
	Value  string `json:"value,omitempty"`
	TCP    int    `json:"tcp,omitempty"`
	TCPFin int    `json:"tcpfin,omitempty"`
	UDP    int    `json:"udp,omitempty"`
	Ms     int64  `json:"ms,omitempty"`

	// admin operations
	Svc     *Service `json:"svc,omitempty"`
	Server  *Server  `json:"server,omitempty"`
	IPVSAdm string   `json:"ipvsadm,omitempty"`
	Exit    int      `json:"exit,omitempty"`
	Err     string   `json:"err,omitempty"`
	Text    []string `json:"text,omitempty"`

	// a command of a session; then there is no Op
	Session *Session `json:"-"`

	Packet
	Result

	// messages of connection sync, in hexadecimal digits: to the backup, and of the master
	Hex  []string `json:"hex,omitempty"`
	Msgs []string `json:"msgs,omitempty"`

	// dumps
	WithStats bool            `json:"with_stats,omitempty"`
	Conns     []Conn          `json:"conns,omitempty"`
	NConns    *int            `json:"nconns,omitempty"`
	Services  []ServiceDump   `json:"services,omitempty"`
	Alt       json.RawMessage `json:"alt,omitempty"`
}

// A Packet is the input of a pkt line, and of an inner packet that an ICMP
// error quotes.
type Packet struct {
	Proto    string     `json:"proto,omitempty"` // tcp, udp, sctp, icmp; of IPv6, icmp6; quoted, also ipip, gre, gue
	Src      netip.Addr `json:"src,omitzero"`
	SPort    uint16     `json:"sport,omitempty"`
	Dst      netip.Addr `json:"dst,omitzero"`
	DPort    uint16     `json:"dport,omitempty"`
	Flags    string     `json:"flags,omitempty"` // of SAFRPU
	Len      int        `json:"len,omitempty"`   // payload, bytes
	TTL      uint8      `json:"ttl,omitempty"`   // 64 if 0
	DF       bool       `json:"df,omitempty"`
	Mark     uint32     `json:"mark,omitempty"`
	ICMPType uint8      `json:"icmp_type,omitempty"`
	ICMPCode uint8      `json:"icmp_code,omitempty"`
	ICMPMTU  uint16     `json:"icmp_mtu,omitempty"`
	Inner    *Packet    `json:"inner,omitempty"`
	Frag     int        `json:"frag,omitempty"` // cut after so many bytes of IP payload
	FragRev  bool       `json:"frag_rev,omitempty"`
	BadSum   bool       `json:"bad_sum,omitempty"`
	From     string     `json:"from,omitempty"` // rs: sent by a server, or a router beyond
	TOS      uint8      `json:"tos,omitempty"`
	ID       uint16     `json:"id,omitempty"`      // of IPv4; 0: the player's own
	NoSum    bool       `json:"no_sum,omitempty"`  // UDP without a checksum
	SumOK    bool       `json:"csum_ok,omitempty"` // the network card has checked the checksum
	TunSum   string     `json:"tun_sum,omitempty"` // of a quoted packet in GRE: csum
}

// A Result is the outcome for a packet.
type Result struct {
	// To is the server's address, client, drop, rst, icmp:T/C, icmp6:T/C or echo-reply.
	To string `json:"to,omitempty"`
	// Reason is the core's name for why, where nothing was forwarded.
	Reason   string `json:"reason,omitempty"`
	ReplySrc string `json:"reply_src,omitempty"`
	TTLOut   uint8  `json:"ttl_out,omitempty"` // where the packet gave a TTL
	NFrames  int    `json:"nframes,omitempty"` // where it is not 1
	MTUOut   int    `json:"mtu_out,omitempty"`
	// Out are the frames that left, of a scenario with detail.
	Out []Out `json:"out,omitempty"`
}

// A Service is a virtual service, or the key of one.
type Service struct {
	Proto      string     `json:"proto,omitempty"`
	VIP        netip.Addr `json:"vip,omitzero"`
	Port       uint16     `json:"port,omitempty"`
	FWMark     uint32     `json:"fwmark,omitempty"`
	Family     string     `json:"family,omitempty"`
	Sched      string     `json:"sched,omitempty"`
	SchedFlags []string   `json:"sched_flags,omitempty"`
	Persist    *int       `json:"persist,omitempty"` // seconds; nil: not persistent
	Mask       string     `json:"mask,omitempty"`
	OnePacket  bool       `json:"one_packet,omitempty"`
}

// A Server is a real server in a service.
type Server struct {
	Addr   netip.Addr `json:"addr"`
	Port   uint16     `json:"port,omitempty"`
	Weight int        `json:"weight"`
	Upper  int        `json:"upper,omitempty"`
	Lower  int        `json:"lower,omitempty"`

	Method  string `json:"method,omitempty"` // masq or tunnel; empty: Direct Routing
	TunType string `json:"tun_type,omitempty"`
	TunPort uint16 `json:"tun_port,omitempty"`
	TunSum  string `json:"tun_sum,omitempty"`
}

// A Conn is an entry of the connection table.
type Conn struct {
	Proto   string `json:"proto"`
	Src     string `json:"src"`
	SPort   uint16 `json:"sport"` // 0: a persistence template
	VIP     string `json:"vip"`
	VPort   uint16 `json:"vport"`
	RS      string `json:"rs"`
	RPort   uint16 `json:"rport"`
	State   string `json:"state"`
	Expires int64  `json:"expires"`          // whole seconds, rounded down
	Origin  string `json:"origin,omitempty"` // in a scenario with sync: LOCAL, or SYNC if a message made it
}

// A ServiceDump is a service with its servers, in the scheduler's order.
type ServiceDump struct {
	Proto   string       `json:"proto,omitempty"`
	VIP     string       `json:"vip,omitempty"`
	Port    uint16       `json:"port"`
	FWMark  uint32       `json:"fwmark,omitempty"`
	Sched   string       `json:"sched"`
	Flags   string       `json:"flags,omitempty"`
	Stats   []uint64     `json:"stats,omitempty"` // connections, packets, bytes
	Servers []ServerDump `json:"servers"`
}

// A ServerDump is a real server with its counts.
type ServerDump struct {
	Addr     string   `json:"addr"`
	Port     uint16   `json:"port"`
	Weight   int      `json:"weight"`
	Active   int      `json:"active"`
	Inactive int      `json:"inactive"`
	Persist  int      `json:"persist"`
	Stats    []uint64 `json:"stats,omitempty"`
	Method   string   `json:"method,omitempty"` // Masq, Tunnel or Local; empty: Direct Routing
}

// A SyntaxError is a line that cannot be read.
type SyntaxError struct {
	File string
	Line int
	Err  error
}

// Error is file:line: and what is wrong.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the cause.
func (e *SyntaxError) Unwrap() error { return e.Err }

// Read reads a whole scenario; name is for its errors, which are
// *SyntaxError. Empty lines are passed over.
func Read(name string, r io.Reader) ([]*Op, error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), maxLine)
	var ops []*Op
	n := 0
	fail := func(err error) ([]*Op, error) { return nil, &SyntaxError{name, n, err} }
	for sc.Scan() {
		n++
		b := bytes.TrimSpace(sc.Bytes())
		if len(b) == 0 {
			continue
		}
		op, err := parse(b)
		if err != nil {
			return fail(err)
		}
		if len(ops) == 0 && (op.Op != "scenario" || op.Schema != Schema) {
			return fail(fmt.Errorf("a scenario begins with {\"op\":\"scenario\",\"schema\":%d,…}", Schema))
		}
		ops = append(ops, op)
	}
	if err := sc.Err(); err != nil {
		n++
		return fail(err)
	}
	if len(ops) == 0 {
		n++
		return fail(errors.New("no line at all: a scenario begins with an op \"scenario\""))
	}
	return ops, nil
}

func parse(b []byte) (*Op, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	op := &Op{}
	if isSession(b) {
		op.Session = &Session{}
		if err := dec.Decode(op.Session); err != nil {
			return nil, err
		}
	} else if err := dec.Decode(op); err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("more than one JSON value in a line")
	}
	return op, nil
}

// isSession reports whether a line is one of a session: it has cmd and no op.
func isSession(b []byte) bool {
	var has struct {
		Op  *json.RawMessage `json:"op"`
		Cmd *json.RawMessage `json:"cmd"`
	}
	return json.Unmarshal(b, &has) == nil && has.Op == nil && has.Cmd != nil
}

// Write writes ops, one a line.
func Write(w io.Writer, ops []*Op) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, op := range ops {
		if err := enc.Encode(op); err != nil {
			return fmt.Errorf("write scenario: %w", err)
		}
	}
	return nil
}
