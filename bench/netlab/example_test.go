package netlab_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"lvsdr/bench/netlab"
	"lvsdr/bench/netns"
)

// Direct routing without a director: the client is told that the VIP is at the
// MAC address of rs1. It needs a privilege, so it is compiled but not run.
func Example() {
	ctx := context.Background()
	if !netns.Inside() {
		code, err := netns.Reexec(ctx)
		if err != nil {
			log.Fatal(err)
		}
		os.Exit(code)
	}
	lab, err := netlab.Build(ctx, netlab.Spec{})
	if err != nil {
		log.Fatal(err)
	}
	defer lab.Close()
	fmt.Print(lab.Drawing())
	if err := lab.StartHTTP(80); err != nil {
		log.Fatal(err)
	}

	client, rs := lab.Clients[0], lab.Servers[0]
	if err := client.SetNeighbour(netlab.Ifname, lab.Spec.VIP, rs.MAC); err != nil {
		log.Fatal(err)
	}
	c, err := client.Capture(netlab.Ifname, netlab.CaptureConfig{})
	if err != nil {
		log.Fatal(err)
	}
	got := netlab.Get(ctx, client.HTTPClient(netns.HTTPOptions{Fresh: true}), "http://192.168.1.100", 100, 4)
	fmt.Println(got.ByServer, got.Errors)
	if err := c.WritePcapng(os.Stdout); err != nil {
		log.Fatal(err)
	}
}
