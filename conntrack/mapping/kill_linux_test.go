package mapping

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lvsdr/conntrack"
	"lvsdr/dataplane/frame"
)

// childEnv names the file that a child works on, and childSeed the seed.
const (
	childEnv  = "MAPPING_TEST_TABLE"
	childSeed = "MAPPING_TEST_SEED"
)

func init() {
	if os.Getenv(childEnv) != "" {
		runtime.LockOSThread() // a tracer sees the first thread alone
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childEnv); name != "" {
		child(name)
	}
	os.Exit(m.Run())
}

// limitOf is small for every other seed, so that entries crowd and make room for each other,
// and large enough for the others that parts of the table are empty, again and again.
func limitOf(seed uint64) int { return []int{conntrack.MinLimit, 8 * conntrack.MinLimit}[seed%2] }

func wantOf(name string, seed uint64) Want {
	return Want{Name: name, Tables: 1, Limit: limitOf(seed), Secret: [16]byte{1, 2, 3}, Boot: [16]byte{7}}
}

// known knows the destinations of the operations.
func known(r conntrack.DestRef) bool { return r < 8 }

// serverOf is where masqueraded connections go: those to destinations of odd numbers are.
func serverOf(_ *conntrack.Table, e *conntrack.Entry) (frame.Addr, uint16, bool) {
	return frame.AddrFrom4([4]byte{10, 1, 0, byte(e.Dest())}), 8080, true
}

// wayTo is how packets get to a destination.
func wayTo(dest conntrack.DestRef) conntrack.Way {
	if dest%2 == 1 {
		return conntrack.ByMasquerade
	}
	return conntrack.ByDirect
}

// child works on a file until it is killed. It notes in the head's page behind the head
// how many operations it has begun and ended.
func child(name string) {
	seed, _ := strconv.ParseUint(os.Getenv(childSeed), 10, 64)
	f, err := OpenFile(wantOf(name, seed))
	if err == nil {
		err = f.Commit()
	}
	if err != nil {
		panic(err)
	}
	tables, _, err := conntrack.Open(f.Kept(), nil, serverOf, known, 1, 0)
	if err != nil {
		panic(err)
	}
	o := newOperations(tables[0], seed)
	p := progress(f)
	_ = unix.Kill(os.Getpid(), unix.SIGSTOP) // ready
	for {
		atomic.AddUint64(&p[0], 1)
		o.next()
		atomic.AddUint64(&p[1], 1)
	}
}

// operations are random, but the same for the same seed. Each is one call of the table.
type operations struct {
	t     *conntrack.Table
	r     *rand.Rand
	now   int64
	queue []func() // what must come next
}

func newOperations(t *conntrack.Table, seed uint64) *operations {
	return &operations{t: t, r: rand.New(rand.NewPCG(seed, 1))}
}

// key is one of a few hundred.
func (o *operations) key() conntrack.Key {
	n := o.r.IntN(400)
	k := conntrack.Key{Client: frame.AddrFrom4([4]byte{10, 0, 0, byte(n % 50)}), Virtual: frame.AddrFrom4([4]byte{192, 0, 2, 1}),
		ClientPort: uint16(n), VirtualPort: 80, Proto: frame.ProtoTCP}
	switch n % 8 {
	case 0:
		k.ClientPort, k.Template = 0, true
		k.Client[14] = byte(n)
	case 1:
		k.Proto = frame.ProtoUDP
	}
	if n%3 == 0 {
		k.Client[0], k.Virtual[0] = 0xfd, 0xfd
	}
	return k
}

func (o *operations) next() {
	if len(o.queue) > 0 {
		f := o.queue[0]
		o.queue = o.queue[1:]
		f()
		return
	}
	o.now += int64(o.r.IntN(300)) * 1e6
	k := o.key()
	h := o.t.Hash(&k)
	id := o.t.ID(&k)
	e := o.t.Peek(&id, &k)
	dice := o.r.IntN(16)
	switch {
	case dice == 0 && o.r.IntN(8) == 0:
		o.t.Sweep(o.now, 1)
	case e == nil || e.Expired(o.now):
		if o.t.Find(&k, h, o.now) == nil { // it ends one whose time is up
			o.queue = append(o.queue, func() { o.add(&k, h) })
		}
	case k.Template:
		o.template(e, dice)
	case dice < 4 && o.t.Template(e) == nil || dice == 5:
		o.t.Remove(e)
	case dice < 6:
		o.t.Retire(e, o.now)
	case dice < 9 && k.Proto == frame.ProtoTCP:
		o.t.SetState(e, conntrack.State(o.r.IntN(9)))
	default:
		o.t.Refresh(e, o.now)
	}
}

// add inserts k. A template gets its timeout next, and then a connection.
func (o *operations) add(k *conntrack.Key, h uint64) {
	dest := conntrack.DestRef(o.r.IntN(8))
	if !k.Template && wayTo(dest) == conntrack.ByMasquerade {
		e := o.t.InsertBy(conntrack.ByMasquerade, k, h, dest, nil, o.now)
		if server, port, _ := serverOf(o.t, e); e != nil {
			o.queue = append(o.queue, func() { o.t.AddReply(e, server, port, conntrack.Trail(dest), o.now) })
		}
		return
	}
	e := o.t.Insert(k, h, dest, nil, o.now)
	if !k.Template || e == nil {
		return
	}
	key := *k
	o.queue = append(o.queue, func() { o.t.SetTimeout(e, time.Duration(1+o.r.IntN(20))*time.Second, o.now) },
		func() {
			key.ClientPort, key.Template = uint16(50000+o.r.IntN(1000)), false
			if h := o.t.Hash(&key); o.t.Find(&key, h, o.now) == nil {
				o.t.Insert(&key, h, dest, e, o.now)
			}
		})
}

func (o *operations) template(e *conntrack.Entry, dice int) {
	switch {
	case dice < 4:
		o.t.Invalidate(e)
	case dice < 6:
		o.t.SetTimeout(e, time.Duration(1+o.r.IntN(20))*time.Second, o.now)
	default:
		o.t.Renew(e, o.now)
	}
}

// A seen is an entry as the calls of the package show it.
type seen struct {
	dest                conntrack.DestRef
	state               conntrack.State
	expires             time.Duration
	invalid, controlled bool
	template            bool
}

// look is all of a table that Recover keeps, by key. An invalid template is known by
// its destination too: there may be several.
func look(t *conntrack.Table) (map[string]seen, error) {
	all := map[string]seen{}
	var twice error
	bound := map[*conntrack.Entry]int{}
	t.All(func(e *conntrack.Entry) bool {
		k := t.Key(e)
		name := fmt.Sprint(k)
		if e.Retired() {
			return true
		}
		if e.Invalid() {
			name += fmt.Sprint(" invalid ", e.Dest(), e.Expires(0))
		} else if _, there := all[name]; there {
			twice = fmt.Errorf("%s is there twice", name)
		}
		if by := t.Template(e); by != nil {
			bound[by]++
		}
		if err := lookReply(t, e); err != nil {
			twice = err
		}
		all[name] = seen{e.Dest(), e.State(), e.Expires(0), e.Invalid(), e.Controlled(), k.Template}
		return true
	})
	for by, n := range bound {
		if by.Connections() < n {
			twice = fmt.Errorf("the template %v says %d connections, and has %d", t.Key(by), by.Connections(), n)
		}
	}
	return all, twice
}

// lookReply says what is wrong about the reply entry of e, if it has one; those that were
// killed before it was made have none.
func lookReply(t *conntrack.Table, e *conntrack.Entry) error {
	server, port, _ := serverOf(t, e)
	r := t.ReplyOf(e, server, port)
	if r == nil {
		return nil
	}
	k := t.Key(e)
	rk := k.ReplyKey(server, port)
	id := t.ID(&rk)
	if found := t.Peek(&id, &rk); found == nil || t.Conn(found) != e || e.Way() != conntrack.ByMasquerade || r.Trail() != conntrack.Trail(e.Dest()) {
		return fmt.Errorf("the reply entry of %v, which goes by %d, has trail %d and finds another", k, e.Way(), r.Trail())
	}
	return nil
}

// A judge knows what is in the table after each operation.
type judge struct {
	o      *operations
	done   uint64
	states map[uint64]map[string]seen
}

func newJudge(t *testing.T, seed uint64) *judge {
	table, err := conntrack.New(conntrack.Config{Limit: limitOf(seed), Secret: [16]byte{1, 2, 3}, Server: serverOf})
	if err != nil {
		t.Fatal(err)
	}
	return &judge{o: newOperations(table, seed), states: map[uint64]map[string]seen{0: {}}}
}

// after gives the entries after n operations.
func (j *judge) after(t *testing.T, n uint64) map[string]seen {
	for j.done < n {
		j.o.next()
		j.done++
		if j.done+2 >= n {
			now, err := look(j.o.t)
			if err != nil {
				t.Fatal(err)
			}
			j.states[j.done] = now
		}
	}
	return j.states[n]
}

// wrong says what is wrong about a table that was recovered when begun operations had
// been begun and ended had been ended; "": nothing.
func (j *judge) wrong(t *testing.T, got map[string]seen, begun, ended uint64) string {
	before, after := j.after(t, ended), j.after(t, begun)
	for name, e := range got {
		b, inB := before[name]
		a, inA := after[name]
		if !inB && !inA {
			return fmt.Sprintf("%s is in it, %+v", name, e)
		}
		if !inB {
			b = a
		}
		if !inA {
			a = b
		}
		if e.dest != b.dest && e.dest != a.dest || e.invalid != b.invalid && e.invalid != a.invalid ||
			e.controlled != b.controlled && e.controlled != a.controlled ||
			inB && (e.state != b.state && e.state != a.state || e.expires != b.expires && e.expires != a.expires) {
			return fmt.Sprintf("%s is %+v, was %+v, and would become %+v", name, e, b, a)
		}
	}
	for name := range before {
		if _, stays := after[name]; stays {
			_, older := j.states[ended-1][name]
			if _, there := got[name]; !there && (older || !before[name].template) { // a new template has no timeout yet
				return name + " is lost"
			}
		}
	}
	return ""
}

// recoverCopy recovers a copy of the memory of f, and says what is in it.
func recoverCopy(image []byte, maps layout) (map[string]seen, conntrack.Recovered, error) {
	f := &File{data: bytes.Clone(image), maps: maps}
	tables, found, err := conntrack.Open(f.Kept(), nil, serverOf, known, 2, 0)
	if err != nil {
		return nil, found, err
	}
	got, err := look(tables[0])
	return got, found, err
}

// startChild starts a child on a new file and waits until it is ready.
func startChild(t *testing.T, seed uint64, traced bool) (*exec.Cmd, *File) {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "mapping")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	name := dir + "/table"
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+name, fmt.Sprintf("%s=%d", childSeed, seed), "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: traced, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	for {
		var st unix.WaitStatus
		if _, err := unix.Wait4(pid, &st, unix.WUNTRACED, nil); err != nil || st.Exited() || st.Signaled() {
			t.Fatalf("the child ended: %v, %v", st, err)
		}
		if st.StopSignal() == unix.SIGSTOP {
			break
		}
		sig := st.StopSignal()
		if sig == unix.SIGTRAP {
			sig = 0
		}
		if err := unix.PtraceCont(pid, int(sig)); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := &File{name: name, file: file, maps: layoutOf(limitOf(seed), 1)}
	if err := f.mapAll(f.maps.reserved, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return cmd, f
}

// A table is whole after each store of its process: a child is led through its
// operations instruction by instruction, and wherever the file has changed a copy of it
// is recovered and compared with what there was before the operation and after it.
func TestATableIsWholeAfterEachStore(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	operations := uint64(long(8, 100))
	cmd, f := startChild(t, 1, true)
	defer cmd.Wait()
	defer cmd.Process.Kill()
	j := newJudge(t, 1)
	p := progress(f)
	body := f.data[f.maps.lines:]
	last := bytes.Clone(body)
	steps, images, half, sig := 0, 0, 0, 0
	for ; p[1] < operations; steps++ {
		if err := singleStep(cmd.Process.Pid, sig); err != nil {
			t.Fatal(err)
		}
		var st unix.WaitStatus
		if _, err := unix.Wait4(cmd.Process.Pid, &st, 0, nil); err != nil || !st.Stopped() {
			t.Fatalf("%v, %v", st, err)
		}
		if sig = 0; st.StopSignal() != unix.SIGTRAP {
			sig = int(st.StopSignal())
		}
		if bytes.Equal(body, last) {
			continue
		}
		copy(last, body)
		images++
		got, found, err := recoverCopy(f.data, f.maps)
		if err != nil {
			t.Fatalf("operation %d: %v", p[0], err)
		}
		if half += found.Half; found.Half > 1 || found.Strange+found.Loose > 0 {
			t.Fatalf("operation %d: %+v", p[0], found)
		}
		if wrong := j.wrong(t, got, p[0], p[1]); wrong != "" {
			t.Fatalf("operation %d: %s", p[0], wrong)
		}
	}
	t.Logf("%d instructions, %d operations, %d images, %d with an entry half written", steps, operations, images, half)
	if images < int(operations) {
		t.Error("the file has hardly changed")
	}
}

// A process that is killed leaves a whole table, which the next goes on with.
func TestATableOutlivesItsProcessAtAnyMoment(t *testing.T) {
	half := 0
	kills := long(20, 1000)
	for seed := range uint64(kills) {
		cmd, f := startChild(t, seed, false)
		if err := cmd.Process.Signal(unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.Uint64N(uint64(2 * time.Millisecond)))) // the moment is random, nothing waits for it
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		p := progress(f)
		begun, ended := p[0], p[1]
		name := f.name
		f.Close()
		next, err := OpenFile(wantOf(name, seed))
		if err != nil {
			t.Fatal(err)
		}
		if k := next.Kept(); k.From != nil || k.Fresh != "" {
			t.Fatalf("it begins anew: %q", k.Fresh)
		}
		tables, found, err := conntrack.Open(next.Kept(), nil, serverOf, known, 2, 0)
		if err != nil || found.Clean || found.PID != 1 || found.Half > 1 || found.Strange+found.Loose > 0 {
			t.Fatalf("seed %d: %+v, %v", seed, found, err)
		}
		half += found.Half
		got, err := look(tables[0])
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if wrong := newJudge(t, seed).wrong(t, got, begun, ended); wrong != "" {
			t.Fatalf("seed %d, operation %d: %s", seed, begun, wrong)
		}
		next.Close()
	}
	t.Logf("%d kills, %d with an entry half written", kills, half)
}

// long is much in the long tests, and less in the others.
func long(less, much int) int {
	if os.Getenv("LVSDR_LONG") != "" {
		return much
	}
	return less
}

// progress is where a child counts its operations.
func progress(f *File) *[2]uint64 { return (*[2]uint64)(part[uint64](f, headBytes/2, 2)) }

// singleStep has a traced process execute one instruction, and get a signal.
func singleStep(pid, sig int) error {
	_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SINGLESTEP, uintptr(pid), 0, uintptr(sig), 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}
