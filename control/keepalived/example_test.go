package keepalived_test

import (
	"fmt"

	"lvsdr/control/keepalived"
)

func ExampleLoad() {
	c, reports, err := keepalived.Load("testdata/minimal.conf", keepalived.Options{Schedulers: []string{"rr", "wrr"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("exit code", reports.ExitCode(), "with", len(reports), "reports")
	for _, v := range c.VirtualServers {
		fmt.Println(v.Name(), v.Scheduler, "persistent for", v.Persistence.Timeout, "s, checked every", v.DelayLoop)
	}
	for _, r := range reports {
		fmt.Println(r)
	}
	// Output:
	// exit code 0 with 2 reports
	// [192.168.1.100]:tcp:8080 wrr persistent for 120 s, checked every 6s
	// testdata/minimal.conf:1: note: virtual_server: [192.168.1.100]:tcp:8080: persistence_timeout is absent, so clients stick to one real server for 120 s; write `persistence_timeout 0` or `persistence_default off` to spread them
	// testdata/minimal.conf:1: note: virtual_server: [192.168.1.100]:tcp:8080 has no real servers; its clients are refused
}
