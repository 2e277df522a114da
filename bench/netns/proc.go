package netns

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// ReadProc reads a file of the host's /proc/net.
func (h *Host) ReadProc(name string) ([]byte, error) {
	var b []byte
	err := h.Do(func() (err error) {
		b, err = os.ReadFile("/proc/thread-self/net/" + name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read /proc/net/%s on %s: %w", name, h.name, err)
	}
	return b, nil
}

// Counter is a counter of the host's kernel by the names of /proc/net/snmp, such
// as Ip and InDelivers.
func (h *Host) Counter(proto, name string) (uint64, error) {
	b, err := h.ReadProc("snmp")
	if err != nil {
		return 0, err
	}
	var names []string // the words of a line of names; a line of their values follows
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if at := slices.Index(names, name); at > 0 && names[0] == proto+":" && at < len(words) {
			return strconv.ParseUint(words[at], 10, 64)
		}
		names = words
	}
	return 0, fmt.Errorf("read /proc/net/snmp on %s: no counter %s of %s", h.name, name, proto)
}
