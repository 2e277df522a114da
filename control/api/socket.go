package api

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// DefaultSocket is where the director listens if not told otherwise.
const DefaultSocket = "/run/lvsdr/lvsdr.sock"

// maxPath is the longest path of a unix socket, in bytes: sun_path has 108, and
// the last is zero (unix(7)).
const maxPath = 107

// Listen opens the control socket at path, with its folder. A socket that
// has no listener any more is replaced; a living one is an error.
func Listen(path string) (net.Listener, error) {
	if len(path) > maxPath {
		return nil, fmt.Errorf("control socket %s: a socket's path has at most %d bytes, this one has %d", path, maxPath, len(path))
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, socketError(err)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return nil, fmt.Errorf("control socket %s: a director is running on it already", path)
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return nil, fmt.Errorf("control socket %s: there is a file that is not a socket", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, socketError(err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, socketError(err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// socketError is an error of opening the control socket, with what to do about a
// folder that this user may not write.
func socketError(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("control socket: %w; run as root, or name a socket in a folder of this user with --socket", err)
	}
	return fmt.Errorf("control socket: %w", err)
}
