package keepalived

import (
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"lvsdr/scheduler"
)

// Files is how configuration files are reached. A nil function stands for the
// host's file system. Names are cleaned paths; those of included files are
// relative when the including file's name was.
type Files struct {
	Open func(name string) (io.ReadCloser, error)
	// Glob returns the files that match a pattern of path/filepath.Match,
	// sorted. Braces are expanded before.
	Glob func(pattern string) ([]string, error)
	// Command reports whether a command is there; one without a slash is looked for
	// in $PATH.
	Command func(name string) bool
	// User and Group report whether the host has a user or a group of this name.
	User, Group func(name string) bool
}

// Limits bound what a configuration may cost. Zero fields mean the defaults.
type Limits struct {
	FileSize     int // bytes of one file; 4 MiB
	TotalSize    int // bytes of all files, and of all text made by definitions; 32 MiB
	IncludeDepth int // files open at the same time; 16
	LineLength   int // bytes of a line after definitions are put in; 64 KiB
	Nesting      int // blocks in blocks; 32
	// GroupServices is the number of services made of virtual_server_groups,
	// all together; 4096.
	GroupServices int
}

// Options say how a configuration is read. The zero Options is fit for use.
type Options struct {
	Files  Files
	Limits Limits

	// ConfigID selects the lines that start with @id; the default is the host
	// name up to its first dot, as with keepalived's -i.
	ConfigID string
	// Env looks up ${_ENV NAME}; the default is os.LookupEnv.
	Env func(name string) (string, bool)
	// Random gives a number in [0, n) for ${_RANDOM}; the default is
	// math/rand/v2.
	Random func(n uint64) uint64

	// Schedulers are the schedulers that can be used now. A service with
	// another one is left out. The default is every scheduler of IPVS.
	Schedulers []string
	// IPv6 says that IPv6 services can be served; without it they are left out.
	IPv6 bool
	// PersistenceDefault, when it is set, goes before the word
	// persistence_default of the file.
	PersistenceDefault PersistenceDefault
}

func (o Options) withDefaults() Options {
	if o.Files.Open == nil {
		o.Files.Open = func(name string) (io.ReadCloser, error) { return os.Open(name) }
	}
	if o.Files.Glob == nil {
		o.Files.Glob = filepath.Glob
	}
	if o.Files.Command == nil {
		o.Files.Command = isCommand
	}
	if o.Files.User == nil {
		o.Files.User = listed("/etc/passwd")
	}
	if o.Files.Group == nil {
		o.Files.Group = listed("/etc/group")
	}
	if o.ConfigID == "" {
		host, _ := os.Hostname() // without a name no @id line matches
		o.ConfigID, _, _ = strings.Cut(host, ".")
	}
	if o.Env == nil {
		o.Env = os.LookupEnv
	}
	if o.Random == nil {
		o.Random = rand.Uint64N
	}
	if o.Schedulers == nil {
		o.Schedulers = scheduler.Names()
	}
	l := &o.Limits
	for _, d := range []struct {
		field *int
		value int
	}{
		{&l.FileSize, 4 << 20}, {&l.TotalSize, 32 << 20}, {&l.IncludeDepth, 16}, {&l.LineLength, 64 << 10}, {&l.Nesting, 32},
		{&l.GroupServices, 4096},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	return o
}
