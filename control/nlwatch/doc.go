// Package nlwatch tells of changes in the kernel that netlink reports: interfaces
// and routes, the tables of nftables.
package nlwatch
