// Package keepalived reads keepalived.conf, the configuration language of the
// director, as it is written for keepalived(8).
//
// There are two layers. Parse turns files into a tree of Nodes and knows
// nothing about keywords but which take a command: comments, quotes, escapes,
// include, definitions, repeated and conditional lines and braces end there. Load gives the tree a meaning: a
// table of words for each block says which words are legal where, how many
// arguments they take and which function reads them; the result is a Config in
// which inheritance and defaults are resolved.
//
// Nothing in a file is silently ignored. A word of keepalived that has no
// effect yet is reported as a Note, a questionable value as a Warning, a wrong
// word or value as an Error; every report names file, line and keyword. Only a
// file that cannot be read is fatal. Where keepalived goes on with a default
// after a mistake, so does Load; what cannot be served at all is left out, and
// its Diagnostic says so.
//
// These words are not keepalived's: lvsdr_mac in real_server, lvsdr_slow_start, lvsdr_rise, lvsdr_passive_failure and lvsdr_flap_damping there and in virtual_server, lvsdr_panic_threshold in virtual_server, persistence_default and dr_check, both in
// global_defs.
package keepalived
