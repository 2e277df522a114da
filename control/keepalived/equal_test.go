package keepalived

import (
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"lvsdr/control/ask"
)

// clone is a copy of v that shares nothing with it, at another place of the file.
func clone(v *VirtualServer) *VirtualServer {
	c := *v
	c.Pos.Line++
	c.RealServers = nil
	for _, r := range v.RealServers {
		s := *r
		s.Pos.Line += 2
		s.Checks = nil
		for _, k := range r.Checks {
			check := *k
			check.Pos.File += "x"
			switch a := k.Ask.(type) {
			case *ask.HTTP:
				other := *a
				other.Pages = slices.Clone(a.Pages)
				check.Ask = &other
			case *ask.SMTP:
				other := *a
				check.Ask = &other
			case *ask.UDP:
				other := *a
				check.Ask = &other
			case *ask.DNS:
				other := *a
				check.Ask = &other
			case *ask.Ping:
				other := *a
				check.Ask = &other
			case *ask.File:
				other := *a
				check.Ask = &other
			case *ask.Program:
				other := *a
				check.Ask = &other
			}
			s.Checks = append(s.Checks, &check)
		}
		c.RealServers = append(c.RealServers, &s)
	}
	return &c
}

// leaves calls f for each field in v that can be changed, with what changes it and
// changes it back; positions are passed over.
func leaves(t *rapid.T, path string, v reflect.Value, f func(path string, change, restore func())) {
	switch v.Interface().(type) {
	case Pos:
		return
	case netip.Addr:
		was := v.Interface()
		f(path, func() { v.Set(reflect.ValueOf(netip.MustParseAddr("203.0.113.77"))) }, func() { v.Set(reflect.ValueOf(was)) })
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(t, path+"."+v.Type().Field(i).Name, v.Field(i), f)
		}
	case reflect.Array:
		for i := range v.Len() {
			leaves(t, path+"[]", v.Index(i), f)
		}
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			leaves(t, path, v.Elem(), f)
		}
	case reflect.Slice:
		for i := range v.Len() {
			leaves(t, path+"[]", v.Index(i), f)
		}
		if n := v.Len(); n > 0 {
			was := v.Slice(0, n)
			f(path+" of another length", func() { v.SetLen(n - 1) }, func() { v.Set(was) })
		}
	case reflect.Bool:
		f(path, func() { v.SetBool(!v.Bool()) }, func() { v.SetBool(!v.Bool()) })
	case reflect.String:
		was := v.String()
		f(path, func() { v.SetString(was + "x") }, func() { v.SetString(was) })
	case reflect.Int, reflect.Int32, reflect.Int64:
		f(path, func() { v.SetInt(v.Int() + 1) }, func() { v.SetInt(v.Int() - 1) })
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		f(path, func() { v.SetUint(v.Uint() ^ 1) }, func() { v.SetUint(v.Uint() ^ 1) })
	default:
		t.Fatalf("%s is of kind %v: say here how to change it", path, v.Kind())
	}
}

func TestServicesAreEqualIfAllButTheirPositionsIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, v := range drawConfig(t).VirtualServers {
			o := clone(v)
			if !v.Equal(o) || !v.Equal(v) {
				t.Fatalf("%+v is not equal to itself elsewhere", v)
			}
			leaves(t, "VirtualServer", reflect.ValueOf(o), func(path string, change, restore func()) {
				change()
				if v.Equal(o) || o.Equal(v) {
					t.Fatalf("another %s makes no difference", path)
				}
				restore()
				if !v.Equal(o) {
					t.Fatalf("%s was not restored", path)
				}
			})
		}
	})
}
