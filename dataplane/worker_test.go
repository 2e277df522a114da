package dataplane_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"testing"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
	"lvsdr/dataplane/frame/build"
	"lvsdr/dataplane/memport"
)

// A scripted port hands out its batches, and then fails with err.
type scripted struct {
	batches [][][]byte
	err     error // of Recv, when there are no more batches
	sendErr error
	sent    []string // what was forwarded or answered
}

var _ dataplane.NIC = (*scripted)(nil)

func (p *scripted) Recv(b *dataplane.Batch) error {
	if len(p.batches) == 0 {
		return p.err
	}
	b.Packets, b.In = b.Packets[:0], clientSide
	for _, f := range p.batches[0] {
		b.Packets = append(b.Packets, dataplane.Packet{Data: f})
	}
	p.batches = p.batches[1:]
	return nil
}

func (p *scripted) Send(b *dataplane.Batch) error {
	for i := range b.Packets {
		if q := &b.Packets[i]; q.Verdict == dataplane.Forward {
			p.sent = append(p.sent, fmt.Sprintf("forward to server %d by %d", q.Data[5], q.Out))
		}
	}
	for _, r := range b.Replies {
		p.sent = append(p.sent, fmt.Sprintf("reply by %d", r.Out))
	}
	return p.sendErr
}

func (p *scripted) Wake()                     {}
func (p *scripted) Stop()                     {}
func (p *scripted) Close() error              { return nil }
func (p *scripted) Stats() dataplane.NICStats { return dataplane.NICStats{} }

// arpBox copies what it is given.
type arpBox struct {
	got  [][]byte
	in   int32
	full bool
}

func (a *arpBox) Put(f []byte, in int32) bool {
	a.got, a.in = append(a.got, append([]byte{}, f...)), in
	return !a.full
}

func (l *lab) worker(p dataplane.NIC, sink dataplane.ARPSink) *dataplane.Worker {
	return &dataplane.Worker{Director: l.d, NIC: p, ARP: sink, Now: func() int64 { return l.now }}
}

func TestWorkerMovesFrames(t *testing.T) {
	arp := build.ARP{SrcMAC: clientMAC, DstMAC: frame.MAC{255, 255, 255, 255, 255, 255}, SenderIP: clientIP, TargetIP: vipIP}.Bytes()
	for _, full := range []bool{false, true} {
		l := defaultLab(t)
		p := &scripted{err: fmt.Errorf("receive: %w", os.ErrClosed), batches: [][][]byte{
			{tcp(4000, 80, "S"), arp, tcp(4000, 81, "S")}, {}, {tcp(4000, 80, "A"), arp},
		}}
		sink := &arpBox{full: full}
		if err := l.worker(p, sink).Run(); err != nil {
			t.Errorf("Run of a port that was stopped: %v", err)
		}
		*l.frames += 5
		want := []string{"forward to server 2 by 2", "reply by 1", "forward to server 2 by 2"}
		if fmt.Sprint(p.sent) != fmt.Sprint(want) {
			t.Errorf("sent %v, want %v", p.sent, want)
		}
		if len(sink.got) != 2 || string(sink.got[0]) != string(arp) || string(sink.got[1]) != string(arp) || sink.in != clientSide {
			t.Errorf("the ARP side has %d frames from interface %d, want 2 from %d", len(sink.got), sink.in, clientSide)
		}
	}
}

func TestWorkerWithoutARPSide(t *testing.T) {
	l := defaultLab(t)
	p := &scripted{err: fs.ErrClosed, batches: [][][]byte{{build.ARP{SenderIP: clientIP, TargetIP: vipIP}.Bytes()}}}
	if err := l.worker(p, nil).Run(); err != nil || len(p.sent) != 0 {
		t.Errorf("%v, sent %v", err, p.sent)
	}
	*l.frames++
	if n := l.d.Counters()[dataplane.ARPSeen]; n != 1 {
		t.Errorf("%d ARP frames counted, want 1", n)
	}
}

func TestWorkerReturnsTheErrorsOfItsPort(t *testing.T) {
	down := errors.New("the network is down")
	for _, c := range []struct {
		name string
		p    scripted
		want error
	}{
		{"of Recv", scripted{err: down}, down},
		{"of Send", scripted{err: down, sendErr: os.ErrPermission, batches: [][][]byte{{}}}, os.ErrPermission},
		{"of Send after Stop", scripted{err: down, sendErr: fs.ErrClosed, batches: [][][]byte{{}}}, nil},
	} {
		l := defaultLab(t)
		if err := l.worker(&c.p, nil).Run(); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: Run = %v, want %v", c.name, err, c.want)
		}
	}
}

// A worker that is asked answers with its next batch, and only then.
func TestAWorkerAnswersWithItsNextBatch(t *testing.T) {
	l := defaultLab(t)
	p := memport.New(memport.Config{Index: clientSide})
	w := l.worker(p, nil)
	if !w.Answered() {
		t.Error("one that was never asked owes an answer")
	}
	w.Ask()
	if w.Answered() {
		t.Error("one that does not run has answered")
	}
	done := make(chan error)
	go func() { done <- w.Run() }()
	for range 3 { // idle each time
		if err := p.Drain(); err != nil {
			t.Fatal(err)
		}
		w.Ask()
		for !w.Answered() {
			runtime.Gosched()
		}
	}
	p.Stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.Ask()
	if w.Answered() {
		t.Error("one that has ended has answered")
	}
}

// A NIC that holds its worker up, in Recv or in Send, keeps it from answering.
func TestAWorkerThatIsStuckDoesNotAnswer(t *testing.T) {
	for _, where := range []string{"receive", "send"} {
		t.Run(where, func(t *testing.T) {
			l := defaultLab(t)
			p := &stuck{NIC: memport.New(memport.Config{Index: clientSide}), where: where, in: make(chan struct{}), out: make(chan struct{})}
			w := l.worker(p, nil)
			done := make(chan error)
			go func() { done <- w.Run() }()
			p.Feed(tcp(4000, 80, "S"))
			*l.frames++
			<-p.in
			w.Ask()
			if w.Answered() {
				t.Error("it has answered")
			}
			close(p.out)
			for !w.Answered() {
				runtime.Gosched()
			}
			p.Stop()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		})
	}
}

// A stuck NIC waits in its first Recv or Send until out is closed.
type stuck struct {
	*memport.NIC
	where   string
	in, out chan struct{}
	once    sync.Once
}

func (p *stuck) wait(where string) {
	if where == p.where {
		p.once.Do(func() { close(p.in); <-p.out })
	}
}

func (p *stuck) Recv(b *dataplane.Batch) error {
	p.wait("receive")
	return p.NIC.Recv(b)
}

func (p *stuck) Send(b *dataplane.Batch) error {
	p.wait("send")
	return p.NIC.Send(b)
}
