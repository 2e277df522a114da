package facts

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lvsdr/control/procnet"
)

// A process has sockets.
type process struct {
	pid  int
	name string
}

// socketOwners are the processes by the inodes of their sockets: those that this
// one may look into, which for root are all it can see. proc is /proc.
func socketOwners(proc string) map[uint64]process {
	owners := map[uint64]process{}
	links, err := filepath.Glob(filepath.Join(proc, "[0-9]*/fd/*"))
	if err != nil {
		return owners // the pattern is good
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, "socket:[") {
			continue
		}
		inode, err := strconv.ParseUint(strings.Trim(target, "socket:[]"), 10, 64)
		if err != nil {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		name, err := os.ReadFile(filepath.Join(dir, "comm"))
		if err == nil {
			owners[inode] = process{pid, strings.TrimSpace(string(name))}
		}
	}
	return owners
}

// takeListeners takes the sockets of a protocol that take connections or
// datagrams.
func (h *Host) takeListeners(protocol string, sockets []procnet.Socket, owners map[uint64]process) {
	for _, s := range sockets {
		if s.State != procnet.Listening && s.State != procnet.Unconnected {
			continue
		}
		l := Listener{Protocol: protocol, At: netip.AddrPortFrom(s.Local.Addr().Unmap(), s.Local.Port())}
		if p, ok := owners[s.Inode]; ok {
			l.Process = fmt.Sprintf("%s, process %d", p.name, p.pid)
		}
		h.Listeners = append(h.Listeners, l)
	}
}

// takeTaps takes the packet sockets of other processes than self that receive.
func (h *Host) takeTaps(taps []procnet.Tap, owners map[uint64]process, self int) {
	seen := map[Tap]bool{}
	for _, t := range taps {
		p, ok := owners[t.Inode]
		if t.Protocol == 0 || ok && p.pid == self {
			continue
		}
		tap := Tap{Ifindex: t.Ifindex, PID: p.pid, Process: p.name}
		if !seen[tap] {
			seen[tap] = true
			h.Taps = append(h.Taps, tap)
		}
	}
}
