// Package ruleset reads what netfilter marks packets for, and says it as lvsdr_mark
// lines do: text of `nft list ruleset` or of iptables-save goes in, marks come out, and
// a remark for each rule that such lines cannot say. It runs no command.
package ruleset
