package netlab

import (
	"context"
	"fmt"
	"net/netip"

	"lvsdr/bench/netns"
	"lvsdr/control/realserver"
)

// SetUpServer makes h a real server for vip, by realserver.SetUp. For IPv4 it
// switches the reverse path filter off too: a client's frame may come in where
// its answer would not leave.
func SetUpServer(h *netns.Host, vip netip.Addr) error {
	if vip.Is4() {
		for _, conf := range []string{"all", "lo"} {
			if err := h.Sysctl("net.ipv4.conf."+conf+".rp_filter", "0"); err != nil {
				return fmt.Errorf("set up real server: %w", err)
			}
		}
	}
	if err := h.Do(func() error { return realserver.SetUp(realserver.Options{VIP: vip}) }); err != nil {
		return fmt.Errorf("set up real server %s: %w", h.Name(), err)
	}
	return h.WaitLocal(context.Background(), vip)
}
