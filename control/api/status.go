package api

import "time"

// A Status is the state of a running director.
type Status struct {
	Version    string               `json:"version"`
	PID        int                  `json:"pid"`
	Time       time.Time            `json:"time"` // of this state
	Started    time.Time            `json:"started"`
	ConfigTime time.Time            `json:"config_time"`            // when the configuration in force was loaded
	ConfigErr  string               `json:"config_error,omitempty"` // why the last reload was refused
	Reloads    int                  `json:"reloads"`                // tried since the start, good and bad
	Refused    int                  `json:"reloads_refused"`        // of them
	Workers    int                  `json:"workers"`                // of each interface
	Active     bool                 `json:"active"`                 // the VIPs are announced
	Local      string               `json:"local_clients"`          // clients on this host: "served", "off", or why they are not served
	Routers    []Router             `json:"routers,omitempty"`      // VRRP instances
	Services   []Service            `json:"services"`
	Table      Table                `json:"table"`
	Offload    *Offload             `json:"offload,omitempty"` // absent: the kernel is not to forward
	Reasons    map[string]uint64    `json:"reasons"`           // frames by what became of them
	Verdicts   map[string]string    `json:"verdicts"`          // of each reason: forward, drop, answer or arp
	Ports      map[string]PortStats `json:"ports"`             // by interface
	ARP        map[string]uint64    `json:"arp"`               // ARP frames, by what became of them
	Notify     Notifications        `json:"notifications"`
	Problems   []string             `json:"problems,omitempty"`
}

// Notifications count how the administrator's programs were told of changes.
type Notifications struct {
	Run       uint64 `json:"run"`        // commands that have ended
	Failed    uint64 `json:"failed"`     // of them
	Dropped   uint64 `json:"dropped"`    // commands that were not run, for want of room in the queue
	Lines     uint64 `json:"lines"`      // written to FIFOs
	LostLines uint64 `json:"lost_lines"` // for which a FIFO had no room
	Mails     uint64 `json:"mails"`      // that the mail server took
	LostMails uint64 `json:"lost_mails"` // that it did not take, or that had no room in the queue
}

// LocalServed is the Local of a Status where clients on this host are served.
const LocalServed = "served"

// PortStats are the counters of an interface's ports, in frames.
type PortStats struct {
	Received  uint64 `json:"received"`   // handed to a worker
	Missed    uint64 `json:"missed"`     // the kernel had no room for them; SYNs are not among them
	MissedSYN uint64 `json:"missed_syn"` // SYNs for which it had no room in the ring they have
	Truncated uint64 `json:"truncated"`  // longer than there was room for; not handed on
	Sent      uint64 `json:"sent"`       // taken by the kernel
	SentXDP   uint64 `json:"sent_xdp"`   // of them by an AF_XDP socket, unseen by captures
	SendFull  uint64 `json:"send_full"`  // refused: the device queue stayed full
	SendError uint64 `json:"send_error"` // refused for any other reason
}

// A Table is how full the connection table is.
type Table struct {
	Entries int    `json:"entries"`
	Limit   int    `json:"limit"`
	Evicted uint64 `json:"evicted"`
	// TakenOver tells of the table before; nil: the table ends with the process.
	TakenOver *TakenOver `json:"taken_over,omitempty"`
}

// TakenOver says what a director has found in the file of its connection table.
type TakenOver struct {
	File string `json:"file"`
	// Empty is why the table began empty though there was a file.
	Empty       string `json:"empty,omitempty"`
	PID         int    `json:"pid"`         // of the process that had it before; 0: none had
	InOrder     bool   `json:"in_order"`    // that process ended in order
	Connections int    `json:"connections"` // taken over
	Templates   int    `json:"templates"`   // taken over
	Dropped     int    `json:"dropped"`     // half written, of servers not known, or without room
	AgeMs       int64  `json:"age_ms"`      // since that process had begun with it
}

// Traffic counts what came from clients.
type Traffic struct {
	Conns   uint64 `json:"conns"`
	Packets uint64 `json:"packets"`
	Bytes   uint64 `json:"bytes"` // IP packets, with their headers

	OutPackets uint64 `json:"out_packets,omitempty"` // what masqueraded servers sent to clients
	OutBytes   uint64 `json:"out_bytes,omitempty"`
}

// Listed is traffic as ipvsadm lists it: summed up every two seconds, as the
// kernel does, with averages a second. -Z sets it to zero.
type Listed struct {
	Traffic
	CPS uint64 `json:"cps"` // connections a second
	PPS uint64 `json:"pps"` // packets a second
	BPS uint64 `json:"bps"` // bytes a second

	OutPPS uint64 `json:"out_pps,omitempty"`
	OutBPS uint64 `json:"out_bps,omitempty"`
}

// The owners of a service.
const (
	OwnedByFile    = "file"    // the configuration file has it
	OwnedAtRuntime = "runtime" // made by ipvsadm; a reload leaves it alone
)

// A Service is a virtual service.
type Service struct {
	ServiceConfig
	PersistenceDefault bool     `json:"persistence_from_default,omitempty"` // the service says nothing of persistence
	Owner              string   `json:"owner,omitempty"`
	Interface          string   `json:"interface,omitempty"` // where its address is served
	Marked             []string `json:"marked,omitempty"`    // the packets that have its firewall mark, such as "tcp 192.0.2.1 80-90"
	Traffic            Traffic  `json:"traffic"`
	Listed             Listed   `json:"listed"`
	Servers            []Server `json:"servers"`
}

// A Server is a real server of a service.
type Server struct {
	ServerConfig         // the weight is the configured one
	Effective    int     `json:"effective"` // the weight in force; 0 while it is down
	Up           bool    `json:"up"`        // as its checks say
	State        string  `json:"state"`     // whether it gets connections, and why not; the director's Handler fills it in
	Check        string  `json:"check"`     // why it is down, or "ok", or "none", or NotMade and why
	Checks       []Check `json:"checks,omitempty"`
	Problem      string  `json:"problem,omitempty"`       // why this host cannot reach it
	Removed      bool    `json:"removed,omitempty"`       // from the service, by an edit; or it was in a former file and has connections
	Drained      bool    `json:"drained,omitempty"`       // it gets no new connections until that is undone
	Standby      bool    `json:"standby,omitempty"`       // not in the service while that has not its quorum
	MAC          string  `json:"mac"`                     // empty: not known, it gets no frames
	Interface    string  `json:"interface"`               // by which it is reached
	Active       int     `json:"active"`                  // connections
	Inactive     int     `json:"inactive"`                // connections
	Persistent   int     `json:"persistent"`              // templates
	Overloaded   bool    `json:"overloaded,omitempty"`    // it has reached its upper threshold, and not yet fallen below the lower one
	RepeatedSYNs uint64  `json:"repeated_syns,omitempty"` // that clients sent again, as no answer had come
	Traffic      Traffic `json:"traffic"`
	Listed       Listed  `json:"listed"`
}

// A Check is one of a server's health checks.
type Check struct {
	Kind     string    `json:"kind"`   // TCP_CHECK
	Probe    string    `json:"probe"`  // what it asks, in words
	Up       bool      `json:"up"`     // as it says
	Made     bool      `json:"made"`   // false: it could not be made, or not yet
	Since    time.Time `json:"since"`  // of Up
	Reason   string    `json:"reason"` // of the last attempt that failed
	Attempts uint64    `json:"attempts"`
	Failures uint64    `json:"failures"`
	Took     float64   `json:"took"`          // by the last attempt, seconds
	Next     time.Time `json:"next,omitzero"` // attempt
}
