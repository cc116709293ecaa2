/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key.h - the key: what a packet looks like to the tables.
 *
 * A key is CXLT_KEY_WORDS 64-bit words.  Every field sits at a fixed place (word, shift, bits)
 * and holds its value as a number: wire fields are converted from network order once, by the
 * parser.  Fields that rules use together share a word, so that the usual 5-tuple rule hashes
 * and compares three words.  The layout is part of the slice format (docs/format.md, "Key").
 *
 * As in OpenFlow and Open vSwitch some fields share a place because no packet has both:
 *   ip_proto holds the ARP opcode; ipv4_src/dst hold ARP's SPA/TPA; tp_src/dst hold ICMP type
 *   and code; arp_sha/tha hold ND's SLL/TLL.
 * vlan_tci and vlan_tci2 (inner) have bit 12 set while the tag exists, as OXM's OFPVID_PRESENT.
 * Sources: OpenFlow 1.5.1 section 7.2.3, ovs-fields(7).
 *
 * Concurrency: keys are private memory; nothing here touches a slice.
 */
#ifndef CXLTAB_KEY_H
#define CXLTAB_KEY_H

#include <cxltab/base.h>

enum {
	CXLT_KEY_WORDS = 18, /* words that this version fills */
	CXLT_KEY_MAX = 24,   /* room in the format: tuples, entries and secrets */
};

struct cxlt_key {
	__u64 w[CXLT_KEY_WORDS];
};

enum cxlt_word {
	CXLT_W_PORT = 0, /* in_port 32 | eth_type 16 | ip_proto 8 | ip_frag 8 */
	CXLT_W_IPV4 = 1, /* ipv4_src 32 | ipv4_dst 32 */
	CXLT_W_L4 = 2,	 /* tp_src 16 | tp_dst 16 | tcp_flags 16 | ip_tos 8 | ip_ttl 8 */
	CXLT_W_DMAC = 3, /* eth_dst 48 | vlan_tci 16 */
	CXLT_W_SMAC = 4, /* eth_src 48 | vlan_tci2 16 */
	CXLT_W_IPV6_SRC_HI = 5,
	CXLT_W_IPV6_SRC_LO = 6,
	CXLT_W_IPV6_DST_HI = 7,
	CXLT_W_IPV6_DST_LO = 8,
	CXLT_W_METADATA = 9,
	CXLT_W_TUN_ID = 10,
	CXLT_W_REG01 = 11,     /* reg0 32 | reg1 32 */
	CXLT_W_REG23 = 12,     /* reg2 32 | reg3 32 */
	CXLT_W_LABEL_VNI = 13, /* ipv6_label 32 (20 used) | vxlan_vni 32 (24 used) */
	CXLT_W_ND_TARGET_HI = 14,
	CXLT_W_ND_TARGET_LO = 15,
	CXLT_W_SHA = 16, /* arp_sha or nd_sll 48 | TPID of the outer tag 16 */
	CXLT_W_THA = 17, /* arp_tha or nd_tll 48 | TPID of the inner tag 16 */
};

/*
 * X(ID, name, word, shift, bits): the name is ovs-ofctl's.  A 128-bit field has its high half in
 * `word` and its low half in `word + 1`.  Aliases (arp_spa, icmp_type, nw_src, ...) and
 * prerequisites belong to the flow syntax, not to the format.
 */
#define CXLT_FIELDS(X)                                         \
	X(IN_PORT, "in_port", CXLT_W_PORT, 32, 32)             \
	X(ETH_TYPE, "eth_type", CXLT_W_PORT, 16, 16)           \
	X(IP_PROTO, "ip_proto", CXLT_W_PORT, 8, 8)             \
	X(IP_FRAG, "ip_frag", CXLT_W_PORT, 0, 8)               \
	X(IPV4_SRC, "ipv4_src", CXLT_W_IPV4, 32, 32)           \
	X(IPV4_DST, "ipv4_dst", CXLT_W_IPV4, 0, 32)            \
	X(TP_SRC, "tp_src", CXLT_W_L4, 48, 16)                 \
	X(TP_DST, "tp_dst", CXLT_W_L4, 32, 16)                 \
	X(TCP_FLAGS, "tcp_flags", CXLT_W_L4, 16, 16)           \
	X(IP_TOS, "ip_tos", CXLT_W_L4, 8, 8)                   \
	X(IP_TTL, "ip_ttl", CXLT_W_L4, 0, 8)                   \
	X(ETH_DST, "eth_dst", CXLT_W_DMAC, 16, 48)             \
	X(VLAN_TCI, "vlan_tci", CXLT_W_DMAC, 0, 16)            \
	X(ETH_SRC, "eth_src", CXLT_W_SMAC, 16, 48)             \
	X(VLAN_TCI2, "vlan_tci2", CXLT_W_SMAC, 0, 16)          \
	X(IPV6_SRC, "ipv6_src", CXLT_W_IPV6_SRC_HI, 0, 128)    \
	X(IPV6_DST, "ipv6_dst", CXLT_W_IPV6_DST_HI, 0, 128)    \
	X(METADATA, "metadata", CXLT_W_METADATA, 0, 64)        \
	X(TUN_ID, "tun_id", CXLT_W_TUN_ID, 0, 64)              \
	X(REG0, "reg0", CXLT_W_REG01, 32, 32)                  \
	X(REG1, "reg1", CXLT_W_REG01, 0, 32)                   \
	X(REG2, "reg2", CXLT_W_REG23, 32, 32)                  \
	X(REG3, "reg3", CXLT_W_REG23, 0, 32)                   \
	X(IPV6_LABEL, "ipv6_label", CXLT_W_LABEL_VNI, 32, 32)  \
	X(VXLAN_VNI, "vxlan_vni", CXLT_W_LABEL_VNI, 0, 32)     \
	X(ND_TARGET, "nd_target", CXLT_W_ND_TARGET_HI, 0, 128) \
	X(ARP_SHA, "arp_sha", CXLT_W_SHA, 16, 48)              \
	X(VLAN_TPID, "vlan_tpid", CXLT_W_SHA, 0, 16)           \
	X(ARP_THA, "arp_tha", CXLT_W_THA, 16, 48)              \
	X(VLAN_TPID2, "vlan_tpid2", CXLT_W_THA, 0, 16)

enum cxlt_field {
#define X(id, name, word, shift, bits) CXLT_F_##id,
	CXLT_FIELDS(X)
#undef X
		CXLT_N_FIELDS,
};

struct cxlt_field_info {
	const char *name;
	__u8 word;
	__u8 shift;
	__u8 bits; /* 8 to 64, or 128 */
};

/* ip_frag, as in ovs-fields(7): any fragment, and not the first one. */
enum {
	CXLT_FRAG_ANY = 1,
	CXLT_FRAG_LATER = 2,
};

enum {
	CXLT_VLAN_PRESENT = 0x1000,
	CXLT_VLAN_VID_MASK = 0x0fff,
	CXLT_VLAN_PCP_MASK = 0xe000,
	CXLT_VLAN_PCP_SHIFT = 13,
};

/* The place of field F as constants, for code that knows it at compile time. */
enum {
#define X(id, name, word, shift, bits) \
	CXLT_WORD_##id = word, CXLT_SHIFT_##id = shift, CXLT_BITS_##id = bits,
	CXLT_FIELDS(X)
#undef X
};

#define CXLT_BITMASK(bits) ((bits) >= 64 ? ~0ULL : (1ULL << (bits)) - 1)

/* Reads and writes a field of at most 64 bits; `id` is the X-macro's first word. */
#define CXLT_KEY_GET(key, id) \
	(((key)->w[CXLT_WORD_##id] >> CXLT_SHIFT_##id) & CXLT_BITMASK(CXLT_BITS_##id))
#define CXLT_KEY_SET(key, id, val)                                                                 \
	((key)->w[CXLT_WORD_##id] =                                                                \
		 ((key)->w[CXLT_WORD_##id] & ~(CXLT_BITMASK(CXLT_BITS_##id) << CXLT_SHIFT_##id)) | \
		 (((__u64)(val) & CXLT_BITMASK(CXLT_BITS_##id)) << CXLT_SHIFT_##id))

CXLT_INLINE __u64 cxlt_key_word(const struct cxlt_key *k, __u32 i)
{
	CXLT_OPAQUE(i);
	return i < CXLT_KEY_WORDS ? k->w[i] : 0;
}

#ifndef __BPF__
extern const struct cxlt_field_info cxlt_field_info[CXLT_N_FIELDS];
#endif

#endif
