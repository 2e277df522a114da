package netns

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestKeysOfSettingsMayHaveDotsInTheirParts(t *testing.T) {
	for key, want := range map[string]string{
		"net.ipv4.ip_forward":               "/proc/sys/net/ipv4/ip_forward",
		"net/ipv4/ip_forward":               "/proc/sys/net/ipv4/ip_forward",
		"net/ipv4/conf/eth0.10/arp_ignore":  "/proc/sys/net/ipv4/conf/eth0.10/arp_ignore",
		"net.ipv4.conf.lo.arp_ignore":       "/proc/sys/net/ipv4/conf/lo/arp_ignore",
		"kernel.unprivileged_userns_clone":  "/proc/sys/kernel/unprivileged_userns_clone",
		"net/ipv6/conf/br-0.7/disable_ipv6": "/proc/sys/net/ipv6/conf/br-0.7/disable_ipv6",
	} {
		if got := sysctlPath(key); got != want {
			t.Errorf("%s: %s, want %s", key, got, want)
		}
	}
	if got := readKernelSetting("kernel.no_such_setting"); got != "" {
		t.Errorf("a setting that is not there is %q", got)
	}
}

func TestMACAddressesShowTheirOwner(t *testing.T) {
	for want, got := range map[string]string{
		"02:00:00:00:bb:01": MAC(KindSwitch, 1).String(), "02:00:00:00:0e:00": MAC(KindOther, 0).String(), "02:00:00:12:bb:34": MAC(KindSwitch, 0x1234).String(),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if n := IPNet(netip.MustParsePrefix("192.0.2.7/24")); n.String() != "192.0.2.7/24" {
		t.Errorf("an address with its network: %s", n)
	}
	if n := IPNet(netip.MustParsePrefix("2001:db8::1/128")); n.String() != "2001:db8::1/128" {
		t.Errorf("an address alone: %s", n)
	}
}

// Only what says that namespaces are not allowed is a refusal; all else is an
// error of its own.
func TestRefusalsAreToldFromOtherErrors(t *testing.T) {
	for _, err := range []error{unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS, unix.EINVAL, unix.ENOSYS} {
		if !isRefusal(fmt.Errorf("fork/exec: %w", &os.PathError{Op: "clone", Err: err})) {
			t.Errorf("%v is none", err)
		}
	}
	for _, err := range []error{nil, unix.ENOENT, unix.ENOMEM, unix.EAGAIN, os.ErrClosed, exec.ErrNotFound} {
		if isRefusal(err) {
			t.Errorf("%v is one", err)
		}
	}
	for _, s := range settings() {
		if s.name == "" || s.forbids == "" || s.remedy == s.forbids {
			t.Errorf("%+v", s)
		}
	}
}

// A stamp is read from the control messages of a datagram, wherever it stands.
func TestStampsAreReadFromControlMessages(t *testing.T) {
	want := time.Unix(1_700_000_000, 123456789)
	message := func(level, typ int32, data []byte) []byte {
		b := make([]byte, unix.CmsgSpace(len(data)))
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(data))))
		binary.NativeEndian.PutUint32(b[8:], uint32(level))
		binary.NativeEndian.PutUint32(b[12:], uint32(typ))
		copy(b[unix.CmsgLen(0):], data)
		return b
	}
	stamp := binary.NativeEndian.AppendUint64(binary.NativeEndian.AppendUint64(nil, uint64(want.Unix())), uint64(want.Nanosecond()))
	good := message(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, stamp)
	other := message(unix.SOL_SOCKET, unix.SCM_RIGHTS, []byte{1, 0, 0, 0})
	if len(good) != stampSpace() {
		t.Errorf("a stamp takes %d bytes, and room is made for %d", len(good), stampSpace())
	}
	for law, c := range map[string]struct {
		oob []byte
		ok  bool
	}{
		"alone": {good, true}, "behind another": {append(other, good...), true}, "none": {nil, false}, "another alone": {other, false},
		"of another level": {message(unix.SOL_IP, unix.SCM_TIMESTAMPNS, stamp), false}, "cut short": {message(unix.SOL_SOCKET, unix.SCM_TIMESTAMPNS, stamp[:8]), false},
		"nonsense": {[]byte{1, 2, 3}, false}, "longer than there is": {append([]byte{255, 255}, good[2:]...), false},
	} {
		got, ok := readStamp(c.oob)
		if ok != c.ok || ok && !got.Equal(want) {
			t.Errorf("%s: %v, %v", law, got, ok)
		}
	}
}

// What a host is asked for in vain is an error that names the attempt, the thing
// and the host.
func TestErrorsNameTheHostAndTheAttempt(t *testing.T) {
	h := testHost(t, "h")
	addr := netip.MustParseAddr("192.0.2.1")
	for want, err := range map[string]error{
		"find eth7 of h: Link not found":                       h.AddAddr("eth7", netip.MustParsePrefix("192.0.2.1/24")),
		"find eth8 of h: Link not found":                       h.SetNeighbour("eth8", addr, MAC(KindOther, 1)),
		"find eth9 of h: Link not found":                       h.ForgetNeighbour("eth9", addr),
		"wait on h for eth6 to be up: ":                        h.WaitUp(t.Context(), "eth6"),
		"set net.ipv4.no_such_thing=1 on h: open ":             h.Sysctl("net.ipv4.no_such_thing", "1"),
		"set net.ipv4.ip_forward=x on h: write ":               h.Sysctl("net.ipv4.ip_forward", "x"),
		"read net.ipv4.no_such_thing on h: open ":              second(h.ReadSysctl("net.ipv4.no_such_thing")),
		"read /proc/net/none on h: open ":                      second(h.ReadProc("none")),
		"read /proc/net/snmp on h: no counter X of ":           second(h.Counter("Ip", "X")),
		"read /proc/net/snmp on h: no counter Ip: of Ip":       second(h.Counter("Ip", "Ip:")),
		"read /proc/net/snmp on h: no counter InDelivers of X": second(h.Counter("X", "InDelivers")),
		"start on h: ": h.Command(t.Context(), filepath.Join(t.TempDir(), "none")).Run(),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestCommandsAreUsedInTheirOrder(t *testing.T) {
	h := testHost(t, "h")
	c := h.Command(t.Context(), "/proc/self/exe")
	if err := c.Wait(); err == nil || err.Error() != "wait for command: not started" {
		t.Errorf("waited before the start: %v", err)
	}
	var b strings.Builder
	c.Stdout = &b
	if _, err := c.Output(); err == nil || !strings.Contains(err.Error(), "Stdout already set") {
		t.Errorf("an output that goes elsewhere: %v", err)
	}
	if _, err := c.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "Stdout already set") {
		t.Errorf("both outputs: %v", err)
	}
	c.Stdout, c.Stderr = nil, &b
	if _, err := c.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "Stderr already set") {
		t.Errorf("an error output that goes elsewhere: %v", err)
	}
	if _, err := h.Command(t.Context(), filepath.Join(t.TempDir(), "none")).Output(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}

// The names of ports are those of the hosts, as long as a name is free and short
// enough.
func TestPortsOfASwitchAreNamedByTheirHosts(t *testing.T) {
	Require(t)
	s, err := NewSwitch("s")
	if err != nil {
		t.Fatal(err)
	}
	defer closeOK(t, s)
	for i, name := range []string{"client", "client", "a-name-that-is-too-long-for-an-interface", BridgeName} {
		h := testHost(t, name)
		if err := s.Connect(t.Context(), h, Cable{}); err != nil {
			t.Fatal(err)
		}
		port := fmt.Sprintf("port%d", i+1)
		if i == 0 {
			port = "client"
		}
		link, err := s.Netlink().LinkByName(port)
		if err != nil {
			t.Errorf("host %s: no port %s: %v", name, port, err)
			continue
		}
		if want := MAC(KindSwitch, i+1).String(); link.Attrs().HardwareAddr.String() != want || link.Attrs().MTU != 1500 {
			t.Errorf("host %s: %s with MTU %d, want %s", name, link.Attrs().HardwareAddr, link.Attrs().MTU, want)
		}
		own, err := h.Netlink().LinkByName("eth0")
		if err != nil || own.Attrs().HardwareAddr.String() != MAC(KindOther, i+1).String() {
			t.Errorf("host %s: its end is %v, %v", name, own, err)
		}
	}
}

func TestProgramsAreCopiedOnceAndMayRun(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := copyProgram(to, from); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("from nothing: %v", err)
	}
	if err := os.WriteFile(from, []byte("#!/bin/sh\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := copyProgram(to, from); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Mode().Perm()&0o100 == 0 || info.Size() != 10 {
		t.Errorf("%v, %v", info, err)
	}
	if err := copyProgram(to, from); !errors.Is(err, os.ErrExist) {
		t.Errorf("over a program that is there: %v", err)
	}
}
