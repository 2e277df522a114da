package ipvsadm

// A command is the first word of every command line: the operation.
type command uint16

// The commands, as bits of a set.
const (
	addService command = 1 << iota
	editService
	delService
	clearAll
	restore
	save
	addServer
	editServer
	delServer
	list
	zero
	set
	startDaemon
	stopDaemon
	help
	version
)

// The commands that options are about.
const (
	ofService = addService | editService | delService | addServer | editServer | delServer
	ofServer  = addServer | editServer
	daemons   = startDaemon | stopDaemon
)

// commands are all commands. name is the one in messages.
var commands = [...]struct {
	command command
	name    string
	short   string // letters
	long    string
	value   string // what follows it; empty: nothing
	help    string
}{
	{addService, "add-service", "A", "add-service", "", "make a virtual service"},
	{editService, "edit-service", "E", "edit-service", "", "change a virtual service; what is not given gets its default"},
	{delService, "delete-service", "D", "delete-service", "", "remove a virtual service and its servers"},
	{clearAll, "flush", "C", "clear", "", "remove all virtual services"},
	{restore, "restore", "R", "restore", "", "carry out commands from standard input, one a line"},
	{save, "save", "S", "save", "", "print the commands that make what there is"},
	{addServer, "add-server", "a", "add-server", "", "add a real server to a service"},
	{editServer, "edit-server", "e", "edit-server", "", "change a real server of a service"},
	{delServer, "delete-server", "d", "delete-server", "", "remove a real server from a service"},
	{list, "list", "Ll", "list", "", "list services, connections or timeouts; the default"},
	{zero, "zero", "Z", "zero", "", "set the counters of a service, or of all, to zero"},
	{set, "set", "", "set", "", "change timeouts, seconds: tcp tcpfin udp; 0 keeps one"},
	{startDaemon, "start-daemon", "", "start-daemon", "state", "start a sync daemon: master, which sends, or backup"},
	{stopDaemon, "stop-daemon", "", "stop-daemon", "state", "stop a sync daemon"},
	{help, "help", "h", "help", "", "print this"},
	{version, "version", "v", "version", "", "print the version"},
}

// An option is the meaning of an option, whatever its spelling. The order is that
// in which they are checked.
type option uint8

// The options.
const (
	numeric option = iota
	connection
	serviceAddress
	scheduling
	persistent
	netmask
	realServer
	forwarding
	weight
	upperThreshold
	lowerThreshold
	mcastInterface
	timeout
	daemon
	stats
	rate
	thresholds
	persistentConn
	noSort
	syncID
	exact
	onePacket
	engine
	schedFlags
	mcastGroup
	mcastPort
	mcastTTL
	syncMaxLen
	tunInfo
	tunType
	tunPort
	tunNoCsum
	tunCsum
	tunRemCsum
	numOptions

	unruled = numOptions // --sort, -6: legal everywhere, any number of times
)

// rules are the legality matrix: which commands take an option, and which
// cannot do without. It takes one of the options that are alone with list.
// -L takes --syncid: so does ipvsadm 1.31.
var rules = [numOptions]struct {
	name  string
	legal command
	need  command
	alone bool
}{
	numeric:        {"numeric", list | save, 0, false},
	connection:     {"connection", list, 0, true},
	serviceAddress: {"service-address", ofService | list | zero, ofService, true},
	scheduling:     {"scheduler", addService | editService, 0, false},
	persistent:     {"persistent", addService | editService, 0, false},
	netmask:        {"netmask", addService | editService, 0, false},
	realServer:     {"real-server", ofServer | delServer, ofServer | delServer, false},
	forwarding:     {"forwarding-method", ofServer, 0, false},
	weight:         {"weight", ofServer, 0, false},
	upperThreshold: {"u-threshold", ofServer, 0, false},
	lowerThreshold: {"l-threshold", ofServer, 0, false},
	mcastInterface: {"mcast-interface", startDaemon, 0, false},
	timeout:        {"timeout", list, 0, true},
	daemon:         {"daemon", list, 0, true},
	stats:          {"stats", list, 0, false},
	rate:           {"rate", list, 0, false},
	thresholds:     {"thresholds", list, 0, false},
	persistentConn: {"persistent-conn", list, 0, false},
	noSort:         {"nosort", list, 0, false},
	syncID:         {"syncid", list | daemons, 0, false},
	exact:          {"exact", list, 0, false},
	onePacket:      {"ops", addService | editService, 0, false},
	engine:         {"pe", addService | editService, 0, false},
	schedFlags:     {"sched-flags", addService | editService, 0, false},
	mcastGroup:     {"mcast-group", startDaemon, 0, false},
	mcastPort:      {"mcast-port", startDaemon, 0, false},
	mcastTTL:       {"mcast-ttl", startDaemon, 0, false},
	syncMaxLen:     {"sync-maxlen", startDaemon, 0, false},
	tunInfo:        {"tun-info", list, 0, false},
	tunType:        {"tun-type", ofServer, 0, false},
	tunPort:        {"tun-port", ofServer, 0, false},
	tunNoCsum:      {"tun-nocsum", ofServer, 0, false},
	tunCsum:        {"tun-csum", ofServer, 0, false},
	tunRemCsum:     {"tun-remcsum", ofServer, 0, false},
}

// A spelling is an option as it is written.
type spelling struct {
	long   string
	short  byte // 0: none
	value  string
	option option
	// read takes over the value; nil: the option alone says it all.
	read func(*request, string) error
	help string
}

// lax marks the value of -p, which may be left out.
const lax = "[timeout]"

// spellings lists all spellings, in the order of the help.
func spellings() []spelling {
	return []spelling{
		{"tcp-service", 't', "host[:port]", serviceAddress, (*request).tcpService, "a service on TCP"},
		{"udp-service", 'u', "host[:port]", serviceAddress, (*request).udpService, "a service on UDP"},
		{"sctp-service", 0, "host[:port]", serviceAddress, (*request).sctpService, "a service on SCTP"},
		{"fwmark-service", 'f', "mark", serviceAddress, (*request).markService, "a service of marked packets"},
		{"ipv6", '6', "", unruled, (*request).ipv6, "of a mark: it is about IPv6"},
		{"scheduler", 's', "name", scheduling, (*request).schedulerName, "rr wrr lc wlc lblc lblcr dh sh sed nq fo ovf mh twos (wlc)"},
		{"pe", 0, "engine", engine, (*request).engineName, "not supported"},
		{"persistent", 'p', lax, persistent, (*request).persistence, "a client stays with its server (360 s)"},
		{"netmask", 'M', "mask", netmask, (*request).clientMask, "which clients are one; IPv6: a prefix length"},
		{"real-server", 'r', "host[:port]", realServer, (*request).realServer, "a real server"},
		{"gatewaying", 'g', "", forwarding, (*request).direct, "Direct Routing, the default"},
		{"ipip", 'i', "", forwarding, (*request).overTunnel, "not supported"},
		{"masquerading", 'm', "", forwarding, (*request).masquerade, "not supported"},
		{"tun-type", 0, "type", tunType, (*request).tunnelType, "not supported"},
		{"tun-port", 0, "port", tunPort, (*request).tunnelPort, "not supported"},
		{"tun-nocsum", 0, "", tunNoCsum, nil, "not supported"},
		{"tun-csum", 0, "", tunCsum, nil, "not supported"},
		{"tun-remcsum", 0, "", tunRemCsum, nil, "not supported"},
		{"weight", 'w', "number", weight, (*request).serverWeight, "share of new connections (1); 0: none"},
		{"u-threshold", 'x', "number", upperThreshold, (*request).upper, "connections at which a server is full (0: never)"},
		{"l-threshold", 'y', "number", lowerThreshold, (*request).lower, "connections below which it no longer is"},
		{"mcast-interface", 0, "interface", mcastInterface, (*request).mcastInterface, "of a sync daemon: where its messages go and come (eth0)"},
		{"timeout", 0, "", timeout, nil, "list the timeouts"},
		{"daemon", 0, "", daemon, nil, "list the sync daemons"},
		{"connection", 'c', "", connection, nil, "list the connections"},
		{"stats", 0, "", stats, nil, "list the counters"},
		{"rate", 0, "", rate, nil, "list the rates"},
		{"exact", 'X', "", exact, nil, "do not shorten numbers"},
		{"thresholds", 0, "", thresholds, nil, "list the thresholds"},
		{"persistent-conn", 0, "", persistentConn, nil, "list the persistence templates"},
		{"tun-info", 0, "", tunInfo, nil, "list the tunnels: none"},
		{"nosort", 0, "", noSort, nil, "servers in the scheduler's order"},
		{"sort", 0, "", unruled, nil, "no effect"},
		{"syncid", 0, "id", syncID, (*request).syncID, "its ID, 0 to 255; a backup with 0 takes all (0)"},
		{"sync-maxlen", 0, "bytes", syncMaxLen, (*request).syncMaxLen, "length of its messages"},
		{"mcast-group", 0, "address", mcastGroup, (*request).mcastGroup, "its multicast group (224.0.0.81)"},
		{"mcast-port", 0, "port", mcastPort, (*request).mcastPort, "its UDP port (8848)"},
		{"mcast-ttl", 0, "hops", mcastTTL, (*request).mcastTTL, "TTL of its packets (1)"},
		{"ops", 'o', "", onePacket, nil, "UDP: schedule every packet by itself"},
		{"numeric", 'n', "", numeric, nil, "no names of hosts and ports"},
		{"sched-flags", 'b', "flags", schedFlags, (*request).flagNames, "of sh and mh: sh-port sh-fallback mh-port mh-fallback"},
	}
}
