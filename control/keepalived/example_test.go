package keepalived_test

import (
	"fmt"
	"os"

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
	if err := c.Print(os.Stdout); err != nil {
		fmt.Println(err)
	}
	// Output:
	// exit code 0 with 2 reports
	// [192.168.1.100]:tcp:8080 wrr persistent for 120 s, checked every 6s
	// virtual_server 192.168.1.100 8080 {
	//     lb_algo wrr
	//     lb_kind DR
	//     protocol TCP
	//     delay_loop 6
	// }
}
