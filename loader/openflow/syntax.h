/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syntax.h - what the files of the flow syntax share among themselves; not an interface.
 *
 * Text is handled as spans of the caller's bytes: nothing is copied, changed or terminated, and
 * nothing is allocated.  Each name of ovs-fields(7) that cxltab knows leads to a spec: where its
 * bits lie in the key, how its value is written, and what it needs beside it.
 */
#ifndef CXLTAB_LOADER_OPENFLOW_SYNTAX_H
#define CXLTAB_LOADER_OPENFLOW_SYNTAX_H

#include <stdarg.h>
#include <string.h>

#include "flow.h"

enum {
	OF_ETH_IP = 0x0800,
	OF_ETH_ARP = 0x0806,
	OF_ETH_RARP = 0x8035,
	OF_ETH_IPV6 = 0x86dd,
	OF_IP_ICMP = 1,
	OF_IP_TCP = 6,
	OF_IP_UDP = 17,
	OF_IP_ICMPV6 = 58,
	OF_IP_SCTP = 132,
	OF_ND_SOLICIT = 135,
	OF_ND_ADVERT = 136,
	OF_TOS_DSCP = 0xfc,
	OF_TOS_ECN = 0x03,
	OF_FRAG_MASK = CXLT_FRAG_ANY | CXLT_FRAG_LATER,
	OF_TCP_FLAGS = 12, /* flags of TCP that can be matched */
};

/* ---- text ---- */

struct of_span {
	const char *p;
	size_t n;
};

/* The line being parsed, for the columns of errors. */
struct of_text {
	const char *base;
	struct of_error *err;
};

/* Fills the error and returns -EINVAL; `at` points into the line, NULL: no place. */
int of_fail(const struct of_text *t, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), cold));

/* A span for "%.*s", cut to what fits into a reason. */
#define OF_SPAN_ARG(s) (int)((s).n > 48 ? 48 : (s).n), (s).p

static inline bool of_span_is(struct of_span s, const char *word)
{
	size_t n = strlen(word);

	return s.n == n && !memcmp(s.p, word, n);
}

static inline bool of_is_separator(char c)
{
	return c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* key, key=value, key:value or key(value); the delimiter is 0, '=', ':' or '('. */
struct of_pair {
	struct of_span key;
	struct of_span value;
	char delim;
};

/* A reserved port by its name, in any case: CXLT_OP_FLOOD and the like, or 0; and back. */
__u32 of_reserved_port(struct of_span s);
const char *of_reserved_port_name(__u32 op);

/*
 * Takes the next pair from [*p, end) and moves *p behind it: 1, or 0 if nothing but separators is
 * left, or -EINVAL for a parenthesis without its partner.
 */
int of_next_pair(const struct of_text *t, const char **p, const char *end, struct of_pair *pair);

/* 0, -EINVAL (not a number) or -ERANGE (more than 64 bits); base as strtoull's base 0. */
int of_scan_number(struct of_span s, __u64 *value);
/* Digits only, as ports, tables and prefix lengths are written. */
int of_scan_decimal(struct of_span s, __u64 max, __u64 *value);
int of_scan_mac(struct of_span s, __u64 *value);
int of_scan_ipv4(struct of_span s, __u64 *value);
int of_scan_ipv6(struct of_span s, __u64 value[2]);

/* A list of names by length, for lookups without hashing; names of one length are neighbours. */
struct of_name {
	const char *name;
	__u8 id;
	__u8 arg;
};

const struct of_name *of_name_find(const struct of_name *names, const __u8 *start, size_t max_len,
				   struct of_span s);
/* The name most like the span, or NULL if none is near. */
const char *of_name_near(const struct of_name *names, size_t n, struct of_span s);

/* ---- fields ---- */

enum of_kind {
	OF_K_DEC, /* a number, printed in decimal; its mask in hexadecimal */
	OF_K_HEX, /* a number, printed in hexadecimal */
	OF_K_MAC,
	OF_K_IPV4,
	OF_K_IPV6,
	OF_K_PORT,
	OF_K_TOS, /* the byte, of which the DSCP bits count */
	OF_K_FRAG,
	OF_K_TCP_FLAGS,
	OF_K_DL_VLAN,
	OF_K_VLAN_VID,
	OF_K_VLAN_PCP,
};

enum of_prereq {
	OF_P_NONE,
	OF_P_IPV4,
	OF_P_IPV6,
	OF_P_IP,       /* either version */
	OF_P_IPV4_ARP, /* nw_src of ARP is its SPA, as in OpenFlow 1.0 */
	OF_P_PROTO,    /* IP or ARP */
	OF_P_ARP,
	OF_P_TCP,
	OF_P_UDP,
	OF_P_SCTP,
	OF_P_L4,
	OF_P_ICMP,
	OF_P_ICMPV6,
	OF_P_ICMP_ANY,
	OF_P_ND,
	OF_P_ND_SOLICIT,
	OF_P_ND_ADVERT,
	OF_P_VLAN, /* of actions: the packet has a tag */
};

enum {
	OF_MASKABLE = 1,
	OF_SETTABLE = 2,
};

/* X(ID, kind, key field, shift in the field, bits, prerequisite, flags, name in set_field) */
#define OF_SPECS(X)                                                                          \
	X(IN_PORT, PORT, IN_PORT, 0, 32, NONE, 0, "in_port")                                 \
	X(ETH_SRC, MAC, ETH_SRC, 0, 48, NONE, OF_MASKABLE | OF_SETTABLE, "eth_src")          \
	X(ETH_DST, MAC, ETH_DST, 0, 48, NONE, OF_MASKABLE | OF_SETTABLE, "eth_dst")          \
	X(ETH_TYPE, HEX, ETH_TYPE, 0, 16, NONE, 0, "eth_type")                               \
	X(DL_VLAN, DL_VLAN, VLAN_TCI, 0, 16, NONE, 0, "dl_vlan")                             \
	X(VLAN_VID, VLAN_VID, VLAN_TCI, 0, 13, NONE, OF_MASKABLE | OF_SETTABLE, "vlan_vid")  \
	X(VLAN_PCP, VLAN_PCP, VLAN_TCI, 0, 16, NONE, OF_SETTABLE, "vlan_pcp")                \
	X(VLAN_TCI, HEX, VLAN_TCI, 0, 16, NONE, OF_MASKABLE, "vlan_tci")                     \
	X(IP_PROTO, DEC, IP_PROTO, 0, 8, PROTO, 0, "nw_proto")                               \
	X(IP_FRAG, FRAG, IP_FRAG, 0, 8, IP, 0, "ip_frag")                                    \
	X(NW_TOS, TOS, IP_TOS, 0, 8, IP, OF_SETTABLE, "nw_tos")                              \
	X(IP_DSCP, DEC, IP_TOS, 2, 6, IP, OF_SETTABLE, "ip_dscp")                            \
	X(IP_ECN, DEC, IP_TOS, 0, 2, IP, OF_SETTABLE, "nw_ecn")                              \
	X(IP_TTL, DEC, IP_TTL, 0, 8, IP, OF_SETTABLE, "nw_ttl")                              \
	X(IPV4_SRC, IPV4, IPV4_SRC, 0, 32, IPV4_ARP, OF_MASKABLE | OF_SETTABLE, "ip_src")    \
	X(IPV4_DST, IPV4, IPV4_DST, 0, 32, IPV4_ARP, OF_MASKABLE | OF_SETTABLE, "ip_dst")    \
	X(IPV6_SRC, IPV6, IPV6_SRC, 0, 128, IPV6, OF_MASKABLE | OF_SETTABLE, "ipv6_src")     \
	X(IPV6_DST, IPV6, IPV6_DST, 0, 128, IPV6, OF_MASKABLE | OF_SETTABLE, "ipv6_dst")     \
	X(IPV6_LABEL, HEX, IPV6_LABEL, 0, 20, IPV6, OF_MASKABLE | OF_SETTABLE, "ipv6_label") \
	X(TP_SRC, DEC, TP_SRC, 0, 16, L4, OF_MASKABLE | OF_SETTABLE, "tp_src")               \
	X(TP_DST, DEC, TP_DST, 0, 16, L4, OF_MASKABLE | OF_SETTABLE, "tp_dst")               \
	X(TCP_SRC, DEC, TP_SRC, 0, 16, TCP, OF_MASKABLE | OF_SETTABLE, "tcp_src")            \
	X(TCP_DST, DEC, TP_DST, 0, 16, TCP, OF_MASKABLE | OF_SETTABLE, "tcp_dst")            \
	X(UDP_SRC, DEC, TP_SRC, 0, 16, UDP, OF_MASKABLE | OF_SETTABLE, "udp_src")            \
	X(UDP_DST, DEC, TP_DST, 0, 16, UDP, OF_MASKABLE | OF_SETTABLE, "udp_dst")            \
	X(SCTP_SRC, DEC, TP_SRC, 0, 16, SCTP, OF_MASKABLE | OF_SETTABLE, "sctp_src")         \
	X(SCTP_DST, DEC, TP_DST, 0, 16, SCTP, OF_MASKABLE | OF_SETTABLE, "sctp_dst")         \
	X(TCP_FLAGS, TCP_FLAGS, TCP_FLAGS, 0, 12, TCP, OF_MASKABLE, "tcp_flags")             \
	X(ICMP_TYPE, DEC, TP_SRC, 0, 8, ICMP_ANY, 0, "icmp_type")                            \
	X(ICMP_CODE, DEC, TP_DST, 0, 8, ICMP_ANY, 0, "icmp_code")                            \
	X(ICMPV6_TYPE, DEC, TP_SRC, 0, 8, ICMPV6, 0, "icmpv6_type")                          \
	X(ICMPV6_CODE, DEC, TP_DST, 0, 8, ICMPV6, 0, "icmpv6_code")                          \
	X(ARP_OP, DEC, IP_PROTO, 0, 8, ARP, 0, "arp_op")                                     \
	X(ARP_SPA, IPV4, IPV4_SRC, 0, 32, ARP, OF_MASKABLE, "arp_spa")                       \
	X(ARP_TPA, IPV4, IPV4_DST, 0, 32, ARP, OF_MASKABLE, "arp_tpa")                       \
	X(ARP_SHA, MAC, ARP_SHA, 0, 48, ARP, OF_MASKABLE, "arp_sha")                         \
	X(ARP_THA, MAC, ARP_THA, 0, 48, ARP, OF_MASKABLE, "arp_tha")                         \
	X(ND_TARGET, IPV6, ND_TARGET, 0, 128, ND, OF_MASKABLE, "nd_target")                  \
	X(ND_SLL, MAC, ARP_SHA, 0, 48, ND_SOLICIT, OF_MASKABLE, "nd_sll")                    \
	X(ND_TLL, MAC, ARP_THA, 0, 48, ND_ADVERT, OF_MASKABLE, "nd_tll")                     \
	X(METADATA, HEX, METADATA, 0, 64, NONE, OF_MASKABLE | OF_SETTABLE, "metadata")       \
	X(TUN_ID, HEX, TUN_ID, 0, 64, NONE, OF_MASKABLE | OF_SETTABLE, "tun_id")             \
	X(REG0, HEX, REG0, 0, 32, NONE, OF_MASKABLE | OF_SETTABLE, "reg0")                   \
	X(REG1, HEX, REG1, 0, 32, NONE, OF_MASKABLE | OF_SETTABLE, "reg1")                   \
	X(REG2, HEX, REG2, 0, 32, NONE, OF_MASKABLE | OF_SETTABLE, "reg2")                   \
	X(REG3, HEX, REG3, 0, 32, NONE, OF_MASKABLE | OF_SETTABLE, "reg3")                   \
	X(XREG0, HEX, REG1, 0, 64, NONE, OF_MASKABLE | OF_SETTABLE, "xreg0")                 \
	X(XREG1, HEX, REG3, 0, 64, NONE, OF_MASKABLE | OF_SETTABLE, "xreg1")                 \
	X(VXLAN_VNI, DEC, VXLAN_VNI, 0, 24, UDP, OF_MASKABLE, "vxlan_vni")

enum of_spec_id {
#define X(id, kind, field, shift, bits, prereq, flags, name) OF_S_##id,
	OF_SPECS(X)
#undef X
		OF_N_SPECS,
};

struct of_spec {
	const char *name;
	__u8 kind;
	__u8 field; /* CXLT_F_* */
	__u8 word;
	__u8 shift; /* in the word */
	__u8 bits;
	__u8 prereq;
	__u8 flags;
};

extern const struct of_spec of_spec[OF_N_SPECS];

/* A value as written in the text, not yet moved to its place: [0] is the high half of 128 bits. */
struct of_value {
	__u64 v[2];
	__u64 m[2];
	bool masked; /* a mask was written */
};

/* Parses what stands behind "field="; `name` is the field's name as written, for messages. */
int of_parse_value(const struct of_text *t, const struct of_spec *spec, struct of_span name,
		   struct of_span text, struct of_value *out);

/* What a match says about a packet's headers: what prerequisites are judged by. */
struct of_env {
	__u32 eth_type; /* ~0: unknown */
	__u32 ip_proto;
	__u32 nd_type; /* ICMPv6 type, unless the code differs from 0 */
	__u32 n_tags;  /* tags that the packet has at least */
};

void of_env_of_match(const struct of_match *match, struct of_env *env);
bool of_prereq_holds(enum of_prereq prereq, const struct of_env *env);
/* What is missing, as it would be written: "ip", "tcp or tcp6". */
const char *of_prereq_text(enum of_prereq prereq);

/* A field's name (fields.c) or a shorthand such as tcp: id - OF_SHORTHAND indexes of_shorthand. */
enum {
	OF_SHORTHAND = 128,
};

struct of_shorthand {
	__u16 eth_type;
	__u8 ip_proto; /* 0: none */
};

extern const struct of_shorthand of_shorthand[];

/* The spec or shorthand called so, or -1. */
int of_field_find(struct of_span name);
const char *of_field_near(struct of_span name);

/* ---- matches ---- */

/* A match under construction: which fields were given, where, for duplicates and columns. */
struct of_match_parser {
	struct of_text text;
	struct of_match *match;
	bool packet; /* a packet's key: exact values only */
	__u64 seen;  /* bit per spec */
	struct of_span at[OF_N_SPECS];
};

void of_match_begin(struct of_match_parser *p, const char *base, struct of_match *match,
		    struct of_error *err);
/* Adds one pair; the caller has taken its own keywords out. */
int of_match_add(struct of_match_parser *p, const struct of_pair *pair);
/* The same, for a name that of_field_find knows as `id`. */
int of_match_add_field(struct of_match_parser *p, const struct of_pair *pair, int id);
/* Checks prerequisites. */
int of_match_end(struct of_match_parser *p);

/* ---- actions ---- */

enum of_stage {
	OF_STAGE_APPLY,
	OF_STAGE_METADATA, /* write_metadata is behind us */
	OF_STAGE_GOTO,
};

/* A program under construction. */
struct of_program {
	const struct of_text *t;
	struct of_env env; /* what the packet has where the next action meets it */
	__u64 *w;
	__u32 n;
	__u32 count; /* actions and instructions so far */
	__u8 table;
	enum of_stage stage;
	const char *drop;
};

/* Appends words; -E2BIG with a message if the program is full. */
int of_emit(struct of_program *g, const char *at, const __u64 *words, __u32 n);
/* Emits the SETs of one spec; value and mask are checked, but not yet in their place. */
int of_emit_spec(struct of_program *g, const char *at, int id, const struct of_value *v, __u32 arg);
/* An error ("ACTION of WHAT without ip") unless the packet has what the action needs. */
int of_action_needs(struct of_program *g, const struct of_pair *a, struct of_span what,
		    enum of_prereq prereq);
int of_action_mod(struct of_program *g, const struct of_pair *a, int id);
int of_action_set_field(struct of_program *g, const struct of_pair *a);
int of_action_load(struct of_program *g, const struct of_pair *a);

int of_actions_parse(const struct of_text *t, struct of_span text, const struct of_match *match,
		     __u8 table, __u64 *prog, __u32 *n_prog);

/* ---- output ---- */

/* A bounded text: `len` grows beyond `size`, bytes don't. */
struct of_buf {
	char *s;
	size_t size;
	size_t len;
};

void of_buf_init(struct of_buf *b, char *s, size_t size);
void of_puts(struct of_buf *b, const char *s);
void of_putc(struct of_buf *b, char c);
void of_printf(struct of_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

void of_put_mac(struct of_buf *b, __u64 mac);
void of_put_ipv4(struct of_buf *b, __u32 ip);
void of_put_ipv6(struct of_buf *b, const __u64 ip[2]);

/* The value of a field, and its mask if it is not whole; `action` is set_field's number base. */
void of_put_spec(const struct of_spec *spec, const __u64 v[2], const __u64 m[2], bool action,
		 struct of_buf *value, struct of_buf *mask);

#endif
