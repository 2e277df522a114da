package findings

import "fmt"

// A Severity says what a Finding means for the clients. The greater, the worse.
type Severity uint8

// The severities.
const (
	Info    Severity = iota // correct, but worth knowing
	Warning                 // it works, but not fully, or not for long
	Error                   // some clients or all of them are not served
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
	Name     string   `json:"name"` // one of the names below
	Severity Severity `json:"severity"`
	About    string   `json:"about"`              // a VIP, a service, a real server or an interface
	Text     string   `json:"text"`               // what is wrong, in one sentence
	Evidence []string `json:"evidence,omitempty"` // frames, or settings with their values
	Remedy   string   `json:"remedy,omitempty"`   // a command, or what to do
}
