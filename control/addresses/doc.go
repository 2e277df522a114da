// Package addresses puts the addresses of VRRP instances on the interfaces of this host while
// the instance is master, and takes them off otherwise: those that are no addresses of
// virtual services, which the director announces without having them.
//
// An address that an instance names belongs to it, as with keepalived: one that is there
// before the instance is master, because a director that crashed left it, say, is
// removed. Whatever no instance names is not touched.
package addresses
