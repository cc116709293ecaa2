// SPDX-License-Identifier: Apache-2.0
/* Bytes for the parity tests' packets, with all that headers may carry besides what is in a key. */
#include <string.h>

#include "parity_gen.h"

enum {
	TAIL_MAX = 1400, /* bytes of payload at most; packets end at PARITY_LEN_MAX */
};

static __u8 *put(struct packet *p, __u32 n)
{
	__u8 *at = p->b + p->len;

	p->len += n;
	return at;
}

static void put_number(struct packet *p, __u64 v, __u32 n)
{
	__u8 *at = put(p, n);

	while (n--) {
		at[n] = v;
		v >>= 8;
	}
}

static void put_random_at(struct rnd *r, __u8 *at, __u32 n)
{
	__u64 v = 0;
	__u32 i;

	for (i = 0; i < n; i++, v >>= 8) {
		if (!(i & 7))
			v = rnd_next(r);
		at[i] = v;
	}
}

static void put_random(struct rnd *r, struct packet *p, __u32 n)
{
	put_random_at(r, put(p, n), n);
}

static __u32 complement(__u32 sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

static void set16(__u8 *at, __u32 v)
{
	at[0] = v >> 8;
	at[1] = v;
}

static void put_ether(struct rnd *r, const struct parity_shape *s, const struct cxlt_key *k,
		      struct packet *p)
{
	__u32 dei = rnd_one_in(r, 8) ? 0x1000 : 0;

	put_number(p, CXLT_KEY_GET(k, ETH_DST), 6);
	put_number(p, CXLT_KEY_GET(k, ETH_SRC), 6);
	if (s->tags >= 1) {
		put_number(p, CXLT_KEY_GET(k, VLAN_TPID), 2);
		put_number(p, (CXLT_KEY_GET(k, VLAN_TCI) & 0xefff) | dei, 2);
	}
	if (s->tags >= 2) {
		put_number(p, CXLT_KEY_GET(k, VLAN_TPID2), 2);
		put_number(p, (CXLT_KEY_GET(k, VLAN_TCI2) & 0xefff) | dei, 2);
	}
	if (s->type < 0x600 || rnd_one_in(r, 40)) {
		put_number(p, 46 + rnd_below(r, 1400), 2);
		if (s->type < 0x600)
			return;
		put_number(p, 0xaaaa03000000ULL, 6);
	}
	put_number(p, s->type, 2);
}

static void put_arp(const struct cxlt_key *k, struct packet *p)
{
	put_number(p, 0x0001080006040000ULL | CXLT_KEY_GET(k, IP_PROTO), 8);
	put_number(p, CXLT_KEY_GET(k, ARP_SHA), 6);
	put_number(p, CXLT_KEY_GET(k, IPV4_SRC), 4);
	put_number(p, CXLT_KEY_GET(k, ARP_THA), 6);
	put_number(p, CXLT_KEY_GET(k, IPV4_DST), 4);
}

/* Mostly small, sometimes up to the largest packet. */
static void put_payload(struct rnd *r, struct packet *p)
{
	__u32 room = p->len < PARITY_LEN_MAX ? PARITY_LEN_MAX - p->len : 0, n;

	n = rnd_below(r, rnd_one_in(r, 16) ? TAIL_MAX : 64);
	put_random(r, p, n < room ? n : room);
}

static void put_nd(struct rnd *r, const struct cxlt_key *k, struct packet *p)
{
	put_random(r, p, 4);
	put_number(p, k->w[CXLT_W_ND_TARGET_HI], 8);
	put_number(p, k->w[CXLT_W_ND_TARGET_LO], 8);
	if (rnd_one_in(r, 6)) { /* an option that isn't known */
		put_number(p, 5 << 8 | 2, 2);
		put_random(r, p, 14);
	}
	if (CXLT_KEY_GET(k, ARP_SHA)) {
		put_number(p, 0x0101, 2);
		put_number(p, CXLT_KEY_GET(k, ARP_SHA), 6);
	}
	if (CXLT_KEY_GET(k, ARP_THA)) {
		put_number(p, 0x0201, 2);
		put_number(p, CXLT_KEY_GET(k, ARP_THA), 6);
	}
}

static void put_tcp(struct rnd *r, const struct cxlt_key *k, struct packet *p)
{
	__u32 doff = rnd_one_in(r, 2) ? 5 : 5 + rnd_below(r, 11);

	put_random(r, p, 8);
	put_number(p, doff << 12 | (CXLT_KEY_GET(k, TCP_FLAGS) & 0xfff), 2);
	put_random(r, p, 2 + 2 + 2 + (doff - 5) * 4);
	put_payload(r, p);
}

static void put_udp(struct rnd *r, const struct parity_shape *s, const struct cxlt_key *k,
		    struct packet *p)
{
	__u32 at = p->len - 4;

	put_number(p, 0, 4);
	if (s->vxlan) {
		put_number(p, rnd_one_in(r, 8) ? 0 : 0x08000000, 4);
		put_number(p, CXLT_KEY_GET(k, VXLAN_VNI) << 8, 4);
	}
	put_payload(r, p);
	set16(p->b + at + 4, p->len - at);
}

/* Everything behind the IP header(s). */
static void put_l4(struct rnd *r, const struct parity_shape *s, const struct cxlt_key *k,
		   struct packet *p)
{
	__u64 src = CXLT_KEY_GET(k, TP_SRC), dst = CXLT_KEY_GET(k, TP_DST);
	__u32 icmp = s->type == 0x0800 ? 1 : 58;

	if (s->proto == 6 || s->proto == 17 || s->proto == 132)
		put_number(p, src << 16 | dst, 4);
	if (s->proto == 6) {
		put_tcp(r, k, p);
	} else if (s->proto == 17) {
		put_udp(r, s, k, p);
	} else if (s->proto == 132) {
		put_random(r, p, 4);
		put_number(p, rnd_one_in(r, 4) ? 0 : rnd_next(r), 4);
		put_payload(r, p);
	} else if (s->proto == icmp) {
		put_number(p, (src & 0xff) << 8 | (dst & 0xff), 2);
		put_number(p, 0, 2);
		if (s->nd)
			put_nd(r, k, p);
		else
			put_random(r, p, 4);
		if (!s->nd)
			put_payload(r, p);
	} else {
		put_payload(r, p);
	}
}

/* An extension header; returns where the next one's number is to be put. */
static __u8 *put_ext(struct rnd *r, struct packet *p, __u8 *next)
{
	static const __u8 kinds[] = {0, 60, 43, 51, 135, 139};
	__u8 kind = kinds[rnd_below(r, sizeof(kinds))], *h;
	__u32 n = rnd_below(r, 3), at = p->len;

	if (kind == 43)
		n = 2;
	if (kind == 51)
		n = 2 + 2 * n;
	*next = kind;
	put_random(r, p, kind == 51 ? 8 + n * 4 : 8 + n * 8);
	h = p->b + at;
	h[1] = n;
	if (kind == 43) {
		h[2] = 4;
		h[3] = rnd_below(r, 2);
	}
	return h;
}

static __u8 *put_fragment(struct rnd *r, __u32 frag, struct packet *p, __u8 *next)
{
	__u32 at = p->len;

	*next = 44;
	put_random(r, p, 8);
	set16(p->b + at + 2, 0);
	if (frag & CXLT_FRAG_LATER)
		set16(p->b + at + 2, (1 + rnd_below(r, 8000)) << 3 | rnd_below(r, 2));
	else if (frag)
		set16(p->b + at + 2, 1);
	return p->b + at;
}

static void put_ipv6(struct rnd *r, const struct parity_shape *s, const struct cxlt_key *k,
		     struct packet *p)
{
	__u32 at = p->len, n = rnd_one_in(r, 4) ? 1 + rnd_below(r, rnd_one_in(r, 9) ? 10 : 2) : 0;
	__u8 *next = p->b + at + 6;

	put_number(p,
		   6ULL << 28 | CXLT_KEY_GET(k, IP_TOS) << 20 |
			   (CXLT_KEY_GET(k, IPV6_LABEL) & 0xfffff),
		   4);
	put_number(p, 0, 3);
	put_number(p, CXLT_KEY_GET(k, IP_TTL), 1);
	put_number(p, k->w[CXLT_W_IPV6_SRC_HI], 8);
	put_number(p, k->w[CXLT_W_IPV6_SRC_LO], 8);
	put_number(p, k->w[CXLT_W_IPV6_DST_HI], 8);
	put_number(p, k->w[CXLT_W_IPV6_DST_LO], 8);
	while (n--)
		next = put_ext(r, p, next);
	if (s->frag || rnd_one_in(r, 16))
		next = put_fragment(r, s->frag, p, next);
	*next = s->proto;
	if (s->frag & CXLT_FRAG_LATER)
		put_payload(r, p);
	else
		put_l4(r, s, k, p);
	set16(p->b + at + 4, p->len - at - 40);
}

static void put_ipv4(struct rnd *r, const struct parity_shape *s, const struct cxlt_key *k,
		     struct packet *p)
{
	__u32 at = p->len, words = rnd_one_in(r, 8) ? 1 + rnd_below(r, 10) : 0, frag = 0;

	if (s->frag & CXLT_FRAG_LATER)
		frag = 1 + rnd_below(r, 8000);
	else if (s->frag)
		frag = 0x2000;
	else if (rnd_one_in(r, 2))
		frag = 0x4000;
	put_number(p, 0x45 + words, 1);
	put_number(p, CXLT_KEY_GET(k, IP_TOS), 1);
	put_number(p, 0, 2);
	put_random(r, p, 2);
	put_number(p, frag, 2);
	put_number(p, CXLT_KEY_GET(k, IP_TTL), 1);
	put_number(p, s->proto, 1);
	put_number(p, 0, 2);
	put_number(p, k->w[CXLT_W_IPV4], 8);
	put_random(r, p, words * 4);
	if (s->frag & CXLT_FRAG_LATER)
		put_payload(r, p);
	else
		put_l4(r, s, k, p);
	set16(p->b + at + 2, p->len - at);
	set16(p->b + at + 10, complement(packet_sum(p->b + at, 20 + words * 4)));
}

/* The sum of the L4 packet, to the end of the bytes, and of its pseudo-header. */
static __u32 l4_sum(const struct parity_shape *s, const struct packet *p, __u32 l3, __u32 l4)
{
	__u32 len = p->len - l4, sum = packet_sum(p->b + l4, len);

	if (s->type == 0x0800 && s->proto == 1)
		return sum;
	if (s->type == 0x0800)
		return sum + packet_sum(p->b + l3 + 12, 8) + s->proto + len;
	return sum + packet_sum(p->b + l3 + 8, 32) + s->proto + len;
}

/* The checksum of the whole packet, or any, since whether it was right must not matter. */
static void put_checksum(struct rnd *r, const struct parity_shape *s, struct packet *p, __u32 l3)
{
	__u32 l4 = l3 + (s->type == 0x0800 ? (p->b[l3] & 15) * 4 : 40), off = 0;
	__u32 how = rnd_below(r, 16);

	if (s->proto == 6)
		off = 16;
	else if (s->proto == 17)
		off = 6;
	else if (s->proto == (s->type == 0x0800 ? 1 : 58))
		off = 2;
	if (s->frag & CXLT_FRAG_LATER || !off || l4 + off + 2 > p->len)
		return;
	if (s->type == 0x86dd && p->b[l3 + 6] != s->proto)
		return; /* behind extension headers: what is there is random */
	set16(p->b + l4 + off, 0);
	if (how == 1)
		set16(p->b + l4 + off, 0xffff);
	else if (how == 2)
		put_random_at(r, p->b + l4 + off, 2);
	else if (how)
		set16(p->b + l4 + off, complement(l4_sum(s, p, l3, l4)));
}

/* Makes an IP packet end inside its headers. */
static void cut_ip(struct rnd *r, const struct parity_shape *s, struct packet *p, __u32 l3)
{
	__u32 headers = s->type == 0x0800 ? (p->b[l3] & 15) * 4 : 0;

	set16(p->b + l3 + (s->type == 0x0800 ? 2 : 4), headers + rnd_below(r, 24));
}

void parity_compose(struct rnd *r, const struct parity_shape *s, const struct cxlt_key *k,
		    struct packet *p)
{
	__u32 l3;

	p->len = 0;
	put_ether(r, s, k, p);
	l3 = p->len;
	switch (s->type) {
	case 0x0800: put_ipv4(r, s, k, p); break;
	case 0x86dd: put_ipv6(r, s, k, p); break;
	case 0x0806:
	case 0x8035: put_arp(k, p); break;
	default: put_payload(r, p);
	}
	if (s->type == 0x0800 || s->type == 0x86dd) {
		put_checksum(r, s, p, l3);
		if (rnd_one_in(r, 100))
			cut_ip(r, s, p, l3);
	}
	if (p->len < 60 && !rnd_one_in(r, 4))
		put_random(r, p, 60 - p->len);
	if (p->len > PARITY_LEN_MAX)
		p->len = PARITY_LEN_MAX;
}
