// SPDX-License-Identifier: Apache-2.0
/*
 * packet.c - packets in flow syntax: a key from text, and bytes from a key, for trace.
 */
#include "syntax.h"

enum {
	MIN_FRAME = 60,
	ETH_NONE = 0x05ff, /* eth_type of an 802.3 frame (parse.h) */
	PORT_VXLAN = 4789,
	FRAGMENT_HEADER = 44,
	NO_NEXT_HEADER = 59,
	LATER_OFFSET = 185, /* of later fragments, in units of 8 bytes: behind 1480 bytes */
};

static void set_default(struct of_match *m, __u64 mask, unsigned int word, unsigned int shift,
			__u64 value)
{
	if (!(m->mask.w[word] >> shift & mask))
		m->value.w[word] |= value << shift;
}

#define DEFAULT(m, id, value) \
	set_default(m, CXLT_BITMASK(CXLT_BITS_##id), CXLT_WORD_##id, CXLT_SHIFT_##id, value)

/* So that what the composed packet parses to is the key again. */
static void packet_defaults(struct of_match *m)
{
	bool later = CXLT_KEY_GET(&m->value, IP_FRAG) & CXLT_FRAG_LATER;
	struct of_env env;

	of_env_of_match(m, &env);
	DEFAULT(m, ETH_TYPE, ETH_NONE);
	if (env.n_tags)
		DEFAULT(m, VLAN_TPID, 0x8100);
	if (of_prereq_holds(OF_P_ARP, &env))
		DEFAULT(m, IP_PROTO, 1);
	if (of_prereq_holds(OF_P_IP, &env))
		DEFAULT(m, IP_TTL, 64);
	/* Of IPv6 0 would be an extension header; a later fragment's own is what parses. */
	if (env.eth_type == OF_ETH_IPV6)
		DEFAULT(m, IP_PROTO, later ? FRAGMENT_HEADER : NO_NEXT_HEADER);
	/* A later fragment has no L4 header to have flags or ports in. */
	if (of_prereq_holds(OF_P_TCP, &env) && !later)
		DEFAULT(m, TCP_FLAGS, 0x010);
	if (of_prereq_holds(OF_P_UDP, &env) && CXLT_KEY_GET(&m->mask, VXLAN_VNI))
		DEFAULT(m, TP_DST, PORT_VXLAN);
}

int of_parse_packet(const char *text, __u32 in_port, struct cxlt_key *key, struct of_error *err)
{
	const char *p = text, *end = text + strlen(text);
	struct of_match_parser parser;
	struct of_match match;
	struct of_pair pair;
	int got;

	of_match_begin(&parser, text, &match, err);
	parser.packet = true;
	while ((got = of_next_pair(&parser.text, &p, end, &pair)) > 0) {
		got = of_match_add(&parser, &pair);
		if (got)
			return got;
	}
	if (!got)
		got = of_match_end(&parser);
	if (got)
		return got;
	packet_defaults(&match);
	DEFAULT(&match, IN_PORT, (__u64)in_port);
	if (CXLT_KEY_GET(&match.mask, VXLAN_VNI) &&
	    CXLT_KEY_GET(&match.value, TP_DST) != PORT_VXLAN)
		return of_fail(&parser.text, parser.at[OF_S_VXLAN_VNI].p,
			       "vxlan_vni without udp_dst=%d", PORT_VXLAN);
	*key = match.value;
	return 0;
}

int of_parse_packet_key(const char *text, struct cxlt_key *key, struct of_error *err)
{
	return of_parse_packet(text, 0, key, err);
}

/* ---- bytes ---- */

struct frame {
	const struct cxlt_key *key;
	__u8 *buf;
	size_t size;
	size_t len; /* grows beyond size, bytes don't */
};

static void put(struct frame *f, __u64 value, unsigned int bytes)
{
	while (bytes--) {
		if (f->len < f->size)
			f->buf[f->len] = value >> (8 * bytes);
		f->len++;
	}
}

static void put_at(struct frame *f, size_t at, __u16 value)
{
	if (at + 2 <= f->size) {
		f->buf[at] = value >> 8;
		f->buf[at + 1] = value & 0xff;
	}
}

/* The ones' complement sum of [from, len) added to `sum`. */
static __u32 sum_bytes(const struct frame *f, size_t from, __u32 sum)
{
	size_t end = f->len < f->size ? f->len : f->size;

	for (size_t i = from; i < end; i++)
		sum += (i - from) & 1 ? f->buf[i] : f->buf[i] << 8;
	return sum;
}

static __u16 fold(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static __u32 sum_words(__u64 v)
{
	return (v >> 48) + (v >> 32 & 0xffff) + (v >> 16 & 0xffff) + (v & 0xffff);
}

/* The pseudo-header's sum; SPA and TPA of ARP never come here. */
static __u32 pseudo_header(const struct frame *f, __u32 l4_len, __u32 proto)
{
	const struct cxlt_key *k = f->key;
	__u32 sum = l4_len + proto;

	if (CXLT_KEY_GET(k, ETH_TYPE) == OF_ETH_IP)
		return sum + sum_words(k->w[CXLT_W_IPV4]);
	for (int w = CXLT_W_IPV6_SRC_HI; w <= CXLT_W_IPV6_DST_LO; w++)
		sum += sum_words(k->w[w]);
	return sum;
}

static __u32 crc32c(const struct frame *f, size_t from)
{
	size_t end = f->len < f->size ? f->len : f->size;
	__u32 crc = ~0U;

	for (size_t i = from; i < end; i++) {
		crc ^= f->buf[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

static void put_ethernet(struct frame *f)
{
	const struct cxlt_key *k = f->key;
	__u64 tci[2] = {CXLT_KEY_GET(k, VLAN_TCI), CXLT_KEY_GET(k, VLAN_TCI2)};
	__u64 tpid[2] = {CXLT_KEY_GET(k, VLAN_TPID), CXLT_KEY_GET(k, VLAN_TPID2)};

	put(f, CXLT_KEY_GET(k, ETH_DST), 6);
	put(f, CXLT_KEY_GET(k, ETH_SRC), 6);
	for (int i = 0; i < 2; i++) {
		if (!(tci[i] & CXLT_VLAN_PRESENT))
			break;
		put(f, tpid[i] ? tpid[i] : 0x8100, 2);
		put(f, tci[i] & ~(__u64)CXLT_VLAN_PRESENT, 2);
	}
	put(f, CXLT_KEY_GET(k, ETH_TYPE), 2);
}

static void put_arp(struct frame *f)
{
	const struct cxlt_key *k = f->key;

	put(f, 1, 2); /* Ethernet */
	put(f, OF_ETH_IP, 2);
	put(f, 6, 1);
	put(f, 4, 1);
	put(f, CXLT_KEY_GET(k, IP_PROTO), 2);
	put(f, CXLT_KEY_GET(k, ARP_SHA), 6);
	put(f, CXLT_KEY_GET(k, IPV4_SRC), 4);
	put(f, CXLT_KEY_GET(k, ARP_THA), 6);
	put(f, CXLT_KEY_GET(k, IPV4_DST), 4);
}

static void put_ports(struct frame *f)
{
	put(f, CXLT_KEY_GET(f->key, TP_SRC), 2);
	put(f, CXLT_KEY_GET(f->key, TP_DST), 2);
}

static void put_tcp(struct frame *f, size_t at)
{
	put_ports(f);
	put(f, 1, 4);
	put(f, 0, 4);
	put(f, 5 << 12 | CXLT_KEY_GET(f->key, TCP_FLAGS), 2);
	put(f, 65535, 2);
	put(f, 0, 4);
	put_at(f, at + 16, fold(sum_bytes(f, at, pseudo_header(f, f->len - at, OF_IP_TCP))));
}

static void put_udp(struct frame *f, size_t at)
{
	__u64 vni = CXLT_KEY_GET(f->key, VXLAN_VNI);
	__u16 sum;

	put_ports(f);
	put(f, 0, 4);
	if (CXLT_KEY_GET(f->key, TP_DST) == PORT_VXLAN) {
		put(f, 0x08, 1); /* the VNI is valid */
		put(f, 0, 3);
		put(f, vni << 8, 4);
		put(f, 0, 6); /* an empty frame inside */
		put(f, 0, 6);
		put(f, 0xffff, 2);
	}
	put_at(f, at + 4, f->len - at);
	sum = fold(sum_bytes(f, at, pseudo_header(f, f->len - at, OF_IP_UDP)));
	put_at(f, at + 6, sum ? sum : 0xffff); /* 0 would mean: none */
}

static void put_sctp(struct frame *f, size_t at)
{
	__u32 crc;

	put_ports(f);
	put(f, 1, 4); /* verification tag */
	put(f, 0, 4);
	put(f, 0x0b000004, 4); /* a chunk: COOKIE ACK */
	crc = __builtin_bswap32(crc32c(f, at));
	put_at(f, at + 8, crc >> 16);
	put_at(f, at + 10, crc & 0xffff);
}

static void put_nd_option(struct frame *f, unsigned int type, __u64 mac)
{
	if (!mac)
		return;
	put(f, type, 1);
	put(f, 1, 1); /* times 8 bytes */
	put(f, mac, 6);
}

static void put_icmp(struct frame *f, size_t at, bool v6)
{
	const struct cxlt_key *k = f->key;
	__u64 type = CXLT_KEY_GET(k, TP_SRC), code = CXLT_KEY_GET(k, TP_DST);

	put(f, type, 1);
	put(f, code, 1);
	put(f, 0, 2);
	put(f, 0, 4); /* identifier and sequence number, or reserved */
	if (v6 && !code && (type == OF_ND_SOLICIT || type == OF_ND_ADVERT)) {
		put(f, k->w[CXLT_W_ND_TARGET_HI], 8);
		put(f, k->w[CXLT_W_ND_TARGET_LO], 8);
		put_nd_option(f, 1, CXLT_KEY_GET(k, ARP_SHA));
		put_nd_option(f, 2, CXLT_KEY_GET(k, ARP_THA));
	}
	put_at(f, at + 2,
	       fold(sum_bytes(f, at, v6 ? pseudo_header(f, f->len - at, OF_IP_ICMPV6) : 0)));
}

static void put_l4(struct frame *f)
{
	__u64 proto = CXLT_KEY_GET(f->key, IP_PROTO);
	bool v6 = CXLT_KEY_GET(f->key, ETH_TYPE) == OF_ETH_IPV6;
	size_t at = f->len;

	if (CXLT_KEY_GET(f->key, IP_FRAG) & CXLT_FRAG_LATER)
		put(f, 0, 8); /* payload only */
	else if (proto == OF_IP_TCP)
		put_tcp(f, at);
	else if (proto == OF_IP_UDP)
		put_udp(f, at);
	else if (proto == OF_IP_SCTP)
		put_sctp(f, at);
	else if (proto == (v6 ? OF_IP_ICMPV6 : OF_IP_ICMP))
		put_icmp(f, at, v6);
}

/* More fragments follow the first one; a later one lies behind 1480 bytes and is the last. */
static __u16 fragment_word(const struct frame *f, unsigned int shift, unsigned int more)
{
	__u64 frag = CXLT_KEY_GET(f->key, IP_FRAG);

	if (frag & CXLT_FRAG_LATER)
		return LATER_OFFSET << shift;
	return frag & CXLT_FRAG_ANY ? more : 0;
}

static void put_ipv4(struct frame *f)
{
	const struct cxlt_key *k = f->key;
	size_t at = f->len;

	put(f, 0x45, 1);
	put(f, CXLT_KEY_GET(k, IP_TOS), 1);
	put(f, 0, 2);
	put(f, 0, 2);
	put(f, fragment_word(f, 0, 0x2000), 2);
	put(f, CXLT_KEY_GET(k, IP_TTL), 1);
	put(f, CXLT_KEY_GET(k, IP_PROTO), 1);
	put(f, 0, 2);
	put(f, k->w[CXLT_W_IPV4], 8);
	put_l4(f);
	put_at(f, at + 2, f->len - at);
	if (at + 20 <= f->size) {
		struct frame header = {k, f->buf, f->size, at + 20};

		put_at(f, at + 10, fold(sum_bytes(&header, at, 0)));
	}
}

static void put_ipv6(struct frame *f)
{
	const struct cxlt_key *k = f->key;
	__u64 proto = CXLT_KEY_GET(k, IP_PROTO), frag = CXLT_KEY_GET(k, IP_FRAG);
	size_t at = f->len;

	put(f, 6ULL << 28 | CXLT_KEY_GET(k, IP_TOS) << 20 | (CXLT_KEY_GET(k, IPV6_LABEL) & 0xfffff),
	    4);
	put(f, 0, 2);
	put(f, frag ? FRAGMENT_HEADER : proto, 1);
	put(f, CXLT_KEY_GET(k, IP_TTL), 1);
	for (int w = CXLT_W_IPV6_SRC_HI; w <= CXLT_W_IPV6_DST_LO; w++)
		put(f, k->w[w], 8);
	if (frag) {
		/* Parsed keys have the fragment header's own number here (parse.h). */
		put(f, proto == FRAGMENT_HEADER ? NO_NEXT_HEADER : proto, 1);
		put(f, 0, 1);
		put(f, fragment_word(f, 3, 1), 2);
		put(f, 1, 4); /* identification */
	}
	put_l4(f);
	put_at(f, at + 4, f->len - at - 40);
}

int of_compose_packet(const struct cxlt_key *key, __u8 *buf, size_t size)
{
	struct frame f = {key, buf, size, 0};

	put_ethernet(&f);
	switch (CXLT_KEY_GET(key, ETH_TYPE)) {
	case OF_ETH_ARP:
	case OF_ETH_RARP: put_arp(&f); break;
	case OF_ETH_IP: put_ipv4(&f); break;
	case OF_ETH_IPV6: put_ipv6(&f); break;
	}
	while (f.len < MIN_FRAME)
		put(&f, 0, 1);
	return f.len > size ? -ENOSPC : (int)f.len;
}
