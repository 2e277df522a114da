package ladder

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"lvsdr/bench/netlab"
	"lvsdr/dataplane/offload"
)

// offloadPrivilege names the capability without which the kernel loads no program.
const offloadPrivilege = "CAP_BPF"

// offloadProblem says why this kernel does not forward established flows for this program;
// nil: it does. Root of a user namespace may not load programs.
func offloadProblem() error {
	o, err := offload.Open(offload.Config{Flows: 1, Servers: 1})
	if err != nil {
		return err
	}
	return o.Close()
}

// A service holds the settings of a director under measurement: the method as the configuration names it, and further
// arguments of `lvsdr run`.
type service struct {
	proto, kind string
	args        []string
}

// offloaded is a service whose established flows the kernel forwards; kind is as --offload has it.
func offloaded(proto, kind string) service {
	return service{proto: proto, kind: "DR", args: []string{"--offload", kind}}
}

// config is the configuration of a director with the service.
func (v service) config(vip, server netip.Addr) string {
	return fmt.Sprintf("virtual_server %s %d {\n lb_algo wrr\n lb_kind %s\n protocol %s\n persistence_timeout 0\n real_server %s %d {\n weight 1\n }\n}\n",
		vip, livePort, v.kind, v.proto, server, livePort)
}

// start is `lvsdr run` with the service.
func (v service) start(ctx context.Context, s *site) error {
	s.target = netip.AddrPortFrom(s.Spec.VIP, livePort)
	d, err := s.direct(ctx, v.config(s.Spec.VIP, s.Servers[0].Addr), v.args...)
	if err != nil {
		return err
	}
	if len(v.args) > 0 {
		s.offloaded = func() (uint64, error) { return offloadedFrames(ctx, d) }
	}
	if v.proto == "UDP" {
		return pinProcess(s.pid)
	}
	return nil
}

// offloadedFrames is how many frames the kernel has forwarded for d.
func offloadedFrames(ctx context.Context, d *netlab.Director) (uint64, error) {
	st, err := d.Status(ctx)
	if err != nil {
		return 0, fmt.Errorf("ask how many frames the kernel forwarded: %w", err)
	}
	return st.Reasons["offloaded"], nil
}

// offloading is f for flows that live long: where the kernel is to forward them and forwards
// none the turn is no number.
func offloading(f measurement) measurement {
	return func(ctx context.Context, s *site, t time.Duration) ([]float64, error) {
		v, err := f(ctx, s, t)
		if err != nil || s.offloaded == nil {
			return v, err
		}
		n, err := s.offloaded()
		if err == nil && n == 0 {
			err = fmt.Errorf("the kernel forwarded no frame for the director")
		}
		return v, err
	}
}

// The frames before a flood whose flows the kernel is to forward: some for each flow beyond
// those after which the director hands it over.
const (
	handOverRate = 250_000 // frames per second
	handOverTime = 2 * time.Second
)
