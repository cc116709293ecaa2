/* SPDX-License-Identifier: Apache-2.0 */
/*
 * reason.h - how a packet ended, and why: every packet has one verdict with one reason.
 *
 * The lists below are the only place where they are named: enums, strings, the documentation's
 * table and the metrics' labels come from them.  A reason is counted once per packet, on the
 * port that the packet came in by and the path that ended it; a packet that XDP hands to TC is
 * counted by TC alone, one that the device punts is counted as a punt there and with its end on
 * the host.
 */
#ifndef CXLTAB_REASON_H
#define CXLTAB_REASON_H

#include <cxltab/base.h>

#define CXLT_VERDICTS(X)                                                                \
	X(DROP, "drop", "no copy leaves")                                               \
	X(OUTPUT, "output", "at least one copy leaves by a port")                       \
	X(CONTROLLER, "controller", "an upcall and nothing else")                       \
	X(LOCAL, "local", "to the host's own stack")                                    \
	X(PUNT, "punt", "the device hands the original packet to the host")             \
	X(UNSTABLE, "unstable", "the tables moved too often: host drops, device punts") \
	X(OVERBUDGET, "overbudget", "the work budget ran out: host drops, device punts")

enum cxlt_verdict {
#define X(id, name, meaning) CXLT_V_##id,
	CXLT_VERDICTS(X)
#undef X
		CXLT_N_VERDICTS,
};

#define CXLT_REASONS(X)                                                                        \
	X(NONE, "none", "not decided yet")                                                     \
	X(RULE, "rule", "the matching rules' actions, carried out")                            \
	X(RULE_DROP, "rule_drop", "the matching rules output to no port")                      \
	X(TABLE_MISS, "table_miss", "no rule of a table matched")                              \
	X(TTL_EXPIRED, "ttl_expired", "dec_ttl met a TTL or hop limit of 0 or 1")              \
	X(NO_PORT, "no_port", "an output port does not exist here")                            \
	X(ONLY_IN_PORT, "only_in_port", "the only output port was the packet's own")           \
	X(SHORT_FRAME, "short_frame", "fewer than 14 bytes")                                   \
	X(TRUNC_VLAN, "trunc_vlan", "the frame ends inside a VLAN tag")                        \
	X(TRUNC_ARP, "trunc_arp", "the frame ends inside the ARP packet")                      \
	X(BAD_ARP, "bad_arp", "ARP that is not Ethernet and IPv4")                             \
	X(TRUNC_IPV4, "trunc_ipv4", "the frame ends inside the IPv4 header")                   \
	X(BAD_IPV4, "bad_ipv4", "IPv4 version, header length or total length is wrong")        \
	X(TRUNC_IPV6, "trunc_ipv6", "the frame ends inside the IPv6 header")                   \
	X(BAD_IPV6, "bad_ipv6", "IPv6 version or payload length is wrong")                     \
	X(TRUNC_EXT, "trunc_ext", "the frame ends inside an IPv6 extension header")            \
	X(EXT_LIMIT, "ext_limit", "more or longer IPv6 extension headers than are parsed")     \
	X(TRUNC_TCP, "trunc_tcp", "the packet ends inside the TCP header")                     \
	X(BAD_TCP, "bad_tcp", "TCP data offset below 5")                                       \
	X(TRUNC_UDP, "trunc_udp", "the packet ends inside the UDP header")                     \
	X(BAD_UDP, "bad_udp", "UDP length below 8 or beyond the packet")                       \
	X(TRUNC_SCTP, "trunc_sctp", "the packet ends inside the SCTP header")                  \
	X(TRUNC_ICMP, "trunc_icmp", "the packet ends inside the ICMP or ICMPv6 header")        \
	X(TRUNC_ND, "trunc_nd", "the packet ends inside neighbour discovery")                  \
	X(TRUNC_VXLAN, "trunc_vxlan", "the packet ends inside the VXLAN header")               \
	X(UNSTABLE, "unstable", "8 tries never saw a still table")                             \
	X(BUDGET, "budget", "more lines would have been touched than the budget allows")       \
	X(BAD_REF, "bad_ref", "a line ref in the slice points outside it")                     \
	X(BAD_PROGRAM, "bad_program", "an action program in the slice is malformed")           \
	X(BAD_GOTO, "bad_goto", "goto_table to a table that is not higher, or absent")         \
	X(TOO_MANY_OPS, "too_many_ops", "more actions gathered than a packet may carry")       \
	X(TOO_MANY_TAGS, "too_many_tags", "push_vlan on a frame with two tags")                \
	X(CANT_EDIT, "cant_edit", "a rewrite that this frame has no room or no header for")    \
	X(NO_TC, "no_tc", "needs copies, and no TC program is attached to its port")           \
	X(UPCALL_LOST, "upcall_lost", "the upcall ring was full")                              \
	X(INTERNAL, "internal", "a helper of the kernel or a device refused")                  \
	X(DEV_MISS, "dev_miss", "device: no rule that it can see matched")                     \
	X(DEV_ACTION, "dev_action", "device: the winning rule has an action it lacks")         \
	X(DEV_FIELD, "dev_field", "device: a rule matches on a field it can't parse (shadow)") \
	X(DEV_DOMAIN, "dev_domain", "device: the entry lies in the host domain")               \
	X(DEV_UNSEEN, "dev_unseen", "device: a rule that it can't see might win")              \
	X(DEV_PARSE, "dev_parse", "device: it leaves malformed packets to the host")

enum cxlt_reason {
#define X(id, name, meaning) CXLT_R_##id,
	CXLT_REASONS(X)
#undef X
		CXLT_N_REASONS,
};

enum {
	CXLT_REASON_MAX = 64, /* room in statistics */
};
CXLT_STATIC_ASSERT((int)CXLT_N_REASONS <= (int)CXLT_REASON_MAX, "room for reasons");

#ifndef __BPF__
extern const char *const cxlt_verdict_name[CXLT_N_VERDICTS];
extern const char *const cxlt_verdict_meaning[CXLT_N_VERDICTS];
extern const char *const cxlt_reason_name[CXLT_N_REASONS];
extern const char *const cxlt_reason_meaning[CXLT_N_REASONS];

/* Does a device that counts this reason hand the packet to the host?  Else it ended it itself. */
CXLT_INLINE int cxlt_reason_is_punt(__u32 reason)
{
	switch (reason) {
	case CXLT_R_NONE:
	case CXLT_R_RULE:
	case CXLT_R_RULE_DROP:
	case CXLT_R_TTL_EXPIRED:
	case CXLT_R_ONLY_IN_PORT:
	case CXLT_R_CANT_EDIT: /* by phase 2 */
	case CXLT_R_INTERNAL: return 0;
	}
	return 1;
}
#endif

#endif
