//go:build long

package main_test

import (
	"strings"
	"testing"
)

// A lab of NAT comes out as it should, in both families, and with the clients behind a router.
func TestTheLabOfNATComesOutAsItShould(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"--method nat", "--method nat --ipv6 --routed"} {
		t.Run(args, func(t *testing.T) {
			tmp := shortDir(t)
			r := runLab(t, tmp, strings.Fields(args)...)
			if r.code != 0 || !strings.HasSuffix(r.stdout, "All as it should be.\n") {
				t.Errorf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			wantNoTrace(t, tmp)
		})
	}
}

// A lab of tunnels comes out as it should with each kind, in both families, and with the
// clients behind the router too; its table shows the packet in the tunnel.
func TestTheLabOfTunnelsComesOutAsItShould(t *testing.T) {
	t.Parallel()
	for args, packet := range map[string]string{
		"--method tun":                       "IPIP [192.168.1.50 > 192.168.1.100, ttl 63, TCP SYN]",
		"--method tun --tunnel gre --routed": "GRE [192.168.3.50 > 192.168.1.100, ttl 62, TCP SYN]",
		"--method tun --tunnel gue":          "GUE [192.168.1.50 > 192.168.1.100, ttl 63, TCP SYN]",
		"--method tun --ipv6":                "IPIP [fd00:1::50 > fd00:1::100, ttl 63, TCP SYN]",
	} {
		t.Run(args, func(t *testing.T) {
			tmp := shortDir(t)
			r := runLab(t, tmp, strings.Fields(args)...)
			if n := strings.Count(r.stdout, packet); r.code != 0 || n != 4 {
				t.Errorf("exit code %d, %d times %q, want 4\n%s%s", r.code, n, packet, r.stdout, r.stderr)
			}
			wantNoTrace(t, tmp)
		})
	}
}
