package ipvsadm

import (
	"bufio"
	"io"
	"net/netip"
	"strconv"
	"strings"
)

// FileNames are the names in files of the forms of hosts(5) and services(5). If
// an address or port has several names, the first one is listed.
func FileNames(hosts, services io.Reader) (Names, error) {
	addrs, names := map[string]netip.Addr{}, map[netip.Addr]string{}
	err := eachLine(hosts, func(words []string) {
		a, err := netip.ParseAddr(words[0])
		if err != nil {
			return
		}
		for _, name := range words[1:] {
			addrs[strings.ToLower(name)] = a
			if names[a] == "" {
				names[a] = name
			}
		}
	})
	if err != nil {
		return Names{}, err
	}
	n, err := portNames(services)
	n.Addr = func(host string) (netip.Addr, bool) { a, ok := addrs[strings.ToLower(host)]; return a, ok }
	n.Host = func(a netip.Addr) string { return names[a] }
	return n, err
}

// portNames are the names in a file of the form of services(5).
func portNames(services io.Reader) (Names, error) {
	type endpoint struct {
		proto string
		port  uint16
	}
	type service struct{ proto, name string }
	ports, names := map[service]uint16{}, map[endpoint]string{}
	err := eachLine(services, func(words []string) {
		number, proto, ok := strings.Cut(words[1], "/")
		port, err := strconv.ParseUint(number, 10, 16)
		if !ok || err != nil {
			return
		}
		at := endpoint{proto, uint16(port)}
		if names[at] == "" {
			names[at] = words[0]
		}
		for i, name := range words {
			if i != 1 {
				ports[service{proto, name}] = at.port
			}
		}
	})
	return Names{
		Port:    func(proto, name string) (uint16, bool) { p, ok := ports[service{proto, name}]; return p, ok },
		Service: func(proto string, port uint16) string { return names[endpoint{proto, port}] },
	}, err
}

// eachLine calls f for each line with two words at least, without comments.
func eachLine(r io.Reader, f func(words []string)) error {
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		if words := strings.Fields(line); len(words) > 1 {
			f(words)
		}
	}
	return sc.Err()
}
