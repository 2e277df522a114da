package scenario

import (
	"encoding/json"
	"strings"

	"lvsdr/control/ipvsadm"
)

// A Session is a line of a session with ipvsadm: one command with what it
// printed. Such a line has no op.
type Session struct {
	Cmd    string `json:"cmd"`             // arguments with blanks between
	Stdin  string `json:"stdin,omitempty"` // for -R
	Exit   int    `json:"exit"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// usage stands for the help text in what a command printed.
const usage = "<usage>\n"

// session plays a line of a session.
func (p *player) session(op *Op) {
	s := op.Session
	r := p.command(&p.named, strings.Fields(s.Cmd), s.Stdin)
	s.Exit, s.Stdout, s.Stderr = r.Exit, strings.ReplaceAll(r.Out, ipvsadm.Usage(), usage), r.Err
}

// MarshalJSON writes a line of a session as a Session, and others as they are.
func (op *Op) MarshalJSON() ([]byte, error) {
	if op.Session != nil {
		return json.Marshal(op.Session)
	}
	type plain Op // without this method
	return json.Marshal((*plain)(op))
}

// The names that the machine of a session knows, in the forms of hosts(5) and
// services(5).
const (
	machineHosts    = "127.0.0.1 localhost\n10.0.0.1 vip1\n10.2.0.11 rs1\n10.2.0.12 rs2\n"
	machineServices = "ftp 21/tcp\ndomain 53/tcp\ndomain 53/udp\nhttp 80/tcp www\nhttps 443/tcp\nhttps 443/udp\n"
)

func machineNames() ipvsadm.Names {
	n, err := ipvsadm.FileNames(strings.NewReader(machineHosts), strings.NewReader(machineServices))
	if err != nil {
		panic(err) // reading from memory does not fail
	}
	return n
}
