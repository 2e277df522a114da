package inspect

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lvsdr/control/api"
	"lvsdr/control/trace"
	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// traceInterval is how long a traced frame waits at most.
const traceInterval = 10 * time.Millisecond

// tracing is a trace whose lines go to the control socket.
type tracing struct {
	*Inspector
	trace *dataplane.Trace
	names map[int32]string // of interfaces
	tick  *time.Ticker
}

// Trace begins a trace. There is one at a time.
func (i *Inspector) Trace(q api.TraceQuestion) (api.TraceSource, error) {
	match, err := trace.Parse(q.Filter)
	if err != nil {
		return nil, err
	}
	t, err := i.Engine.StartTrace(dataplane.TraceConfig{Match: match, Sample: q.Sample, SnapLen: q.SnapLen})
	if errors.Is(err, dataplane.ErrTraced) {
		return nil, fmt.Errorf("%w: %w: there is one at a time; end that one first", api.ErrBusy, err)
	}
	if err != nil {
		return nil, err
	}
	i.Log("trace begins", "filter", q.Filter, "sample", max(q.Sample, 1))
	return &tracing{i, t, map[int32]string{}, time.NewTicker(traceInterval)}, nil
}

// Close ends the trace.
func (t *tracing) Close() {
	t.trace.Stop()
	t.tick.Stop()
	t.Log("trace ends")
}

// Next waits for frames. It polls: workers need not wake anybody.
func (t *tracing) Next(ctx context.Context) ([]api.TraceLine, error) {
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-t.tick.C:
		}
		frames, lost := t.trace.Take()
		if len(frames) == 0 && lost == 0 {
			continue
		}
		lines := make([]api.TraceLine, 0, len(frames)+1)
		for i := range frames {
			lines = append(lines, t.line(&frames[i]))
		}
		if lost > 0 {
			lines = append(lines, api.TraceLine{NotShown: lost})
		}
		return lines, nil
	}
}

// line is f for the control socket.
func (t *tracing) line(f *dataplane.Traced) api.TraceLine {
	h := &f.Header
	l := api.TraceLine{Time: t.Wall(f.Time), In: t.name(f.In), Out: t.name(f.Out),
		Verdict: f.Verdict.String(), Reason: f.Reason.String(), Protocol: carried(h), GSOSize: int(f.GSOSize), Length: f.Length, Data: f.Data}
	if f.Server != (frame.Addr{}) {
		l.Server = f.Server.String()
	}
	if l.Protocol != "" && l.Protocol != "arp" {
		l.Src, l.SrcPort, l.Dst, l.DstPort, l.Fragment = h.Src.String(), h.SrcPort, h.Dst.String(), h.DstPort, int(h.FragOff)
	}
	if h.Proto == frame.ProtoTCP && h.FragOff == 0 {
		l.Flags = flagsText(h.Flags)
	}
	return l
}

// carried names what a frame carries as the filter language does: an IP protocol
// or "arp"; empty where it is neither or could not be read.
func carried(h *frame.Header) string {
	switch {
	case h.Kind == frame.ARP:
		return "arp"
	case !h.HasAddrs():
		return ""
	}
	return h.Proto.String()
}

// name is the name of an interface; empty for none. It is asked for once.
func (t *tracing) name(index int32) string {
	name, ok := t.names[index]
	if !ok && index != 0 {
		name = t.NICs.Name(int(index))
		t.names[index] = name
	}
	return name
}

// flagsText are TCP's by their letters, SYN and FIN first; "." is ACK alone, as
// tcpdump has it.
func flagsText(f uint8) string {
	var b []byte
	for _, x := range []struct {
		bit    uint8
		letter byte
	}{{frame.SYN, 'S'}, {frame.FIN, 'F'}, {frame.RST, 'R'}, {frame.PSH, 'P'}, {frame.URG, 'U'}, {frame.ACK, '.'}} {
		if f&x.bit != 0 {
			b = append(b, x.letter)
		}
	}
	return string(b)
}
