// Package facts reads the settings of this host that decide whether Direct
// Routing works: interfaces, addresses, routes, rules, sysctls, listeners and
// packet filter. A Host is plain data; Gather reads it from the kernel.
package facts
