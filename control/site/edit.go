package site

import (
	"lvsdr/dataplane"
)

// An Op is a kind of edit.
type Op uint8

// The kinds of edit.
const (
	AddService  Op = iota // without servers
	EditService           // all of it but its key and its servers
	DelService            // with its servers
	AddServer             // at the head of the service's list
	EditServer            // weight and thresholds
	DelServer
	Flush   // every service goes
	Drain   // the server has weight 0, until that is undone
	Undrain // undoes Drain
)

var opNames = [...]string{"add service", "edit service", "delete service",
	"add server", "edit server", "delete server", "flush", "drain server", "undo the draining of server"}

// String is the kind in words, such as "add server".
func (o Op) String() string {
	if int(o) < len(opNames) {
		return opNames[o]
	}
	return "edit?"
}

// An Edit is one edit of a Table: what ipvsadm asks for, and what the director
// is told.
type Edit struct {
	Op Op
	// Service is the service; for all but AddService and EditService its Key
	// alone counts.
	Service dataplane.ServiceConfig
	// Server is the real server of AddServer, EditServer, DelServer, Drain and Undrain;
	// the last three name it by address and port.
	Server dataplane.ServerConfig
}

// An Owner says who put a service or a server into the table.
type Owner uint8

// The owners. The file takes over what it adds or edits; an edit by ipvsadm
// leaves the owner as it is.
const (
	File Owner = iota
	Runtime
)

// String is "file" or "runtime".
func (by Owner) String() string {
	if by == Runtime {
		return "runtime"
	}
	return "file"
}
