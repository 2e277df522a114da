package nics

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

// A thread that a frame wakes is not to wait for others' slices. Policy, nice value and
// slices of other threads are left as they were.
func TestAWorkersThreadHasAShortSlice(t *testing.T) {
	attr := func() unix.SchedAttr {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return *a
	}
	onThread(func() {
		before := attr()
		if before.Policy != unix.SCHED_NORMAL {
			t.Skipf("the test runs with policy %d", before.Policy)
		}
		prompt()
		after := attr()
		if before.Runtime != 0 && after.Runtime != slice { // Linux 6.12 tells of slices
			t.Errorf("the slice is %d ns, want %d", after.Runtime, slice)
		}
		if after.Nice != before.Nice || after.Policy != before.Policy {
			t.Errorf("%+v became %+v", before, after)
		}
		var other unix.SchedAttr
		onThread(func() { other = attr() })
		if other.Nice != before.Nice || other.Policy != before.Policy {
			t.Errorf("another thread has %+v", other)
		}
	})
}

// A user who starts the director with a policy, chrt --batch for one, keeps it.
func TestAThreadWithAPolicyIsLeftAlone(t *testing.T) {
	onThread(func() {
		if err := unix.SchedSetAttr(0, &unix.SchedAttr{Policy: unix.SCHED_BATCH}, 0); err != nil {
			t.Fatal(err)
		}
		before, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		prompt()
		if after, err := unix.SchedGetAttr(0, 0); err != nil || *after != *before {
			t.Errorf("%+v became %+v, %v", before, after, err)
		}
	})
}
