// Package api is the director's control interface: HTTP with JSON over a unix
// socket. Whoever may open the socket may ask.
//
//	GET /v1/status     a Status
//	GET /v1/explain    an Explained, of client, client_port, address, port, protocol
//	GET /v1/sticky     a Sticky, of client, and of a service as above or all
//	GET /v1/trace      a TraceLine a line, of filter, sample, snaplen; until the client goes
//
// What cannot be answered has a status of 400, a second trace 409, and says why
// in {"error": "..."}.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lvsdr/dataplane"
)

// DefaultSocket is where the director listens if not told otherwise.
const DefaultSocket = "/run/lvsdr/lvsdr.sock"

// A Status is the state of a running director.
type Status struct {
	Version    string               `json:"version"`
	PID        int                  `json:"pid"`
	Started    time.Time            `json:"started"`
	ConfigTime time.Time            `json:"config_time"`            // when the configuration in force was loaded
	ConfigErr  string               `json:"config_error,omitempty"` // why the last reload was refused
	Reloads    int                  `json:"reloads"`                // tried since the start, good and bad
	Active     bool                 `json:"active"`                 // the VIPs are announced
	Local      string               `json:"local_clients"`          // clients on this host: "served", "off", or why they are not served
	Services   []Service            `json:"services"`
	Table      Table                `json:"table"`
	Reasons    map[string]uint64    `json:"reasons"` // frames by what became of them
	Ports      map[string]PortStats `json:"ports"`   // by interface
	ARP        map[string]uint64    `json:"arp"`     // ARP frames, by what became of them
	Problems   []string             `json:"problems,omitempty"`
}

// PortStats are the counters of an interface's ports.
type PortStats = dataplane.NICStats

// A Table is how full the connection table is.
type Table struct {
	Entries int    `json:"entries"`
	Limit   int    `json:"limit"`
	Evicted uint64 `json:"evicted"`
}

// A Service is a virtual service.
type Service struct {
	Protocol    string            `json:"protocol"`
	Address     string            `json:"address"`
	Port        uint16            `json:"port"`
	Interface   string            `json:"interface"`
	Scheduler   string            `json:"scheduler"`
	Persistence int               `json:"persistence"` // seconds; 0: off
	Traffic     dataplane.Traffic `json:"traffic"`
	Servers     []Server          `json:"servers"` // in the order of the configuration
}

// A Server is a real server of a service.
type Server struct {
	Address    string            `json:"address"`
	Port       uint16            `json:"port"`
	Weight     int               `json:"weight"`     // configured
	Effective  int               `json:"effective"`  // in force; 0 while it is down
	Up         bool              `json:"up"`         // as its checks say
	Check      string            `json:"check"`      // why it is down, or "ok", or "none"
	MAC        string            `json:"mac"`        // empty: not known, it gets no frames
	Interface  string            `json:"interface"`  // by which it is reached
	Active     int               `json:"active"`     // connections
	Inactive   int               `json:"inactive"`   // connections
	Persistent int               `json:"persistent"` // templates
	Traffic    dataplane.Traffic `json:"traffic"`
}

// maxPath is the longest path of a unix socket, in bytes: sun_path has 108, and
// the last is zero (unix(7)).
const maxPath = 107

// Listen opens the control socket at path, with its folder. A socket that
// nobody listens on any more is replaced; a living one is an error.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("control socket %s: a socket's path has at most %d bytes, this one has %d", path, maxPath, len(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s: a director is running on it already", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("control socket %s: there is a file that is not a socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// maxAnswer bounds what a client reads, in bytes.
const maxAnswer = 256 << 20

// Get asks the director at socket for its status.
func Get(ctx context.Context, socket string) (*Status, error) {
	st := &Status{}
	if err := get(ctx, socket, "/v1/status", nil, st); err != nil {
		return nil, err
	}
	return st, nil
}

// get reads an answer of the director at socket into to.
func get(ctx context.Context, socket, path string, query url.Values, to any) error {
	resp, err := ask(ctx, socket, path, query)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(to); err != nil {
		return fmt.Errorf("read the director's answer: %w", err)
	}
	return nil
}

// ask makes a request. The body of the answer is to be closed.
func ask(ctx context.Context, socket, path string, query url.Values) (*http.Response, error) {
	client := http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	u := url.URL{Scheme: "http", Host: "lvsdr", Path: path, RawQuery: query.Encode()}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, notRunning(socket, err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp, nil
	}
	defer resp.Body.Close()
	var r refusal
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("the director at %s does not know %s: it is older than this command", socket, path)
	case json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&r) == nil && r.Error != "":
		return nil, errors.New(r.Error)
	}
	return nil, fmt.Errorf("ask the director at %s: %s", socket, resp.Status)
}

// notRunning says what to do next.
func notRunning(socket string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no director is running at %s; start one with `lvsdr run`, or name its socket with --socket", socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open %s: permission denied; the director's status is for its user and group", socket)
	}
	return fmt.Errorf("ask the director at %s: %w", socket, err)
}
