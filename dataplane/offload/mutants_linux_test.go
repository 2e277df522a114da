package offload

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"lvsdr/dataplane"
	"lvsdr/dataplane/frame"
)

// conditional reports whether an instruction is a jump that depends on something.
func conditional(i asm.Instruction) bool {
	if c := i.OpCode.Class(); c != asm.JumpClass && c != asm.Jump32Class {
		return false
	}
	op := i.OpCode.JumpOp()
	return op != asm.Ja && op != asm.Call && op != asm.Exit
}

// without is the program with one condition taken out: the jump is never made.
func without(ins asm.Instructions, at int) asm.Instructions {
	ins = slices.Clone(ins)
	i := ins[at].WithReference("")
	i.OpCode, i.Dst, i.Src, i.Offset, i.Constant = asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja), 0, 0, 0, 0
	ins[at] = i
	return ins
}

// unseen says why nothing finds the absence of a condition, by the field of the frame that the
// instruction before has loaded and the jump's target; "": it is to be found.
func unseen(before, jump asm.Instruction) string {
	switch loads := before.Src == ctx && before.OpCode.Class() == asm.LdXClass; {
	case loads && before.Offset == skbVLAN:
		return "a test run has no tag that the kernel has taken off"
	case loads && before.Offset == skbGSOSize:
		return "a test run has no super-frames"
	case before.Src == found && before.OpCode.Class() == asm.LdXClass && before.Offset == destPeer:
		return "a test run sends no frame"
	case loads && before.Offset == skbLen && jump.OpCode.JumpOp() == asm.JLT, before.IsBuiltinCall() && before.Constant == int64(asm.FnSkbPullData), strings.HasPrefix(jump.Reference(), "parse"):
		return "the end of the data is looked at once more"
	case jump.OpCode.JumpOp() == asm.JNE && jump.Constant == int64(frame.ProtoUDP) && jump.Dst == asm.R1:
		return "another protocol has no flow"
	case strings.HasPrefix(jump.Reference(), "same"):
		return "it saves a store of what is there"
	}
	return ""
}

// Each condition of the way of a frame is needed: without it the kernel refuses the program, or
// it forwards what the director would not, or leaves what it would.
func TestEachConditionOfTheProgramIsNeeded(t *testing.T) {
	process := core(t)
	_, tab := kernel(t, 0)
	whole := assemble(tab.fds(), mark)
	n, refused, found := 0, 0, 0
	for at, i := range whole.Instructions {
		if i.Symbol() == "pass" {
			break // the shield's are tested by name
		}
		if !conditional(i) || unseen(whole.Instructions[at-1], i) != "" {
			continue
		}
		n++
		spec := whole.Copy()
		spec.Instructions = without(whole.Instructions, at)
		prog, err := ebpf.NewProgram(spec)
		if err != nil {
			refused++
			continue
		}
		if wrong := judge(prog, tab, process); wrong != nil {
			found++
		} else {
			t.Errorf("nothing finds that instruction %d is missing: %v", at, i)
		}
		prog.Close()
	}
	t.Logf("%d conditions: the kernel refuses %d programs without one, and %d are found", n, refused, found)
	if found < n/2 {
		t.Errorf("%d of %d are found, the kernel refuses %d programs: the test looks at too little", found, n, refused)
	}
}

// judge tells what a program does wrong.
func judge(prog *ebpf.Program, tab *tables, process func([]byte) *dataplane.Packet) error {
	if err := handsOver(prog, tab); err != nil {
		return err
	}
	again(tab)
	if err := falls(prog, tab); err != nil {
		return err
	}
	for _, e := range families {
		f := e.frame(frame.ProtoTCP, "A")
		f[0] = 2 // another host's address
		if ret, err := prog.Run(&ebpf.RunOptions{Data: bytes.Clone(f), DataOut: make([]byte, len(f)+256), Repeat: 1}); err != nil || ret == redirected {
			return fmt.Errorf("a frame to another host: %d, %v", ret, err)
		}
	}
	_, _, err := differ(prog, tab, process, 10000)
	return err
}

// falls tells whether the program forwards when no director has been there for as long as silence,
// or leaves frames before.
func falls(prog *ebpf.Program, tab *tables) error {
	beat := load64(tab.headMem, headBeat)
	defer store64(tab.headMem, headBeat, beat)
	if err := tab.setClock(1); err != nil {
		return err
	}
	tick := load64(tab.headMem, headTick)
	for _, e := range families {
		for silent, forwards := range map[time.Duration]bool{silence / 2: true, silence + time.Second: false} {
			f := e.frame(frame.ProtoTCP, "A")
			clear(f[:6])
			store64(tab.headMem, headBeat, tick-uint64(int64(silent)/tickLength()))
			ret, err := prog.Run(&ebpf.RunOptions{Data: f, DataOut: make([]byte, len(f)+256), Repeat: 1})
			if err != nil || (ret == redirected) != forwards {
				return fmt.Errorf("no director for %v: %d, %v", silent, ret, err)
			}
		}
	}
	return nil
}
