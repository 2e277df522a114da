package api

import (
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
)

// A Question is about a client, and about what it would reach.
type Question struct {
	Client     netip.Addr
	ClientPort uint16     // 0: any
	VIP        netip.Addr // of Persistence, the zero Addr: all services
	Port       uint16
	Protocol   string // tcp, udp or sctp; empty: the service's
}

// An Explained describes the outcome for a client's next packet.
type Explained struct {
	Protocol   string     `json:"protocol"` // tcp, udp or sctp
	Client     netip.Addr `json:"client"`
	ClientPort uint16     `json:"client_port"` // of the packet that was explained
	AnyPort    bool       `json:"any_port"`    // it was not asked for: a new connection
	Address    netip.Addr `json:"address"`     // asked for
	Port       uint16     `json:"port"`
	// Packet is the kind of packet explained: SYN or ACK of TCP, INIT or DATA of SCTP,
	// or a datagram.
	Packet     string   `json:"packet"`
	OurVIP     bool     `json:"our_vip"`
	Verdict    string   `json:"verdict"`
	Reason     string   `json:"reason"`
	Meaning    string   `json:"meaning"` // the reason in words
	Service    *Service `json:"service"` // null: none at that port; with the servers in the scheduler's order
	Flags      string   `json:"flags,omitempty"`
	Scheduler  string   `json:"scheduler_state,omitempty"` // in words
	Asked      bool     `json:"scheduler_asked"`           // the scheduler decides
	Elsewhere  []string `json:"elsewhere,omitempty"`       // services there are, where there is none at that port
	Connection *Conn    `json:"connection,omitempty"`      // that the packet is of
	Template   *Conn    `json:"template,omitempty"`        // of the client in the service
	Server     *Server  `json:"server,omitempty"`          // where it goes
	// Anew is the outcome for a SYN instead, where the connection is closing.
	Anew *Explained `json:"anew,omitempty"`
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
	if q.Client, err = addrIn(v, "client"); err != nil {
		return q, err
	}
	if q.ClientPort, err = portIn(v, "client_port"); err != nil || !v.Has("address") {
		return q, err
	}
	if q.VIP, err = addrIn(v, "address"); err != nil {
		return q, err
	}
	if q.VIP.Is4() != q.Client.Is4() {
		return q, fmt.Errorf("%s and %s are not of one address family", q.Client, q.VIP)
	}
	q.Protocol = v.Get("protocol")
	q.Port, err = portIn(v, "port")
	return q, err
}

// addrIn is the address called name.
func addrIn(v url.Values, name string) (netip.Addr, error) {
	a, err := netip.ParseAddr(v.Get(name))
	if err != nil {
		return a, fmt.Errorf("%s %q: not an IP address", name, v.Get(name))
	}
	return a.Unmap(), nil
}

// portIn is the port called name; 0 where there is none.
func portIn(v url.Values, name string) (uint16, error) {
	if v.Get(name) == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v.Get(name), 10, 16)
	if err != nil {
		return 0, fmt.Errorf("%s %q: not a number from 0 to 65535", name, v.Get(name))
	}
	return uint16(n), nil
}
