// Package offload has the kernel forward the plain segments of established flows, by
// a BPF program at the ingress of an interface (tcx or clsact). The director stays the
// only one who decides: a flow is forwarded by the kernel because the director put it
// into a table that the program looks into, and everything that could change a
// decision (the first packets, SYN, FIN, RST, fragments, options, other methods) goes
// up to the director.
//
// The program is assembled here, for both families. It needs Linux 5.11 and CAP_BPF,
// CAP_NET_ADMIN; with CAP_PERFMON it is faster. It calls no helper that is reserved for
// programs under the GPL.
package offload
