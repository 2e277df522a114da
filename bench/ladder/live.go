package ladder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netlab"
)

// livePort is the port of the service in the live rungs.
const livePort = 8080

// A site is the lab of one turn: a client, a director, one real server. There
// is a new one for each turn, so that nothing is left of the last.
type site struct {
	*netlab.Lab
	live *Live
	// target is where the client connects to.
	target netip.AddrPort
	// counted is the host on whose eth0 the flood's frames are counted.
	counted *netlab.Node
	// floodTo is the address the flood's frames have: the director's.
	floodTo net.HardwareAddr
	stop    func() error // of what stands between; may be nil
	pid     int          // likewise; 0: it is no process
	reload  *reloader    // of a director that is to reload; else nil
	// offloaded is how many frames the kernel forwarded for the director; nil: it is not to.
	offloaded func() (uint64, error)
}

// A device stands between the client and the server.
type device struct {
	name  string
	needs string // what this machine lacks for it; empty: nothing
	// build makes its lab; nil: that of the rung.
	build func(context.Context) (*netlab.Lab, error)
	start func(context.Context, *site) error
}

// liveRungs are those between network namespaces.
func liveRungs(l *Live) []Rung {
	udp, tcp, processes, spent := l.devices()
	var rungs []Rung
	add := func(name string, metrics []Metric, build func(context.Context) (*netlab.Lab, error), f measurement, ways []device) {
		rungs = append(rungs, Rung{Name: "live/" + name, Metrics: metrics, Candidates: l.candidates(build, f, ways), Live: true})
	}
	if len(l.Naive) > 0 {
		add("small", smallMetrics(), wired, offloading(small), udp)
	}
	add("small6", smallMetrics(), wired6, offloading(small), named(udp, ipv6Ways...))
	for _, rate := range pacedRates {
		add("paced/"+count(rate), steadyMetrics(), wired, paced(rate), []device{lvsdr("UDP")})
	}
	for _, rate := range pacedRates {
		add("machine/"+count(rate), steadyMetrics(), wired, offloading(machine(rate)), spent)
	}
	for _, r := range []struct {
		name string
		pacing
	}{{"latency", pacing{}}, {"latency-paused", pacing{pause: pause}}, {"latency-loaded", pacing{load: loadRate}}} {
		add(r.name, latencyMetrics(), switched, offloading(apart(r.latency)), tcp)
	}
	add("bulk", []Metric{{Unit: "Gb/s"}}, switched, offloading(fromClient(bulk)), append(slices.Clone(tcp), device{name: "lvsdr, NAT", build: masqueraded, start: service{proto: "TCP", kind: "NAT"}.start}))
	add("bulk6", []Metric{{Unit: "Gb/s"}}, switched6, offloading(fromClient(bulk)), named(tcp, ipv6Ways...))
	add("requests", []Metric{{Unit: "req/s"}}, switched, offloading(fromClient(requests)), tcp)
	add("connections", []Metric{{Unit: "conns/s"}}, switched, fromClient(connections), tcp)
	add("idle", idleMetrics(), switched, idle, processes)
	return append(rungs, l.reloadRung())
}

// devices are the candidates of the rungs: of small UDP frames, of TCP, of a process
// alone, and of the machine's CPU time.
func (l *Live) devices() (udp, tcp, processes, spent []device) {
	nobody, haproxy := device{name: "generator alone", start: startNobody}, device{name: "haproxy", start: startHAProxy}
	needs := ""
	if l.Offload != "" {
		needs = offloadPrivilege
	}
	fast := func(proto string) device {
		return device{name: "lvsdr, offload", needs: needs, start: offloaded(proto, "tc").start}
	}
	peer := device{name: "lvsdr, offload, peer", needs: needs, start: offloaded("UDP", "tc,peer").start}
	udp, tcp, spent = []device{{name: "naive forwarder", start: startNaive}, nobody}, []device{{name: "direct", start: startDirect}}, []device{nobody}
	if l.Nft != "" {
		kernel := device{name: "nftables", start: kernelWay{proto: "UDP"}.start}
		udp, spent = append(udp, kernel, device{name: "nftables, flow map", start: kernelWay{proto: "UDP", flows: true}.start}), append(spent, kernel)
		tcp = append(tcp, device{name: "nftables", start: kernelWay{proto: "TCP"}.start})
	}
	udp = append(udp, lvsdr("UDP"), fast("UDP"), peer, device{name: "lvsdr, TUN", start: service{proto: "UDP", kind: "TUN"}.start}, device{name: "lvsdr, NAT", start: service{proto: "UDP", kind: "NAT"}.start})
	spent, tcp = append(spent, lvsdr("UDP"), fast("UDP")), append(tcp, lvsdr("TCP"), fast("TCP"))
	processes = []device{lvsdr("TCP")}
	if l.HAProxy != "" {
		tcp, processes = append(tcp, haproxy), append(processes, haproxy)
	}
	return udp, tcp, processes, spent
}

// ipv6Ways are the ways that the rungs of IPv6 compare.
var ipv6Ways = []string{"direct", "nftables", "nftables, flow map", "lvsdr", "lvsdr, offload", "lvsdr, offload, peer"}

// named are those of all that have such names.
func named(all []device, names ...string) []device {
	return slices.DeleteFunc(slices.Clone(all), func(d device) bool { return !slices.Contains(names, d.name) })
}

// lvsdr is `lvsdr run` with its defaults, by direct routing.
func lvsdr(proto string) device {
	return device{name: "lvsdr", start: service{proto: proto, kind: "DR"}.start}
}

// notes say which candidates are left out, and why.
func (l *Live) notes() []string {
	var all []string
	if l.Nft == "" {
		all = append(all, "nft was not found in PATH: the live rungs do without the kernel's own forwarding (nftables).")
	}
	if l.HAProxy == "" {
		all = append(all, "haproxy was not found in PATH: the live rungs do without it.")
	}
	if l.Offload != "" {
		all = append(all, "The kernel forwards no established flows for lvsdr here, so offload was not measured: "+l.Offload+".")
	}
	return all
}

// switched builds a lab of hosts at one switch.
func switched(ctx context.Context) (*netlab.Lab, error) {
	return netlab.Build(ctx, netlab.Spec{Servers: []netlab.ServerSpec{{Weight: 1}}})
}

// switched6 is switched with IPv6.
func switched6(ctx context.Context) (*netlab.Lab, error) {
	return netlab.Build(ctx, netlab.Spec{Net: netip.MustParsePrefix("fd00:1::/64"), Servers: []netlab.ServerSpec{{Weight: 1}}})
}

// masqueraded is switched with the server in a network of its own, and the director as its
// default route.
func masqueraded(ctx context.Context) (*netlab.Lab, error) {
	return netlab.Build(ctx, netlab.Spec{Method: netlab.NAT, Servers: []netlab.ServerSpec{{Weight: 1}}})
}

// candidates are ways that traffic goes.
func (l *Live) candidates(build func(context.Context) (*netlab.Lab, error), f measurement, ways []device) []Candidate {
	var all []Candidate
	for _, m := range ways {
		all = append(all, Candidate{Name: m.name, Needs: m.needs, Run: func(ctx context.Context, t time.Duration) (v []float64, err error) {
			s := &site{live: l}
			if m.build != nil {
				s.Lab, err = m.build(ctx)
			} else {
				s.Lab, err = build(ctx)
			}
			if err != nil {
				return nil, err
			}
			s.counted, s.floodTo = s.Servers[0], s.Director.MAC
			defer func() { err = errors.Join(err, s.Close()) }()
			if err := m.start(ctx, s); err != nil {
				return nil, err
			}
			v, err = f(ctx, s, t)
			if s.stop != nil {
				err = errors.Join(err, s.stop())
			}
			return v, err
		}})
	}
	return all
}

// startDirect has nothing between client and server.
func startDirect(_ context.Context, s *site) error {
	s.target = netip.AddrPortFrom(s.Servers[0].Addr, livePort)
	return nil
}

// startNobody has nobody to forward: the director's host gets the frames and
// drops them at once, because they are for another one.
func startNobody(_ context.Context, s *site) error {
	s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
	s.counted, s.floodTo = s.Director, netlab.MAC(netlab.RoleOther, 2)
	// No host answers for the VIP, and a sender by UDP asks.
	return s.Clients[0].SetNeighbour(netlab.Ifname, s.Spec.VIP, s.floodTo[:])
}

// direct starts a director with this file and further arguments, until the site ends.
func (s *site) direct(ctx context.Context, config string, args ...string) (*netlab.Director, error) {
	d, err := s.StartDirector(ctx, s.live.Lvsdr, config, args...)
	if err != nil {
		return nil, err
	}
	s.pid, s.stop = d.PID(), func() error {
		if err := d.Stop(); err != nil {
			return fmt.Errorf("director: %w; it wrote:\n%s", err, d.Log.String())
		}
		return nil
	}
	return d, nil
}

// startNaive is ForwardNaively as a process of its own.
func startNaive(ctx context.Context, s *site) error {
	s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
	rs := s.Servers[0]
	args := append(append([]string{}, s.live.Naive...), netlab.Ifname, farName, s.target.String(), rs.Addr.String()+"="+rs.MAC.String())
	cmd := s.Director.Command(ctx, s.live.Lvsdr, args...)
	var log netlab.Output
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.stop = func() error {
		_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended; then Wait knows how
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("naive forwarder: %w; it wrote:\n%s", err, log.String())
		}
		return nil
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		return errors.Join(fmt.Errorf("wait for the naive forwarder: %w", err), s.stop())
	}
	s.pid = cmd.Process.Pid
	return pinProcess(s.pid)
}

// haproxyConfig is a plain TCP proxy, with the defaults. %s: where it listens,
// and the server.
const haproxyConfig = `global
    maxconn 2000
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen bench
    bind %s
    server rs1 %s
`

// startHAProxy is HAProxy on the director's host, with its address.
func startHAProxy(ctx context.Context, s *site) error {
	s.target = netip.AddrPortFrom(s.Director.Addr, livePort)
	dir, err := os.MkdirTemp("", "lvsdr-bench-")
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf(haproxyConfig, s.target, netip.AddrPortFrom(s.Servers[0].Addr, livePort))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	cmd := s.Director.Command(ctx, s.live.HAProxy, "-db", "-f", file)
	var log netlab.Output
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	s.pid = cmd.Process.Pid
	s.stop = func() error {
		err := cmd.Process.Kill()
		_ = cmd.Wait() // its error is that it was killed
		return errors.Join(err, os.RemoveAll(dir))
	}
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		c, err := s.Director.Dial(ctx, "tcp", s.target.String())
		if err == nil {
			return c.Close()
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("wait for haproxy: %w; it wrote:\n%s", err, log.String()), s.stop())
		}
	}
}

// pinProcess binds all threads of a process, and those they will start, to the
// last CPU. The generator's thread is on another.
func pinProcess(pid int) error {
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("read CPU affinity: %w", err)
	}
	one := only(lastCPU(all))
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return fmt.Errorf("list threads: %w", err)
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return fmt.Errorf("list threads: %w", err)
		}
		if err := unix.SchedSetaffinity(tid, &one); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("bind thread %d to a CPU: %w", tid, err)
		}
	}
	return nil
}
