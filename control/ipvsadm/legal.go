package ipvsadm

import (
	"fmt"
	"strings"
	"time"

	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// defaultPersistence is that of -p without a timeout.
const defaultPersistence = 360 * time.Second

// maxSeconds is the longest timeout: 31 days.
const maxSeconds = 31 * 86400

// legal holds a request against the rules, in the order in which ipvsadm does,
// and completes it.
func (q *request) legal() error {
	for _, check := range []func() error{q.words, q.parseFlags, q.matrix, q.listing, q.serviceRules, q.tunnels} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// words takes the words that are no options: the three timeouts of --set, and
// no others.
func (q *request) words() error {
	if q.command == set {
		if len(q.leftovers) < len(q.timeouts) {
			return misuse("--set option requires 3 timeout values")
		}
		for i := range q.timeouts {
			n, ok := number(q.leftovers[i], 0, maxSeconds)
			if !ok {
				return badTimeout(q.leftovers[i])
			}
			q.timeouts[i] = n
		}
		q.leftovers = q.leftovers[len(q.timeouts):]
	}
	if len(q.leftovers) > 0 {
		return misuse("unexpected argument " + q.leftovers[0])
	}
	return nil
}

func (q *request) parseFlags() error {
	names := strings.FieldsFunc(q.flags, func(r rune) bool { return r == ',' })
	var err error
	if q.service.Flags, err = scheduler.ParseFlags(q.service.Scheduler, names); err != nil {
		return misuse(err.Error())
	}
	return nil
}

// matrix holds the options against the command.
func (q *request) matrix() error {
	name := q.command.String()
	var alone string
	for o, r := range rules {
		switch {
		case !q.given[o] && r.need&q.command != 0:
			return misuse(fmt.Sprintf("You need to supply the '%s' option for the '%s' command", r.name, name))
		case !q.given[o]:
		case r.legal&q.command == 0:
			return misuse(fmt.Sprintf("Illegal '%s' option with the '%s' command", r.name, name))
		case q.command == list && r.alone:
			if alone != "" {
				return misuse(fmt.Sprintf("The option '%s' conflicts with the '%s' option in the '%s' command", r.name, alone, name))
			}
			alone = r.name
		}
	}
	return nil
}

// listing refuses columns for lists that have their own. --persistent-conn is
// one more column of -c.
func (q *request) listing() error {
	columns := q.given[stats] || q.given[rate] || q.given[thresholds]
	special := q.given[timeout] || q.given[daemon]
	if columns && (special || q.given[connection]) || q.given[persistentConn] && special {
		return misuse("options conflicts in the list command")
	}
	return nil
}

// tunnels refuses options of tunnels that contradict each other, or that are
// given for servers without a tunnel.
func (q *request) tunnels() error {
	tunnel := q.tunnel
	if tunnel == "" {
		tunnel = "ipip"
	}
	illegal := func(o option) error {
		return misuse(fmt.Sprintf("Illegal '%s' option with the '%s' tunnel type", rules[o].name, tunnel))
	}
	var sum option // of the options about checksums, the one given
	for _, o := range []option{tunType, tunPort, tunNoCsum, tunCsum, tunRemCsum} {
		isSum := o >= tunNoCsum
		switch {
		case o == tunPort && tunnel == "gue" && !q.given[o] && q.given[tunType]:
			return misuse("You need to supply the 'tun-port' option for the 'gue' tunnel type")
		case !q.given[o]:
		case q.forward != 'i':
			return misuse("Tunnel options conflict with forward method")
		case isSum && tunnel == "ipip", o == tunPort && tunnel != "gue", o == tunRemCsum && tunnel != "gue":
			return illegal(o)
		case isSum && sum != 0:
			return misuse(fmt.Sprintf("The option '%s' conflicts with the '%s' option in the '%s' tunnel type",
				rules[o].name, rules[sum].name, tunnel))
		case isSum:
			sum = o
		}
	}
	return nil
}

// serviceRules are about services and servers as a whole.
func (q *request) serviceRules() error {
	c := &q.service
	if q.given[netmask] {
		if err := q.setMask(); err != nil {
			return err
		}
	}
	if q.given[persistent] && c.Persistence == 0 {
		c.Persistence = defaultPersistence
	}
	c.OnePacket = q.given[onePacket]
	v6 := c.Key.IPv6 || c.Key.Mark == 0 && !c.Key.Addr.Is4()
	switch {
	case q.command&(addService|editService) != 0 && c.Key.Mark == 0 && c.Key.Port == 0 && !q.given[persistent]:
		return misuse("Zero port specified for non-persistent service")
	case c.OnePacket && c.Key.Mark == 0 && c.Key.Proto != frame.ProtoUDP:
		return misuse("One-Packet Scheduling is only for UDP virtual services")
	case q.command&ofServer != 0 && q.addr.Is4() == v6 && q.forward != 'i':
		return misuse("Different address family is allowed only for tunneling servers")
	}
	q.server.Addr, q.server.Port = q.addr, q.port
	// Direct Routing changes no port. The port of -d names a server as it is
	// listed, whatever it is.
	if c.Key.Mark == 0 && (q.port == 0 || q.command != delServer) {
		q.server.Port = c.Key.Port
	}
	return nil
}

// String is the command's name in messages.
func (c command) String() string {
	for i := range commands {
		if commands[i].command == c {
			return commands[i].name
		}
	}
	return fmt.Sprintf("command(%#x)", uint16(c))
}
