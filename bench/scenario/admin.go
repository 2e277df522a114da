package scenario

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/scheduler"
)

// The exit codes of ipvsadm.
const (
	exitRefused = 255 // by the kernel
	exitUsage   = 2   // by ipvsadm itself
)

const maxPersist = 31 * 86400 // seconds, ipvsadm(8)

// A usageError is what ipvsadm refuses before the kernel sees it.
type usageError string

// Error is the text ipvsadm prints.
func (e usageError) Error() string { return string(e) }

// admin plays an edit and notes its exit code.
func (p *player) admin(op *Op) error {
	op.Exit, op.Err = 0, ""
	if op.Svc == nil || strings.HasSuffix(op.Op, "server") && op.Server == nil {
		return errors.New("svc, or server, is missing")
	}
	err := p.edit(op)
	if err == nil {
		return nil
	}
	var usage usageError
	var unsupported unsupportedError
	switch {
	case errors.As(err, &unsupported):
		return err
	case errors.As(err, &usage):
		op.Exit = exitUsage
	default:
		op.Exit = exitRefused
	}
	op.Err = err.Error()
	if errors.Is(err, dataplane.ErrScheduler) {
		op.Err = dataplane.ErrScheduler.Error()
	}
	return nil
}

// An unsupportedError is a feature that the director does not have.
type unsupportedError string

// Error names the feature.
func (e unsupportedError) Error() string { return string(e) + " is not supported" }

func (p *player) edit(op *Op) error {
	c, err := op.Svc.config()
	if err != nil {
		return err
	}
	switch op.Op {
	case "add-service":
		return p.d.AddService(c)
	case "edit-service":
		return p.d.EditService(c)
	case "del-service":
		return p.d.DelService(c.Key, p.now)
	}
	s := dataplane.ServerConfig{Addr: frame.AddrFrom(op.Server.Addr), Port: c.Key.Port,
		Weight: op.Server.Weight, Upper: op.Server.Upper, Lower: op.Server.Lower}
	if s.Weight < 0 {
		return usageError("illegal weight specified")
	}
	switch op.Op {
	case "add-server":
		p.reach(op.Server.Addr)
		return p.d.AddServer(c.Key, s)
	case "edit-server":
		return p.d.EditServer(c.Key, s)
	}
	return p.d.DelServer(c.Key, s.Addr, s.Port, p.now)
}

// reach gives a server a MAC address.
func (p *player) reach(addr netip.Addr) {
	for mac, has := range p.servers {
		if has == addr {
			p.d.SetNeighbour(frame.AddrFrom(addr), mac, p.link)
			return
		}
	}
	n := len(p.servers) + 1
	mac := frame.MAC{2, 1, 0, byte(n >> 16), byte(n >> 8), byte(n)}
	p.servers[mac] = addr
	p.d.SetNeighbour(frame.AddrFrom(addr), mac, p.link)
}

// config reads a service as ipvsadm's command line would.
func (s *Service) config() (dataplane.ServiceConfig, error) {
	var c dataplane.ServiceConfig
	if s.FWMark == 0 && !s.VIP.IsValid() {
		return c, errors.New("a service has a vip or a fwmark")
	}
	c.OnePacket = s.OnePacket
	if s.OnePacket && s.FWMark == 0 && s.Proto != "udp" {
		return c, usageError("One-Packet Scheduling is only for UDP virtual services")
	}
	c.Key = dataplane.ServiceKey{Mark: s.FWMark, IPv6: s.FWMark != 0 && s.Family == "ipv6"}
	if s.FWMark == 0 {
		proto, ok := protoNumber(s.Proto)
		if !ok || proto == frame.ProtoICMP {
			return c, fmt.Errorf("protocol %q: not tcp, udp or sctp", s.Proto)
		}
		c.Key = dataplane.ServiceKey{Proto: proto, Addr: frame.AddrFrom(s.VIP), Port: s.Port}
	}
	c.Scheduler = s.Sched
	var err error
	if c.Flags, err = scheduler.ParseFlags(s.Sched, s.SchedFlags); err != nil {
		return c, usageError(err.Error())
	}
	if s.Persist != nil {
		if *s.Persist < 1 || *s.Persist > maxPersist {
			return c, usageError(fmt.Sprintf("invalid timeout value `%d' specified", *s.Persist))
		}
		c.Persistence = time.Duration(*s.Persist) * time.Second
	}
	if s.Mask != "" {
		if c.Mask, err = parseMask(s.Mask); err != nil {
			return c, err
		}
	}
	if s.Sched != "" && s.Port == 0 && s.FWMark == 0 && s.Persist == nil {
		return c, usageError("Zero port specified for non-persistent service")
	}
	return c, nil
}

// parseMask reads a dotted netmask, or a prefix length of IPv6.
func parseMask(s string) (frame.Addr, error) {
	if n, err := strconv.Atoi(s); err == nil && n >= 1 && n <= 128 {
		return frame.Addr(net.CIDRMask(n, 128)), nil
	}
	m, err := netip.ParseAddr(s)
	if err != nil || !m.Is4() {
		return frame.Addr{}, fmt.Errorf("mask %q: neither a netmask of IPv4 nor a prefix length of IPv6", s)
	}
	return frame.AddrFrom(m), nil
}

// flagsText is what ipvsadm prints behind the scheduler's name.
func flagsText(c dataplane.ServiceConfig) string {
	var words []string
	if flags := c.Flags.Text(c.Scheduler); flags != "" {
		words = append(words, "("+flags+")")
	}
	if c.Persistence > 0 {
		words = append(words, fmt.Sprintf("persistent %d", c.Persistence/time.Second))
		if m := maskText(c.Mask); m != "" {
			words = append(words, "mask "+m)
		}
	}
	if c.OnePacket {
		words = append(words, "ops")
	}
	return strings.Join(words, " ")
}

// maskText is a mask as ipvsadm prints it, empty if it is the whole address.
func maskText(m frame.Addr) string {
	switch {
	case m == (frame.Addr{}):
		return ""
	case !m.Is4():
		n, _ := net.IPMask(m[:]).Size()
		return strconv.Itoa(n)
	case m.As4() == [4]byte{255, 255, 255, 255}:
		return ""
	}
	return m.String()
}

func protoNumber(name string) (uint8, bool) {
	switch name {
	case "tcp":
		return frame.ProtoTCP, true
	case "udp":
		return frame.ProtoUDP, true
	case "sctp":
		return frame.ProtoSCTP, true
	case "icmp":
		return frame.ProtoICMP, true
	}
	return 0, false
}

func lowerProto(n uint8) string { return strings.ToLower(protoName(n)) }

// protoName is the protocol as ipvsadm -Lc names it: IP for the template of a
// service by mark.
func protoName(n uint8) string {
	switch n {
	case frame.ProtoTCP:
		return "TCP"
	case frame.ProtoUDP:
		return "UDP"
	case frame.ProtoSCTP:
		return "SCTP"
	}
	return "IP"
}

// compareConns orders entries by protocol, client, port and VIP.
func compareConns(a, b Conn) int {
	addr := func(x, y string) int {
		p, _ := netip.ParseAddr(x)
		q, _ := netip.ParseAddr(y)
		return p.Compare(q)
	}
	return cmp.Or(strings.Compare(a.Proto, b.Proto), addr(a.Src, b.Src), cmp.Compare(a.SPort, b.SPort),
		addr(a.VIP, b.VIP), cmp.Compare(a.VPort, b.VPort), addr(a.RS, b.RS))
}
