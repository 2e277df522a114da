package conntrack

import (
	"errors"
	"math/rand"
	"reflect"
	"slices"
	"testing"

	"lvsdr/dataplane/frame"
)

func destKey(n int) DestKey {
	return DestKey{Service: ServiceKey{Proto: frame.ProtoTCP, Addr: vip, Port: 80},
		Addr: frame.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), Port: 80}
}

// A slowDests is the registry as its definition reads.
type slowDests struct {
	gens    map[uint32]uint16 // of each slot that was ever used
	held    map[DestKey]DestRef
	method  map[DestKey]Method
	removed []DestKey         // newest last
	idle    map[DestKey]int64 // of those in removed, and of no other
}

// takeOut takes k, if it is there, out of the removed ones.
func (s *slowDests) takeOut(k DestKey) {
	if _, removed := s.idle[k]; removed {
		delete(s.idle, k)
		s.removed = slices.DeleteFunc(s.removed, func(x DestKey) bool { return x == k })
	}
}

// check compares all that can be seen.
func (s *slowDests) check(t *testing.T, d *Dests) {
	t.Helper()
	if d.Len() != len(s.held) {
		t.Fatalf("%d destinations, want %d", d.Len(), len(s.held))
	}
	for k, ref := range s.held {
		got, ok := d.Dest(ref)
		if r, known := d.Ref(k); !ok || !known || r != ref || got.DestKey != k || got.Method != s.method[k] {
			t.Fatalf("%v is %+v, %v, with reference %d, want %d", k, got, ok, r, ref)
		}
		if since, removed := s.idle[k]; removed && got.IdleSince != since {
			t.Fatalf("%v is idle since %d, want %d", k, got.IdleSince, since)
		}
	}
	var removed []DestKey
	for ref := range d.Removed() {
		got, _ := d.Dest(ref)
		removed = append(removed, got.DestKey)
	}
	slices.Reverse(removed)
	if !slices.Equal(removed, s.removed) {
		t.Fatalf("removed are %v, want %v", removed, s.removed)
	}
}

// Whatever is added, removed and forgotten in whatever order, the registry is
// what its definition says; a reference never names two destinations.
func TestDestsAreThoseOfTheirDefinition(t *testing.T) {
	for seed := range int64(20) {
		r := rand.New(rand.NewSource(seed))
		d := &Dests{}
		s := &slowDests{gens: map[uint32]uint16{}, held: map[DestKey]DestRef{}, method: map[DestKey]Method{}, idle: map[DestKey]int64{}}
		used := map[DestRef]bool{}
		for step := range 3000 {
			k := destKey(r.Intn(600))
			ref, known := s.held[k]
			_, removed := s.idle[k]
			switch op := r.Intn(4); {
			case (op == 0 || op == 1) && (!known || removed):
				m := Method(r.Intn(int(numMethods)))
				got, revived, err := d.Add(k, m)
				if err != nil || revived != known || revived && got != ref {
					t.Fatalf("seed %d step %d: Add gave %d, %v, %v; had %d, %v", seed, step, got, revived, err, ref, known)
				}
				if !revived {
					if used[got] {
						t.Fatalf("seed %d step %d: reference %d named another destination before", seed, step, got)
					}
					used[got] = true
					if gen, ok := s.gens[got.Slot()]; ok && got.Gen() != (gen+1)&(1<<genBits-1) {
						t.Fatalf("slot %d has generation %d behind %d", got.Slot(), got.Gen(), gen)
					}
					s.gens[got.Slot()] = got.Gen()
				}
				s.held[k], s.method[k] = got, m
				s.takeOut(k)
			case op == 2 && known && !removed:
				d.Remove(ref, int64(step))
				s.removed, s.idle[k] = append(s.removed, k), int64(step)
			case op == 3 && removed && r.Intn(2) == 0:
				d.Touch(ref, int64(step))
				s.idle[k] = int64(step)
			case op == 3 && removed:
				d.Forget(ref)
				delete(s.held, k)
				s.takeOut(k)
				if _, ok := d.Dest(ref); ok {
					t.Fatalf("seed %d step %d: a forgotten destination is still known", seed, step)
				}
			}
			if step%50 == 0 {
				s.check(t, d)
			}
		}
		s.check(t, d)
		if slots := len(s.gens); slots > 600 {
			t.Errorf("seed %d: %d slots were used for at most 600 destinations", seed, slots)
		}
	}
}

// All removed destinations can be forgotten, or taken back, in one walk.
func TestDestsForgottenDuringAWalk(t *testing.T) {
	d := &Dests{}
	for i := range 3 * DestPage {
		ref, _, err := d.Add(destKey(i), Direct)
		if err != nil {
			t.Fatal(err)
		}
		d.Remove(ref, 0)
	}
	for ref := range d.Removed() {
		if k, _ := d.Dest(ref); ref.Slot()%3 == 0 {
			if _, revived, err := d.Add(k.DestKey, Direct); !revived || err != nil {
				t.Fatal(revived, err)
			}
		} else {
			d.Forget(ref)
		}
	}
	for range d.Removed() {
		t.Fatal("a removed destination is left")
	}
	if d.Len() != DestPage {
		t.Errorf("%d destinations are left, want %d", d.Len(), DestPage)
	}
}

// Where there is no memory for more records, there is an error and nothing has
// changed.
func TestDestsWithoutRoom(t *testing.T) {
	full := errors.New("no memory")
	asked := 0
	d := &Dests{Room: func(n int) ([]Dest, error) {
		if asked++; asked > 1 {
			return nil, full
		}
		return make([]Dest, n), nil
	}}
	for i := range DestPage {
		if _, _, err := d.Add(destKey(i), Direct); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if _, _, err := d.Add(destKey(DestPage), Direct); !errors.Is(err, full) {
			t.Errorf("%v, want %v", err, full)
		}
	}
	if d.Len() != DestPage {
		t.Errorf("%d destinations, want %d", d.Len(), DestPage)
	}
}

// References to nothing are not taken for destinations.
func TestDestOfNoDestination(t *testing.T) {
	d := &Dests{}
	if _, ok := d.Dest(0); ok {
		t.Error("an empty registry has a destination")
	}
	ref, _, _ := d.Add(destKey(1), Direct)
	for _, other := range []DestRef{MakeDestRef(ref.Slot(), ref.Gen()+1), MakeDestRef(ref.Slot()+1, 0), MakeDestRef(MaxDests-1, 0)} {
		if _, ok := d.Dest(other); ok {
			t.Errorf("reference %d names a destination", other)
		}
	}
}

// A record has no pointers, so that it can be in memory the collector does not
// know.
func TestDestRecord(t *testing.T) {
	var plain func(reflect.Type) bool
	plain = func(x reflect.Type) bool {
		switch x.Kind() {
		case reflect.Struct:
			for i := range x.NumField() {
				if !plain(x.Field(i).Type) {
					return false
				}
			}
			return true
		case reflect.Array:
			return plain(x.Elem())
		}
		return x.Kind() >= reflect.Bool && x.Kind() <= reflect.Complex128 && x.Kind() != reflect.Uintptr
	}
	if !plain(reflect.TypeFor[Dest]()) || !plain(reflect.TypeFor[Entry]()) || !plain(reflect.TypeFor[Pair]()) {
		t.Error("a record has a pointer")
	}
}

func TestMethodNames(t *testing.T) {
	seen := map[string]bool{}
	for m := range numMethods + 1 {
		if seen[m.String()] || m.String() == "" {
			t.Errorf("method %d is called %q, as another is", m, m)
		}
		seen[m.String()] = true
	}
}
