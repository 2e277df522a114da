package scenario

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"strconv"
	"strings"

	"lvsdr/control/ipvsadm"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// admin plays an edit by its command line, and notes that and its exit code.
func (p *player) admin(op *Op) error {
	if op.Svc == nil || strings.HasSuffix(op.Op, "server") && op.Server == nil {
		return errors.New("svc, or server, is missing")
	}
	args, err := op.arguments()
	if err != nil {
		return err
	}
	op.IPVSAdm = strings.Join(args, " ")
	r := p.command(&p.adm, args, "")
	op.Exit, op.Err = r.Exit, strings.TrimSuffix(r.Err, "\n")
	return nil
}

// command runs ipvsadm, and makes reachable what servers there are then.
func (p *player) command(adm *ipvsadm.Interpreter, args []string, stdin string) ipvsadm.Result {
	r := adm.Run(context.Background(), args, strings.NewReader(stdin))
	for _, s := range p.d.Services() {
		for _, server := range s.Servers {
			if server.MAC == (frame.MAC{}) {
				p.reach(server.Config.Addr.IP())
			}
		}
	}
	return r
}

// arguments are the arguments of ipvsadm that an edit stands for.
func (op *Op) arguments() ([]string, error) {
	service, err := op.Svc.arguments()
	if err != nil {
		return nil, err
	}
	args := append([]string{letter(op.Op)}, service...)
	switch op.Op {
	case "add-service", "edit-service":
		return append(args, op.Svc.options()...), nil
	case "del-service":
		return args, nil
	}
	args = append(args, "-r", op.endpoint())
	if op.Op == "del-server" {
		return args, nil
	}
	args = append(args, op.Server.method()...)
	args = append(args, "-w", strconv.Itoa(op.Server.Weight))
	if op.Server.Upper != 0 || op.Server.Lower != 0 {
		args = append(args, "-x", strconv.Itoa(op.Server.Upper), "-y", strconv.Itoa(op.Server.Lower))
	}
	return args, nil
}

// method are the options of the forwarding method.
func (s *Server) method() []string {
	switch s.Method {
	case "masq":
		return []string{"-m"}
	case "tunnel":
		args := []string{"-i"}
		if s.TunType != "" {
			args = append(args, "--tun-type", s.TunType)
		}
		if s.TunPort != 0 {
			args = append(args, "--tun-port", strconv.Itoa(int(s.TunPort)))
		}
		if s.TunSum != "" {
			args = append(args, "--tun-"+s.TunSum)
		}
		return args
	}
	return []string{"-g"}
}

// letter is the command of an edit.
func letter(op string) string {
	switch op {
	case "add-service":
		return "-A"
	case "edit-service":
		return "-E"
	case "del-service":
		return "-D"
	case "add-server":
		return "-a"
	case "edit-server":
		return "-e"
	}
	return "-d"
}

// arguments name the service.
func (s *Service) arguments() ([]string, error) {
	switch {
	case s.FWMark != 0 && s.Family == "ipv6":
		return []string{"-f", strconv.FormatUint(uint64(s.FWMark), 10), "-6"}, nil
	case s.FWMark != 0:
		return []string{"-f", strconv.FormatUint(uint64(s.FWMark), 10)}, nil
	case !s.VIP.IsValid():
		return nil, errors.New("a service has a vip or a fwmark")
	}
	at := netip.AddrPortFrom(s.VIP, s.Port).String()
	p, err := frame.ParseServiceProto(s.Proto)
	if err != nil {
		return nil, err
	}
	option := map[frame.Proto]string{frame.ProtoTCP: "-t", frame.ProtoUDP: "-u", frame.ProtoSCTP: "--sctp-service"}
	return []string{option[p], at}, nil
}

// options say what the service is like.
func (s *Service) options() []string {
	var args []string
	if s.Sched != "" {
		args = append(args, "-s", s.Sched)
	}
	if s.Persist != nil {
		args = append(args, "-p", strconv.Itoa(*s.Persist))
	}
	if s.Mask != "" {
		args = append(args, "-M", s.Mask)
	}
	if s.OnePacket {
		args = append(args, "-o")
	}
	if len(s.SchedFlags) > 0 {
		args = append(args, "-b", strings.Join(s.SchedFlags, ","))
	}
	return args
}

// endpoint is the server's address with its port, or the service's, if there is
// one.
func (op *Op) endpoint() string {
	switch {
	case op.Server.Port != 0:
		return netip.AddrPortFrom(op.Server.Addr, op.Server.Port).String()
	case op.Svc.Port != 0:
		return netip.AddrPortFrom(op.Server.Addr, op.Svc.Port).String()
	}
	return op.Server.Addr.String()
}

// The director's own addresses, beside the VIPs: on the clients' side, and the two of the
// servers' side, from which tunnels begin.
var (
	ownAddr    = netip.MustParseAddr("100.64.0.1")
	ownServer4 = netip.MustParseAddr("100.65.0.1")
	ownServer6 = netip.MustParseAddr("fd00:65::1")
)

// way is the link to the server addr.
func (p *player) way(addr netip.Addr) dataplane.Link {
	to := p.link
	if to.Source = frame.AddrFrom(ownServer6); addr.Is4() {
		to.Source = frame.AddrFrom(ownServer4)
	}
	return to
}

// reach gives a server a MAC address, or says that it is the director.
func (p *player) reach(addr netip.Addr) {
	if addr == ownAddr {
		p.d.SetLocal(frame.AddrFrom(addr), frame.MAC{}, dataplane.Link{})
		return
	}
	for mac, has := range p.servers {
		if has == addr {
			p.d.SetNeighbour(frame.AddrFrom(addr), mac, p.way(addr))
			return
		}
	}
	n := len(p.servers) + 1
	mac := frame.MAC{2, 1, 0, byte(n >> 16), byte(n >> 8), byte(n)}
	p.servers[mac] = addr
	p.d.SetNeighbour(frame.AddrFrom(addr), mac, p.way(addr))
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
