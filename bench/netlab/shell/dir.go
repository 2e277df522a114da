package shell

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"lvsdr/bench/netns"
)

// uidVariable holds the user id outside of the world; inside that is 0. Both
// sides must name the same socket.
const uidVariable = "LVSDR_LAB_UID"

// Prepare is to be called before a program enters the world in which it will
// Hold a lab.
func Prepare() error { return os.Setenv(uidVariable, strconv.Itoa(os.Getuid())) }

// dirPath is this user's folder for the socket of a lab that is held.
func dirPath() string {
	uid := os.Getenv(uidVariable)
	if uid == "" {
		uid = strconv.Itoa(os.Getuid())
	}
	return filepath.Join(os.TempDir(), "lvsdr-lab-of-"+uid)
}

func socketPath() string { return filepath.Join(dirPath(), "shell.sock") }

// checkDir fails where the lab's folder is not this user's alone: its place is
// easy to guess, and another user who made it could pose as a lab.
func checkDir() error {
	info, err := os.Lstat(dirPath())
	if err != nil {
		return fmt.Errorf("look at the lab's folder: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(st.Uid) != os.Getuid() || !info.IsDir() || info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is not a folder that is this user's alone: remove it", dirPath())
	}
	return nil
}

// listen opens the socket for Join. release removes it, with its
// folder.
func listen() (l net.Listener, release func() error, err error) {
	if err := os.MkdirAll(dirPath(), 0o700); err != nil {
		return nil, nil, fmt.Errorf("make the lab's folder: %w", err)
	}
	if err := checkDir(); err != nil {
		return nil, nil, err
	}
	release, err = netns.HoldDir(dirPath())
	if err != nil {
		return nil, nil, fmt.Errorf("hold the lab's folder, which another lab may have: %w", err)
	}
	err = os.Remove(socketPath())
	if err == nil || errors.Is(err, os.ErrNotExist) {
		l, err = net.Listen("unix", socketPath())
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the lab's socket: %w", err), release())
	}
	return l, release, nil
}
