package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/bench/netns"
	"lvsdr/control/api"
)

// A Service describes the virtual service of a lab's director.
type Service struct {
	Port      uint16
	Scheduler string // default wrr
	// Persistence is the text of a persistence_timeout line; empty: no line,
	// and so the default of 120 s.
	Persistence string
	// Server is further text for each real_server block, such as a checker.
	Server string
	// More is further text for the virtual_server block.
	More string
}

// Config is a keepalived.conf for the lab's director.
func (l *Lab) Config(s Service) string {
	var b strings.Builder
	if s.Scheduler == "" {
		s.Scheduler = "wrr"
	}
	fmt.Fprintf(&b, "virtual_server %s %d {\n    delay_loop 6\n    lb_algo %s\n    lb_kind %s\n    protocol TCP\n",
		l.Spec.VIP, s.Port, s.Scheduler, l.Spec.Method.words(l.Spec.Tunnel))
	if s.Persistence != "" {
		fmt.Fprintf(&b, "    persistence_timeout %s\n", s.Persistence)
	}
	if s.More != "" {
		fmt.Fprintf(&b, "    %s\n", s.More)
	}
	for _, n := range l.Servers {
		fmt.Fprintf(&b, "    real_server %s %d {\n        weight %d\n", n.Addr, s.Port, n.Weight)
		if s.Server != "" {
			fmt.Fprintf(&b, "        %s\n", s.Server)
		}
		b.WriteString("    }\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// A Director is `lvsdr run` as a process of its own on the lab's director.
type Director struct {
	Socket string // of its control interface
	Log    Output // what it wrote
	cmd    *netns.Cmd
	config string // path

	once    sync.Once    // guards the only use of release
	release func() error // of the folder with its files
	err     error        // its result
}

// The names of a director's files, in a folder of its own.
const (
	socketName = "sock"
	configName = "keepalived.conf"
)

// An Output collects what a process writes. It is safe for concurrent use.
type Output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends p.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String is all that was written.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// readyTimeout is how long a director may take to announce its VIPs, or to
// reload. A busy machine makes slow ones.
const readyTimeout = time.Minute

// StartDirector is StartDirector on the lab's director.
func (l *Lab) StartDirector(ctx context.Context, binary, config string, args ...string) (*Director, error) {
	return StartDirector(ctx, l.Director.Host, binary, config, args...)
}

// StartDirector runs the lvsdr at path binary on the host with config and
// further arguments for run, and returns when it announces its VIPs and knows
// the MAC address of every real server it is to use.
func StartDirector(ctx context.Context, h *netns.Host, binary, config string, args ...string) (*Director, error) {
	dir, release, err := netns.TempDir()
	if err != nil {
		return nil, fmt.Errorf("start director: %w", err)
	}
	d := &Director{Socket: filepath.Join(dir, socketName), config: filepath.Join(dir, configName), release: release}
	if err := os.WriteFile(d.config, []byte(config), 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("start director: %w", err), release())
	}
	d.cmd = h.Command(ctx, binary, append([]string{"run", "-c", d.config, "--socket", d.Socket}, args...)...)
	d.cmd.Stdout, d.cmd.Stderr = &d.Log, &d.Log
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(err, release())
	}
	ended := make(chan struct{})
	go func() { _ = d.cmd.Wait(); close(ended) }()
	if err := d.await(ctx, ended, ready); err != nil {
		return nil, errors.Join(fmt.Errorf("start director: %w; it wrote:\n%s", err, d.Log.String()), d.Stop())
	}
	return d, nil
}

// ready reports whether a director serves.
func ready(st *api.Status) bool {
	for _, s := range st.Services {
		for _, r := range s.Servers {
			if r.Up && r.MAC == "" {
				return false
			}
		}
	}
	return st.Active
}

// await polls the director until its status is as wanted.
func (d *Director) await(ctx context.Context, ended <-chan struct{}, wanted func(*api.Status) bool) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	// Seldom in the end: each question takes CPU time from what is waited for.
	for pause := 2 * time.Millisecond; ; pause = min(pause*3/2, 20*time.Millisecond) {
		st, err := d.Status(ctx)
		if err == nil && wanted(st) {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(errors.New("it did not get ready in time"), err)
		case <-ended:
			return errors.New("it ended")
		case <-time.After(pause):
		}
	}
}

// Await waits until the director's status is as wanted.
func (d *Director) Await(ctx context.Context, wanted func(*api.Status) bool) error {
	return d.await(ctx, nil, wanted)
}

// Status asks the director.
func (d *Director) Status(ctx context.Context) (*api.Status, error) {
	c := api.NewClient(d.Socket)
	defer c.Close()
	return c.Status(ctx)
}

// PID is the director's process id, in this world.
func (d *Director) PID() int { return d.cmd.Process.Pid }

// File is the path of the director's configuration.
func (d *Director) File() string { return d.config }

// Write makes config the director's file, which it reads at its next reload.
func (d *Director) Write(config string) error { return os.WriteFile(d.config, []byte(config), 0o600) }

// Reload gives the director another configuration by SIGHUP and returns when
// it has taken it, or refused it, which is an error.
func (d *Director) Reload(ctx context.Context, config string) error {
	before, err := d.Status(ctx)
	if err != nil {
		return err
	}
	if err := d.Write(config); err != nil {
		return fmt.Errorf("reload director: %w", err)
	}
	if err := d.cmd.Process.Signal(unix.SIGHUP); err != nil {
		return fmt.Errorf("reload director: %w", err)
	}
	var refused string
	err = d.Await(ctx, func(st *api.Status) bool {
		refused = st.ConfigErr
		return st.Reloads > before.Reloads
	})
	if err == nil && refused != "" {
		err = errors.New(refused)
	}
	if err != nil {
		return fmt.Errorf("reload director: %w", err)
	}
	return nil
}

// Stop ends the director by SIGTERM and waits for it. Its exit code other than
// 0 is an error.
func (d *Director) Stop() error {
	// It may have ended already; then Wait knows how.
	_ = d.cmd.Process.Signal(unix.SIGTERM)
	return errors.Join(d.cmd.Wait(), d.cleanUp())
}

// Kill ends the director as a crash would.
func (d *Director) Kill() error {
	err := d.cmd.Kill()
	_ = d.cmd.Wait() // its error is that it was killed
	return errors.Join(err, d.cleanUp())
}

// cleanUp removes the director's files, once.
func (d *Director) cleanUp() error {
	d.once.Do(func() { d.err = d.release() })
	return d.err
}
