// Package ask holds what a health check asks a server and which answer it takes as
// good, as plain values: what keepalived.conf says in a check's block, without when
// and from where it is asked. Package keepalived reads them, package check asks.
//
// Two values of the same String ask the same.
package ask
