package netlab

import (
	"net"

	"lvsdr/bench/netns"
)

// A Role is the part of a host in the topology. Its value is the byte that makes a
// MAC address readable.
type Role byte

// The roles.
const (
	RoleClient   Role = 0xcc
	RoleDirector Role = 0xdd
	RoleServer   Role = 0x55                   // "SS"
	RoleSwitch        = Role(netns.KindSwitch) // a bridge and its ports
	RoleRouter   Role = 0xee
	RoleOther         = Role(netns.KindOther)
)

// String is the role in words.
func (r Role) String() string {
	switch r {
	case RoleClient:
		return "client"
	case RoleDirector:
		return "director"
	case RoleServer:
		return "real server"
	case RoleSwitch:
		return "switch"
	case RoleRouter:
		return "router"
	case RoleOther:
		return "host"
	}
	return "role?"
}

// MAC is the locally administered address of the n-th host of a role,
// counting from 1: 02:00:00:00:dd:01 is the director, 02:00:00:00:cc:02 the
// second client, 02:00:00:00:55:03 the third real server.
func MAC(r Role, n int) net.HardwareAddr { return netns.MAC(netns.Kind(r), n) }

// portMAC is the address of the port-th interface, from 0, of the n-th host of a
// role: 02:00:01:00:dd:01 is the director's second one.
func portMAC(r Role, n, port int) net.HardwareAddr {
	mac := MAC(r, n)
	mac[2] = byte(port)
	return mac
}
