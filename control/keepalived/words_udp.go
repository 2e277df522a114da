package keepalived

import (
	"slices"

	"lvsdr/control/ask"
)

// udpChecker is UDP_CHECK.
func udpChecker() []word {
	words := slices.Concat(connectionWords(), []word{
		{name: "payload", max: anyArgs, set: (*reader).setPayload},
		{name: "require_reply", max: anyArgs, set: (*reader).setReply},
		{name: "min_reply_length", min: 1, max: 1, set: func(r *reader, n *Node) { r.setReplyLength(n, &r.udp().Min) }},
		{name: "max_reply_length", min: 1, max: 1, set: func(r *reader, n *Node) { r.setReplyLength(n, &r.udp().Max) }},
	})
	return []word{{name: "UDP_CHECK", max: anyArgs, end: (*reader).endUDPCheck, block: &block{name: "UDP_CHECK", words: words}, set: func(r *reader, n *Node) {
		r.beginCheck(n)
		r.check.c.Kind, r.check.c.Ask = UDPCheck, &ask.UDP{Max: noLimit}
	}}}
}

// noLimit stands for a max_reply_length that is absent.
const noLimit = -1

// udp is the question of the UDP_CHECK that is being read.
func (r *reader) udp() *ask.UDP { return r.check.c.Ask.(*ask.UDP) }

func (r *reader) setPayload(n *Node) {
	data, _, err := ask.ParseHex(n.Args, false)
	switch {
	case err != nil:
		r.add(n, Error, "%v; the line is left out", err)
	case data == "":
		r.add(n, Error, "a value is missing; the line is left out")
	default:
		r.udp().Payload = data
	}
}

func (r *reader) setReply(n *Node) {
	u := r.udp()
	u.Reply = true
	data, mask, err := ask.ParseHex(n.Args, true)
	if err != nil {
		r.add(n, Error, "%v; any reply is good", err)
		return
	}
	u.Data, u.Mask = data, mask
}

func (r *reader) setReplyLength(n *Node, field *int) {
	if v, ok := r.numberArg(n, 0, ask.MaxReply); ok {
		*field = int(v)
	}
}

func (r *reader) endUDPCheck(n *Node) {
	u := r.udp()
	switch longest := max(u.Max, ask.DefaultMaxReply); {
	case u.Max == noLimit && u.Data == "" && u.Min <= longest:
		u.Max = ask.MaxReply
	case u.Max == noLimit:
		u.Max = ask.DefaultMaxReply
	}
	if u.Min > u.Max {
		r.add(n, Error, "min_reply_length %d is greater than max_reply_length %d: no reply is good", u.Min, u.Max)
	}
	if !u.Reply {
		u.Data, u.Mask, u.Min, u.Max = "", "", 0, 0
	}
	r.endCheck(n)
}
