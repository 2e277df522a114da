package ladder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
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
}

// A device stands between the client and the server.
type device struct {
	name  string
	start func(context.Context, *site) error
}

// liveRungs are those between network namespaces.
func liveRungs(l *Live) []Rung {
	nobody, haproxy := device{"generator alone", startNobody}, device{"haproxy", startHAProxy}
	udp := []device{{"naive forwarder", startNaive}, nobody}
	tcp := []device{{"direct", startDirect}}
	if l.Nft != "" {
		udp, tcp = append(udp, device{"nftables", startNft("UDP")}), append(tcp, device{"nftables", startNft("TCP")})
	}
	udp, tcp = append(udp, device{"lvsdr", startLvsdr("UDP")}), append(tcp, device{"lvsdr", startLvsdr("TCP")})
	processes := []device{{"lvsdr", startLvsdr("TCP")}}
	if l.HAProxy != "" {
		tcp, processes = append(tcp, haproxy), append(processes, haproxy)
	}
	var rungs []Rung
	add := func(name string, metrics []Metric, build func(context.Context) (*netlab.Lab, error), f measurement, ways []device) {
		rungs = append(rungs, Rung{Name: "live/" + name, Metrics: metrics, Candidates: l.candidates(build, f, ways), Live: true})
	}
	if len(l.Naive) > 0 {
		add("small", smallMetrics(), wired, small, udp)
	}
	for _, rate := range pacedRates {
		add("paced/"+count(rate), pacedMetrics(), wired, paced(rate), []device{{"lvsdr", startLvsdr("UDP")}})
	}
	for _, r := range []struct {
		name string
		pacing
	}{{"latency", pacing{}}, {"latency-paused", pacing{pause: pause}}, {"latency-loaded", pacing{load: loadRate}}} {
		add(r.name, latencyMetrics(), switched, apart(r.latency), tcp)
	}
	add("bulk", []Metric{{Unit: "Gb/s"}}, switched, fromClient(bulk), tcp)
	add("connections", []Metric{{Unit: "conns/s"}}, switched, fromClient(connections), tcp)
	add("idle", idleMetrics(), switched, idle, processes)
	return append(rungs, l.reloadRung())
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
	return all
}

// switched builds a lab of hosts at one switch.
func switched(ctx context.Context) (*netlab.Lab, error) {
	return netlab.Build(ctx, netlab.Spec{Servers: []netlab.ServerSpec{{Weight: 1}}})
}

// candidates are ways that traffic goes.
func (l *Live) candidates(build func(context.Context) (*netlab.Lab, error), f measurement, ways []device) []Candidate {
	var all []Candidate
	for _, m := range ways {
		all = append(all, Candidate{Name: m.name, Run: func(ctx context.Context, t time.Duration) (v []float64, err error) {
			s := &site{live: l}
			if s.Lab, err = build(ctx); err != nil {
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
	return nil
}

// startLvsdr is `lvsdr run`, with its default options.
func startLvsdr(proto string) func(context.Context, *site) error {
	return func(ctx context.Context, s *site) error {
		s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
		config := fmt.Sprintf("virtual_server %s %d {\n lb_algo wrr\n lb_kind DR\n protocol %s\n persistence_timeout 0\n real_server %s %d {\n weight 1\n }\n}\n",
			s.Spec.VIP, livePort, proto, s.Servers[0].Addr, livePort)
		if _, err := s.direct(ctx, config); err != nil {
			return err
		}
		if proto == "UDP" {
			return pinProcess(s.pid)
		}
		return nil
	}
}

// direct starts a director with this file, until the site ends.
func (s *site) direct(ctx context.Context, config string) (*netlab.Director, error) {
	d, err := s.StartDirector(ctx, s.live.Lvsdr, config)
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
