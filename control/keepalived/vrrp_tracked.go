package keepalived

import (
	"strconv"
	"strings"
	"time"

	"lvsdr/control/script"
)

// addScript keeps a vrrp_script that can run.
func (r *reader) addScript(n *Node) {
	s := &TrackScript{
		Name: strings.Clone(n.Args[0]), Command: n.command("script"), Pos: n.Pos,
		Interval: n.wholeSeconds("interval", maxScriptSeconds, time.Second),
		Rise:     n.number("rise", 1, 1<<31-1, 1), Fall: n.number("fall", 1, 1<<31-1, 1),
		InitFail: n.has("init_fail"),
	}
	s.Timeout = n.wholeSeconds("timeout", maxScriptSeconds, 0)
	if s.Timeout == 0 {
		s.Timeout = s.Interval
	}
	s.Weight, s.Reverse = n.scriptWeight()
	if line := n.last("user"); line != nil {
		s.Command.User, s.Command.Group = userGroup(line.Args)
		s.Command.User, s.Command.Group = strings.Clone(s.Command.User), strings.Clone(s.Command.Group)
	}
	if s.Command.Line != "" {
		r.vrrp.made.Scripts = append(r.vrrp.made.Scripts, s)
	}
}

// scriptWeight is the weight of the last good line.
func (n *Node) scriptWeight() (weight int, reverse bool) {
	line := n.good("weight", isScriptWeight)
	if line == nil {
		return 0, false
	}
	weight, _ = strconv.Atoi(line.Args[0]) // isScriptWeight has taken it
	return weight, len(line.Args) > 1 && line.Args[1] == "reverse"
}

// addProcess keeps a track_process that names one.
func (r *reader) addProcess(n *Node) {
	line := n.good("process", isText)
	if line == nil || len(n.Args) == 0 {
		return
	}
	words := line.Args
	if len(words) == 1 { // one in quotes may have arguments
		if split, err := script.Split(words[0]); err == nil && len(split) > 0 {
			words = split
		}
	}
	p := &TrackProcess{
		Name: strings.Clone(n.Args[0]), Path: strings.Clone(words[0]), FullCommand: n.has("full_command"), Pos: n.Pos,
		Quorum: n.number("quorum", 1, 65535, 1), QuorumMax: n.number("quorum_max", 0, 65535, 0),
	}
	for _, a := range words[1:] {
		p.Params, p.HasParams = append(p.Params, strings.Clone(a)), true
	}
	if match := n.last("param_match"); match != nil {
		p.HasParams = true
		if len(match.Args) > 0 {
			p.InitialParams = match.Args[0] == "initial"
			p.PartialParams = match.Args[0] == "partial" || p.InitialParams
		}
	}
	p.Weight, p.Reverse = n.scriptWeight()
	const longest = 3600 * time.Second
	delay := n.timer("delay", 0, longest, 0)
	p.ForkDelay, p.TerminateDelay = n.timer("fork_delay", 0, longest, delay), n.timer("terminate_delay", 0, longest, delay)
	r.vrrp.made.Processes = append(r.vrrp.made.Processes, p)
}
