package fault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// How a scene is looked at.
const (
	waves   = 2     // of requests
	perWave = 6     // of small answers, and then as many of large ones
	large   = 20000 // bytes at least, and some full frames
	asked   = 20    // times on the connection that is open
)

// Patience with a request, for Look.
const (
	// Short is enough for a lab on a machine that is not overloaded. Requests
	// that are never answered take no longer.
	Short = time.Second
	// Long is for a lab where every request should be answered.
	Long = 10 * time.Second
)

// Evidence is the record of an Observer.
type Evidence struct {
	Scene        *Scene
	Small, Large netlab.Tally // requests, each on a new connection, by their answers
	// Kept is how a request fared on a connection that was open before.
	Kept error
	// Direct is how a request to the victim's own address fared; it is made where the
	// clients reach that.
	Direct   error
	Packets  []netlab.Packet // seen on any host meanwhile, in the order of time
	Captures netlab.Captures // the same by interface; stopped
}

// A Finding is the result of a fault's Shows.
type Finding struct {
	Shown   bool
	Text    string          // what was found, or what was not
	Packets []netlab.Packet // those that prove it
}

// An Observer looks at a scene, before and after it is broken. It keeps one
// connection to the service open from its making on.
type Observer struct {
	scene *Scene
	kept  net.Conn // HTTP without a client that would connect again
}

// Observe makes an Observer; the service must work. It is to be closed.
func Observe(ctx context.Context, s *Scene) (*Observer, error) {
	conn, err := s.Lab.Clients[0].Dial(ctx, "tcp", netip.AddrPortFrom(s.Lab.Spec.VIP, s.Port).String())
	if err != nil {
		return nil, fmt.Errorf("observe the lab: %w", err)
	}
	return &Observer{scene: s, kept: conn}, nil
}

// Close closes the connection.
func (o *Observer) Close() error { return o.kept.Close() }

// ask makes a request on the connection that is open.
func (o *Observer) ask(patience time.Duration) error {
	if err := o.kept.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := io.WriteString(o.kept, "GET / HTTP/1.1\r\nHost: lab\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(o.kept), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// askAgain makes requests on the connection that is open until one fails. Before
// each the hosts that send to the VIP forget its MAC address.
func (o *Observer) askAgain(patience time.Duration) error {
	for range asked {
		if err := o.scene.Lab.ForgetVIP(); err != nil {
			return err
		}
		if err := o.ask(patience); err != nil {
			return err
		}
	}
	return nil
}

// url is the service's, with answers of n bytes.
func (s *Scene) url(n int) string {
	return "http://" + netip.AddrPortFrom(s.Lab.Spec.VIP, s.Port).String() + "/?bytes=" + strconv.Itoa(n)
}

// get makes one request.
func get(ctx context.Context, c *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// Look captures on every host while it makes requests from the first client: on
// the connection that is open, to the victim's own address, and then waves of
// small and of large ones. Before each wave the hosts that send to the VIP forget
// its MAC address, as they do after a while. A request that is not answered within
// patience has failed; a few times that is how long it may take.
func (o *Observer) Look(ctx context.Context, patience time.Duration) (_ *Evidence, err error) {
	s := o.scene
	e := &Evidence{Scene: s, Small: netlab.Tally{ByServer: map[string]int{}}, Large: netlab.Tally{ByServer: map[string]int{}}}
	if e.Captures, err = s.Lab.CaptureAll(netlab.CaptureConfig{}); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Captures.Stop()) }()
	e.Kept = o.askAgain(patience)
	fresh := s.Lab.Clients[0].HTTPClient(netns.HTTPOptions{Fresh: true, Timeout: patience})
	if s.Lab.Spec.Method == netlab.DR { // else the servers' network is not the clients' to reach
		own := netip.AddrPortFrom(s.Victim().Addr, s.Port)
		e.Direct = get(ctx, fresh, "http://"+own.String()+"/")
	}
	for range waves {
		if err := s.Lab.ForgetVIP(); err != nil {
			return nil, err
		}
		e.Small.Add(netlab.Get(ctx, fresh, s.url(0), perWave, perWave))
		e.Large.Add(netlab.Get(ctx, fresh, s.url(max(large, 3*s.Lab.Spec.MTU)), perWave, perWave))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, f := range settled(ctx, e.Captures, patience) {
		e.Packets = append(e.Packets, netlab.PacketOf(f))
	}
	if n := e.Captures.Lost(); n > 0 {
		return nil, fmt.Errorf("observe the lab: %d frames were not captured", n)
	}
	return e, nil
}

// settled are the frames captured when no more come, or after patience: a client
// that was refused does not wait for other answers that are under way.
func settled(ctx context.Context, c netlab.Captures, patience time.Duration) []netlab.Frame {
	const moment = 50 * time.Millisecond
	frames := c.Frames()
	for end := time.Now().Add(patience); time.Now().Before(end) && ctx.Err() == nil; {
		time.Sleep(moment)
		now := c.Frames()
		if len(now) == len(frames) {
			break
		}
		frames = now
	}
	return frames
}

// Failed is how many of the requests on new connections failed.
func (e *Evidence) Failed() int { return e.Small.Errors + e.Large.Errors }

// Made is how many requests on new connections were made.
func (e *Evidence) Made() int { return e.Small.Total() + e.Large.Total() }

// Serves reports whether every request was answered.
func (e *Evidence) Serves() bool {
	return e.Failed() == 0 && e.Made() > 0 && e.Kept == nil && e.Direct == nil
}

// partly reports whether some requests failed, but not all, or all of the only
// real server.
func (e *Evidence) partly() bool {
	return e.Failed() > 0 && (e.Failed() < e.Made() || len(e.Scene.Lab.Servers) == 1)
}

// seen are the packets for which want holds.
func (e *Evidence) seen(want func(p *netlab.Packet) bool) []netlab.Packet {
	var all []netlab.Packet
	for i := range e.Packets {
		if want(&e.Packets[i]) {
			all = append(all, e.Packets[i])
		}
	}
	return all
}

// at reports whether p was seen on host n, going out of it or coming in.
func at(p *netlab.Packet, n *netlab.Node, outgoing bool) bool {
	return p.Host == n.Name() && p.Outgoing == outgoing
}

// atServer is at of any real server.
func (e *Evidence) atServer(p *netlab.Packet, outgoing bool) bool {
	return slices.ContainsFunc(e.Scene.Lab.Servers, func(n *netlab.Node) bool { return at(p, n, outgoing) })
}

// The directions of at.
const (
	in  = false
	out = true
)
