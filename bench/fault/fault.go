// Package fault is a library of the ways in which an LVS site is broken in
// practice. Each Fault can be caused in a running lab of netlab, says what causes
// it in real life, and recognises its symptom in captured frames. The lab verb
// shows them, and the doctor is tested with them.
//
//	lab, err := netlab.Build(ctx, netlab.Spec{})
//	err = lab.StartHTTP(port)
//	config := lab.Config(netlab.Service{Port: port, Persistence: "0"})
//	director, err := lab.StartDirector(ctx, binary, config)
//	scene := &fault.Scene{Lab: lab, Director: director, Config: config, Port: port, Binary: binary}
//	defer scene.Close()
//	err = fault.All()[0].Break(ctx, scene)
package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lvsdr/bench/netlab"
)

// A Fault is one way to break a site.
type Fault struct {
	Name    string // in kebab-case
	Summary string // in one line
	Explain string // what causes it and what is seen, in lines of at most 80 characters
	// Method is that of the labs in which there can be such a fault.
	Method netlab.Method
	// Unfit says why there can be no such fault in a lab of that shape; empty:
	// there can. Nil stands for always.
	Unfit func(spec netlab.Spec) string
	// Break causes it in a site that works, and returns when the fault is in
	// force. The scene's Close ends what Break has started; the fault itself stays
	// until the lab is closed.
	Break func(ctx context.Context, s *Scene) error
	// Shows looks for the symptom in what an Observer saw.
	Shows func(e *Evidence) Finding
}

// All are the faults, the most useful to know first.
func All() []Fault {
	return []Fault{
		rsWithoutVIP(), rsAnswersARP(), rsWrongPort(), rsFirewall(), rpFilter(), smallMTU(), rsMACChanged(),
		vipOnDirector(), twoDirectors(), checksumOffload(), natGateway(), tunnelMissing(), tunnelRPFilter(),
	}
}

// Fits is an error where there can be no such fault in a lab of that shape.
func (f *Fault) Fits(spec netlab.Spec) error {
	if f.Method != spec.Method {
		return fmt.Errorf("%s: it is a fault of %s, and the lab's method is %s", f.Name, f.Method, spec.Method)
	}
	if f.Unfit == nil {
		return nil
	}
	if why := f.Unfit(spec); why != "" {
		return fmt.Errorf("%s: %s", f.Name, why)
	}
	return nil
}

// Find is the fault of that name. The error lists those there are.
func Find(name string) (Fault, error) {
	all := All()
	i := slices.IndexFunc(all, func(f Fault) bool { return f.Name == name })
	if i >= 0 {
		return all[i], nil
	}
	var names []string
	for _, f := range all {
		names = append(names, f.Name)
	}
	return Fault{}, fmt.Errorf("no fault %q; there are %s", name, strings.Join(names, ", "))
}

// A Scene is a site that works, to be broken: a lab in which every real server
// serves HTTP on Port by its node's HTTP (Lab.StartHTTP), and a director.
type Scene struct {
	Lab *netlab.Lab
	// Director runs on the lab's director. A fault that puts something else in
	// its place ends it and sets this to nil.
	Director *netlab.Director
	Config   string // of Director, for a second one
	Port     uint16 // of the service
	Binary   string // path of lvsdr

	closers []func() error
}

// Victim is the real server that faults of real servers befall: the first one.
func (s *Scene) Victim() *netlab.Node { return s.Lab.Servers[0] }

// later makes Close call fn.
func (s *Scene) later(fn func() error) { s.closers = append(s.closers, fn) }

// Close ends what faults have started. It is to be called before the lab is
// closed; a second call does nothing.
func (s *Scene) Close() error {
	var errs []error
	for _, fn := range slices.Backward(s.closers) {
		errs = append(errs, fn())
	}
	s.closers = nil
	return errors.Join(errs...)
}
