package ipvsadm

import (
	"cmp"
	"fmt"
	"strings"

	"lvsdr/control/api"
	"lvsdr/scheduler"
)

// defaultPersistence is that of -p without a timeout, in seconds.
const defaultPersistence = 360

// maxSeconds is the longest timeout, in seconds: 31 days.
const maxSeconds = 31 * 86400

// legal checks a request by the rules, in the order in which ipvsadm does, and
// completes it.
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
	flags, err := scheduler.ParseFlags(q.service.Scheduler, names)
	if err != nil {
		return misuse(err.Error())
	}
	q.service.Flags = flags.Text(q.service.Scheduler)
	return nil
}

// matrix checks that the command takes the options, and has those it needs.
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
	tunnel := cmp.Or(q.server.Encap.Kind, "ipip")
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
		case q.server.Method != api.Tunnel:
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
	q.server.Encap.Checksum = map[option]string{tunCsum: "csum", tunRemCsum: "remcsum"}[sum]
	if q.server.Method == api.Tunnel {
		q.server.Encap.Kind = tunnel
	}
	return nil
}

// serviceRules are about services and servers as a whole.
func (q *request) serviceRules() error {
	c := &q.service
	if q.given[persistent] && c.Persistence == 0 {
		c.Persistence = defaultPersistence
	}
	c.OnePacket = q.given[onePacket]
	switch {
	case q.command&(addService|editService) != 0 && c.FWMark == 0 && c.Port == 0 && !q.given[persistent]:
		return misuse("Zero port specified for non-persistent service")
	case c.OnePacket && c.FWMark == 0 && c.Protocol != "udp":
		return misuse("One-Packet Scheduling is only for UDP virtual services")
	case q.command&ofServer != 0 && q.server.Address.Is6() != c.V6() && q.server.Method != api.Tunnel:
		return misuse("Different address family is allowed only for tunneling servers")
	}
	// Only masquerading changes ports. The port of -d names a server as it is
	// listed, whatever it is.
	if c.FWMark == 0 && (q.server.Port == 0 || q.command != delServer && q.server.Method != api.Masquerade) {
		q.server.Port = c.Port
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
