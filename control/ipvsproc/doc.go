// Package ipvsproc writes /proc/net/ip_vs, ip_vs_conn and ip_vs_stats as a kernel with IPVS has them
// to a folder of the administrator's, so that programs which read those work unchanged:
// above all node_exporter, with its --path.procfs.
//
//	DIR/net/ip_vs        services and servers
//	DIR/net/ip_vs_conn   connections and templates
//	DIR/net/ip_vs_stats  totals
package ipvsproc
