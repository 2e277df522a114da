package doctor

import (
	"cmp"
	"fmt"
	"slices"
)

// A Severity says what a Finding means for the clients. The greater, the worse.
type Severity uint8

// The severities.
const (
	Info    Severity = iota // as it should be, but worth knowing
	Warning                 // it works, but not as it should, or not for long
	Error                   // clients are not served, or not all of them
)

// String is the severity in lower case.
func (s Severity) String() string {
	switch s {
	case Info:
		return "info"
	case Warning:
		return "warning"
	case Error:
		return "error"
	}
	return "severity?"
}

// MarshalText is String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(b []byte) error {
	for _, known := range []Severity{Info, Warning, Error} {
		if known.String() == string(b) {
			*s = known
			return nil
		}
	}
	return fmt.Errorf("severity %q: not info, warning or error", b)
}

// A Finding is one thing that was found.
type Finding struct {
	Name     string   `json:"name"` // one of Names
	Severity Severity `json:"severity"`
	About    string   `json:"about"`              // a VIP, a service, a real server or an interface
	Text     string   `json:"text"`               // what is wrong, in one sentence
	Evidence []string `json:"evidence,omitempty"` // frames, or settings with their values
	Remedy   string   `json:"remedy,omitempty"`   // a command, or what to do
}

// The names of findings. Scripts may rely on them; docs/doctor.md explains them.
const (
	// In the way of every client.
	RSAnswersARP     = "rs-answers-arp"
	RSWithoutVIP     = "rs-without-vip"
	RSWrongPort      = "rs-wrong-port"
	SmallMTU         = "small-mtu"
	RPFilter         = "rp-filter"
	VIPOnDirector    = "vip-on-director"
	TwoDirectors     = "two-directors"
	RSMACChanged     = "rs-mac-changed"
	RSFirewall       = "rs-firewall"
	ChecksumOffload  = "checksum-offload"
	VIPTaken         = "vip-taken"
	VIPNotOnLink     = "vip-not-on-link"
	RSNotOnLink      = "rs-not-on-link"
	RSDown           = "rs-down"
	RSSilent         = "rs-silent"
	RSAddressTwice   = "rs-address-twice"
	NoServer         = "no-server"
	NoShield         = "no-shield"
	Configuration    = "configuration"
	DirectorProblem  = "director-problem"
	RSAnnouncesVIP   = "rs-announces-vip"
	ClientsStuck     = "clients-stuck"
	BadVIPPrefix     = "vip-prefix"
	NotTested        = "not-tested"
	NotRunning       = "not-running"
	DefaultSticks    = "persistence-default"
	NoListener       = "no-listener"
	LocalClients     = "local-clients"
	ForeignForwarder = "foreign-forwarder"
	TrafficSeen      = "traffic"
	NoDefaultRoute   = "no-default-route"
	MTU              = "mtu"
	Firewall         = "firewall"
	OwnClients       = "rs-own-clients"
)

// Names are all names that a Finding may have.
func Names() []string {
	return []string{
		RSAnswersARP, RSWithoutVIP, RSWrongPort, SmallMTU, RPFilter, VIPOnDirector, TwoDirectors, RSMACChanged,
		RSFirewall, ChecksumOffload, VIPTaken, VIPNotOnLink, RSNotOnLink, RSDown, RSSilent, RSAddressTwice, NoServer,
		NoShield, Configuration, DirectorProblem, RSAnnouncesVIP, ClientsStuck, BadVIPPrefix, NotTested, NotRunning,
		DefaultSticks, NoListener, LocalClients, ForeignForwarder, TrafficSeen, NoDefaultRoute, MTU, Firewall, OwnClients,
	}
}

// A Report is the outcome of an examination.
type Report struct {
	Place    string    `json:"place"`  // "director" or "real server"
	Worst    Severity  `json:"worst"`  // among the findings
	Checks   []string  `json:"checks"` // what was looked at
	Findings []Finding `json:"findings"`
}

// The exit codes of a report.
const (
	ExitHealthy = 0 // nothing above Info
	ExitWarning = 1
	ExitError   = 2
	ExitNotRun  = 3 // there is no report: usage, privileges
)

// ExitCode is ExitHealthy, ExitWarning or ExitError.
func (r *Report) ExitCode() int { return int(r.Worst) }

// finish puts the worst findings first and sets Worst.
func (r *Report) finish() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return cmp.Compare(b.Severity, a.Severity) })
	for _, f := range r.Findings {
		r.Worst = max(r.Worst, f.Severity)
	}
}
