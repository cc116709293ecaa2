// SPDX-License-Identifier: Apache-2.0
/*
 * fields.c - the names of ovs-fields(7), where their bits lie, and what they need beside them.
 */
#include "syntax.h"

const struct of_spec of_spec[OF_N_SPECS] = {
#define X(id, kind, field, shift, bits, prereq, flags, name) \
	[OF_S_##id] = {name,                                 \
		       OF_K_##kind,                          \
		       CXLT_F_##field,                       \
		       CXLT_WORD_##field,                    \
		       CXLT_SHIFT_##field + (shift),         \
		       bits,                                 \
		       OF_P_##prereq,                        \
		       flags},
	OF_SPECS(X)
#undef X
};

enum shorthand_id {
	SH_IP,
	SH_ICMP,
	SH_TCP,
	SH_UDP,
	SH_SCTP,
	SH_ARP,
	SH_RARP,
	SH_IPV6,
	SH_ICMP6,
	SH_TCP6,
	SH_UDP6,
	SH_SCTP6,
};

const struct of_shorthand of_shorthand[] = {
	[SH_IP] = {OF_ETH_IP, 0},
	[SH_ICMP] = {OF_ETH_IP, OF_IP_ICMP},
	[SH_TCP] = {OF_ETH_IP, OF_IP_TCP},
	[SH_UDP] = {OF_ETH_IP, OF_IP_UDP},
	[SH_SCTP] = {OF_ETH_IP, OF_IP_SCTP},
	[SH_ARP] = {OF_ETH_ARP, 0},
	[SH_RARP] = {OF_ETH_RARP, 0},
	[SH_IPV6] = {OF_ETH_IPV6, 0},
	[SH_ICMP6] = {OF_ETH_IPV6, OF_IP_ICMPV6},
	[SH_TCP6] = {OF_ETH_IPV6, OF_IP_TCP},
	[SH_UDP6] = {OF_ETH_IPV6, OF_IP_UDP},
	[SH_SCTP6] = {OF_ETH_IPV6, OF_IP_SCTP},
};

/*
 * Names by their length, F for fields and H for shorthands: a lookup compares only those of its
 * own length.  Open vSwitch's names first, then ipv4_src and the like, which it lacks.
 */
#define NAMES_2(F, H) H("ip", IP)
#define NAMES_3(F, H) \
	H("tcp", TCP) \
	H("udp", UDP) \
	H("arp", ARP) \
	H("ip6", IPV6)
#define NAMES_4(F, H)   \
	H("icmp", ICMP) \
	H("ipv6", IPV6) \
	H("tcp6", TCP6) \
	H("udp6", UDP6) \
	H("sctp", SCTP) \
	H("rarp", RARP) \
	F("reg0", REG0) \
	F("reg1", REG1) \
	F("reg2", REG2) \
	F("reg3", REG3)
#define NAMES_5(F, H)     \
	H("icmp6", ICMP6) \
	H("sctp6", SCTP6) \
	F("xreg0", XREG0) \
	F("xreg1", XREG1)
#define NAMES_6(F, H)         \
	F("nw_src", IPV4_SRC) \
	F("nw_dst", IPV4_DST) \
	F("tp_src", TP_SRC)   \
	F("tp_dst", TP_DST)   \
	F("dl_src", ETH_SRC)  \
	F("dl_dst", ETH_DST)  \
	F("ip_src", IPV4_SRC) \
	F("ip_dst", IPV4_DST) \
	F("nw_tos", NW_TOS)   \
	F("nw_ecn", IP_ECN)   \
	F("ip_ecn", IP_ECN)   \
	F("nw_ttl", IP_TTL)   \
	F("ip_ttl", IP_TTL)   \
	F("arp_op", ARP_OP)   \
	F("nd_sll", ND_SLL)   \
	F("nd_tll", ND_TLL)   \
	F("tun_id", TUN_ID)
#define NAMES_7(F, H)          \
	F("in_port", IN_PORT)  \
	F("dl_type", ETH_TYPE) \
	F("dl_vlan", DL_VLAN)  \
	F("eth_src", ETH_SRC)  \
	F("eth_dst", ETH_DST)  \
	F("tcp_src", TCP_SRC)  \
	F("tcp_dst", TCP_DST)  \
	F("udp_src", UDP_SRC)  \
	F("udp_dst", UDP_DST)  \
	F("ip_dscp", IP_DSCP)  \
	F("ip_frag", IP_FRAG)  \
	F("nw_frag", IP_FRAG)  \
	F("arp_spa", ARP_SPA)  \
	F("arp_tpa", ARP_TPA)  \
	F("arp_sha", ARP_SHA)  \
	F("arp_tha", ARP_THA)
#define NAMES_8(F, H)           \
	F("nw_proto", IP_PROTO) \
	F("ip_proto", IP_PROTO) \
	F("eth_type", ETH_TYPE) \
	F("vlan_vid", VLAN_VID) \
	F("vlan_pcp", VLAN_PCP) \
	F("vlan_tci", VLAN_TCI) \
	F("ipv6_src", IPV6_SRC) \
	F("ipv6_dst", IPV6_DST) \
	F("ipv4_src", IPV4_SRC) \
	F("ipv4_dst", IPV4_DST) \
	F("sctp_src", SCTP_SRC) \
	F("sctp_dst", SCTP_DST) \
	F("metadata", METADATA)
#define NAMES_9(F, H)             \
	F("tcp_flags", TCP_FLAGS) \
	F("icmp_type", ICMP_TYPE) \
	F("icmp_code", ICMP_CODE) \
	F("nd_target", ND_TARGET) \
	F("tunnel_id", TUN_ID)    \
	F("vxlan_vni", VXLAN_VNI)
#define NAMES_10(F, H) F("ipv6_label", IPV6_LABEL)
#define NAMES_11(F, H)                \
	F("dl_vlan_pcp", VLAN_PCP)    \
	F("icmpv6_type", ICMPV6_TYPE) \
	F("icmpv6_code", ICMPV6_CODE)

#define FIELD_ROW(text, id) {text, OF_S_##id, 0},
#define SHORT_ROW(text, id) {text, OF_SHORTHAND + SH_##id, 0},
static const struct of_name names[] = {
	/* clang-format off */
	NAMES_2(FIELD_ROW, SHORT_ROW) NAMES_3(FIELD_ROW, SHORT_ROW) NAMES_4(FIELD_ROW, SHORT_ROW)
	NAMES_5(FIELD_ROW, SHORT_ROW) NAMES_6(FIELD_ROW, SHORT_ROW) NAMES_7(FIELD_ROW, SHORT_ROW)
	NAMES_8(FIELD_ROW, SHORT_ROW) NAMES_9(FIELD_ROW, SHORT_ROW) NAMES_10(FIELD_ROW, SHORT_ROW)
	NAMES_11(FIELD_ROW, SHORT_ROW)
	/* clang-format on */
};

#define ONE(text, id) +1
enum {
	END_2 = 0 NAMES_2(ONE, ONE),
	END_3 = END_2 NAMES_3(ONE, ONE),
	END_4 = END_3 NAMES_4(ONE, ONE),
	END_5 = END_4 NAMES_5(ONE, ONE),
	END_6 = END_5 NAMES_6(ONE, ONE),
	END_7 = END_6 NAMES_7(ONE, ONE),
	END_8 = END_7 NAMES_8(ONE, ONE),
	END_9 = END_8 NAMES_9(ONE, ONE),
	END_10 = END_9 NAMES_10(ONE, ONE),
	END_11 = END_10 NAMES_11(ONE, ONE),
	NAME_MAX_LEN = 11,
};

/* starts[n] is the first name of n bytes. */
static const __u8 starts[NAME_MAX_LEN + 2] = {
	0, 0, 0, END_2, END_3, END_4, END_5, END_6, END_7, END_8, END_9, END_10, END_11,
};

int of_field_find(struct of_span name)
{
	const struct of_name *n = of_name_find(names, starts, NAME_MAX_LEN, name);

	return n ? n->id : -1;
}

const char *of_field_near(struct of_span name)
{
	return of_name_near(names, sizeof(names) / sizeof(names[0]), name);
}

void of_env_of_match(const struct of_match *match, struct of_env *env)
{
	const struct cxlt_key *v = &match->value, *m = &match->mask;
	__u64 code = CXLT_KEY_GET(v, TP_DST);

	env->eth_type = env->ip_proto = env->nd_type = ~0U;
	if (CXLT_KEY_GET(m, ETH_TYPE) == 0xffff)
		env->eth_type = CXLT_KEY_GET(v, ETH_TYPE);
	if (CXLT_KEY_GET(m, IP_PROTO) == 0xff)
		env->ip_proto = CXLT_KEY_GET(v, IP_PROTO);
	/* As in Open vSwitch an ICMPv6 code that isn't given passes for 0. */
	if (CXLT_KEY_GET(m, TP_SRC) == 0xffff && !code)
		env->nd_type = CXLT_KEY_GET(v, TP_SRC);
	env->n_tags = !!(CXLT_KEY_GET(v, VLAN_TCI) & CXLT_VLAN_PRESENT);
}

static bool is_ip(const struct of_env *env)
{
	return env->eth_type == OF_ETH_IP || env->eth_type == OF_ETH_IPV6;
}

static bool is_arp(const struct of_env *env)
{
	return env->eth_type == OF_ETH_ARP || env->eth_type == OF_ETH_RARP;
}

static bool is_nd(const struct of_env *env, __u32 type)
{
	return env->eth_type == OF_ETH_IPV6 && env->ip_proto == OF_IP_ICMPV6 &&
	       env->nd_type == type;
}

bool of_prereq_holds(enum of_prereq prereq, const struct of_env *env)
{
	__u32 type = env->eth_type, proto = env->ip_proto;

	switch (prereq) {
	case OF_P_NONE: return true;
	case OF_P_IPV4: return type == OF_ETH_IP;
	case OF_P_IPV6: return type == OF_ETH_IPV6;
	case OF_P_IP: return is_ip(env);
	case OF_P_IPV4_ARP: return type == OF_ETH_IP || is_arp(env);
	case OF_P_PROTO: return is_ip(env) || is_arp(env);
	case OF_P_ARP: return is_arp(env);
	case OF_P_TCP: return is_ip(env) && proto == OF_IP_TCP;
	case OF_P_UDP: return is_ip(env) && proto == OF_IP_UDP;
	case OF_P_SCTP: return is_ip(env) && proto == OF_IP_SCTP;
	case OF_P_L4:
		return is_ip(env) &&
		       (proto == OF_IP_TCP || proto == OF_IP_UDP || proto == OF_IP_SCTP);
	case OF_P_ICMP: return type == OF_ETH_IP && proto == OF_IP_ICMP;
	case OF_P_ICMPV6: return type == OF_ETH_IPV6 && proto == OF_IP_ICMPV6;
	case OF_P_ICMP_ANY:
		return of_prereq_holds(OF_P_ICMP, env) || of_prereq_holds(OF_P_ICMPV6, env);
	case OF_P_ND: return is_nd(env, OF_ND_SOLICIT) || is_nd(env, OF_ND_ADVERT);
	case OF_P_ND_SOLICIT: return is_nd(env, OF_ND_SOLICIT);
	case OF_P_ND_ADVERT: return is_nd(env, OF_ND_ADVERT);
	case OF_P_VLAN: return env->n_tags > 0;
	}
	return false;
}

const char *of_prereq_text(enum of_prereq prereq)
{
	static const char *const text[] = {
		[OF_P_NONE] = "nothing",
		[OF_P_IPV4] = "ip",
		[OF_P_IPV6] = "ipv6",
		[OF_P_IP] = "ip or ipv6",
		[OF_P_IPV4_ARP] = "ip",
		[OF_P_PROTO] = "ip or ipv6",
		[OF_P_ARP] = "arp",
		[OF_P_TCP] = "tcp or tcp6",
		[OF_P_UDP] = "udp or udp6",
		[OF_P_SCTP] = "sctp or sctp6",
		[OF_P_L4] = "tcp, udp or sctp",
		[OF_P_ICMP] = "icmp",
		[OF_P_ICMPV6] = "icmp6",
		[OF_P_ICMP_ANY] = "icmp or icmp6",
		[OF_P_ND] = "icmp6,icmp_type=135 or 136",
		[OF_P_ND_SOLICIT] = "icmp6,icmp_type=135",
		[OF_P_ND_ADVERT] = "icmp6,icmp_type=136",
		[OF_P_VLAN] = "a VLAN tag",
	};

	return text[prereq];
}
