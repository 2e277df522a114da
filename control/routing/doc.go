// Package routing sets the routes and rules of VRRP instances on the master, and those that a file asks for in every
// role (virtual_routes, virtual_rules, static_routes, static_rules).
//
// Routes and rules that other programs have made stay, unless a file names the very same ones.
package routing
