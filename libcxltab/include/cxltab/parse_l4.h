/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse_l4.h - the part of parse.h that reads what an IP packet carries: TCP, UDP and VXLAN, SCTP,
 * ICMP, ICMPv6 and neighbour discovery; and the state that all of parse.h shares.
 *
 * Concurrency: private memory only.
 * Errors: an enum cxlt_reason; see parse.h.
 */
#ifndef CXLTAB_PARSE_L4_H
#define CXLTAB_PARSE_L4_H

#include <cxltab/base.h>
#include <cxltab/key.h>
#include <cxltab/proto.h>
#include <cxltab/reason.h>
#include <cxltab/wire.h>
#include <cxltab/work.h>

enum {
	CXLT_ND_OPT_MAX = 8, /* ND options that are looked at */
};

/* What parsing carries from layer to layer: registers, once everything is inlined. */
struct cxlt_parser {
	const __u8 *b;
	__u32 hdr_len;	 /* bytes of it that may be read */
	__u32 frame_len; /* bytes of the frame */
	__u32 off;	 /* where the next header starts */
	__u32 end;	 /* where the IP payload ends; 0: there is none to parse */
	__u32 type;	 /* key's eth_type */
	__u32 proto;	 /* key's ip_proto */
	struct cxlt_key *key;
	struct cxlt_layers *lay;
};

/*
 * The verifier follows each known value along each path.  One that has been through a place in
 * memory is any number, so paths that differ in it alone become one again.
 */
#ifdef __BPF__
#define CXLT_FORGET(x, place)                                  \
	do {                                                   \
		*(volatile __typeof__(place) *)&(place) = (x); \
		(x) = *(volatile __typeof__(place) *)&(place); \
	} while (0)
#else
#define CXLT_FORGET(x, place) ((void)0)
#endif

/* n readable bytes at off, or NULL.  The verifier wants its constant bound; C does not. */
CXLT_INLINE const __u8 *cxlt_parse_at(const struct cxlt_parser *p, __u32 off, __u32 n)
{
	if (cxlt_unlikely(off + n > p->hdr_len))
		return NULL;
#ifdef __BPF__
	CXLT_OPAQUE(off);
	if (off > CXLT_HDR_MAX - n)
		return NULL;
#endif
	return p->b + off;
}

CXLT_INLINE void cxlt_parse_vxlan(struct cxlt_parser *p, const __u8 *h)
{
	__u64 vxlan = cxlt_get64(h);

	if (vxlan >> 56 & 0x08)
		p->key->w[CXLT_W_LABEL_VNI] |= (vxlan >> 8) & 0xffffff;
}

CXLT_INLINE int cxlt_parse_udp(struct cxlt_parser *p, __u32 len)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 8), *v;
	__u64 udp;
	__u32 ulen;

	if (cxlt_unlikely(len < 8))
		return CXLT_R_TRUNC_UDP;
	if (cxlt_unlikely(!h))
		return CXLT_R_EXT_LIMIT;
	udp = cxlt_get64(h);
	ulen = (udp >> 16) & 0xffff;
	p->key->w[CXLT_W_L4] |= udp & ~0xffffffffULL;
	if (cxlt_unlikely(ulen < 8)) {
		if (ulen || (p->lay->l3_kind == CXLT_L3_IPV4 && len <= 0xffff))
			return CXLT_R_BAD_UDP;
		ulen = len;
	}
	if (cxlt_unlikely(ulen > len) && !p->lay->frag)
		return CXLT_R_BAD_UDP;
	if (cxlt_likely(((udp >> 32) & 0xffff) != CXLT_VXLAN_PORT))
		return CXLT_R_NONE;
	if (len < 16 || ulen < 16)
		return CXLT_R_TRUNC_VXLAN;
	v = cxlt_parse_at(p, p->off + 8, 8);
	if (!v)
		return CXLT_R_EXT_LIMIT;
	cxlt_parse_vxlan(p, v);
	return CXLT_R_NONE;
}

CXLT_INLINE int cxlt_parse_tcp(struct cxlt_parser *p, __u32 len)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 20);
	__u32 doff, flags;

	if (cxlt_unlikely(len < 20))
		return CXLT_R_TRUNC_TCP;
	if (cxlt_unlikely(!h))
		return CXLT_R_EXT_LIMIT;
	flags = cxlt_get16(h + 12);
	doff = flags >> 12;
	p->key->w[CXLT_W_L4] |= (__u64)cxlt_get32(h) << 32 | (flags & 0xfff) << 16;
	if (cxlt_unlikely(doff < 5))
		return CXLT_R_BAD_TCP;
	return cxlt_likely(doff * 4 <= len) ? CXLT_R_NONE : CXLT_R_TRUNC_TCP;
}

CXLT_INLINE int cxlt_parse_sctp(struct cxlt_parser *p, __u32 len)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 12);

	if (len < 12)
		return CXLT_R_TRUNC_SCTP;
	if (!h)
		return CXLT_R_EXT_LIMIT;
	p->key->w[CXLT_W_L4] |= (__u64)cxlt_get32(h) << 32;
	return CXLT_R_NONE;
}

/* The target, then options of 8 bytes times their second byte. */
CXLT_INLINE int cxlt_parse_nd(struct cxlt_parser *p, __u32 len)
{
	const __u8 *h = cxlt_parse_at(p, p->off + 8, 16);
	__u32 i, off = p->off + 24;
	__u64 *w = p->key->w;

	if (len < 24)
		return CXLT_R_TRUNC_ND;
	if (!h)
		return CXLT_R_EXT_LIMIT;
	w[CXLT_W_ND_TARGET_HI] = cxlt_get64(h);
	w[CXLT_W_ND_TARGET_LO] = cxlt_get64(h + 8);
	CXLT_FOR(i, CXLT_ND_OPT_MAX, CXLT_ND_OPT_MAX)
	{
		__u32 rest = p->end - off, olen;
		__u64 opt;

		if (!rest)
			break;
		if (rest < 8)
			return CXLT_R_TRUNC_ND;
		h = cxlt_parse_at(p, off, 8);
		if (!h)
			break;
		opt = cxlt_get64(h);
		olen = ((opt >> 48) & 0xff) * 8;
		if (!olen || olen > rest)
			return CXLT_R_TRUNC_ND;
		if (opt >> 48 == 0x0101 && !(w[CXLT_W_SHA] >> 16))
			w[CXLT_W_SHA] |= opt << 16;
		if (opt >> 48 == 0x0201 && !(w[CXLT_W_THA] >> 16))
			w[CXLT_W_THA] |= opt << 16;
		off += olen;
		CXLT_FORGET(off, p->lay->l4);
	}
	return CXLT_R_NONE;
}

CXLT_INLINE int cxlt_parse_icmp(struct cxlt_parser *p, __u32 len)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 8);
	__u32 type, code;

	if (len < 8)
		return CXLT_R_TRUNC_ICMP;
	if (!h)
		return CXLT_R_EXT_LIMIT;
	type = h[0];
	code = h[1];
	p->key->w[CXLT_W_L4] |= (__u64)type << 48 | (__u64)code << 32;
	if (p->proto != CXLT_IPPROTO_ICMPV6 || code || type - CXLT_ND_SOLICIT > 1)
		return CXLT_R_NONE;
	return cxlt_parse_nd(p, len);
}

/* CXLT_FORGET has used the fields of layers as scratch. */
CXLT_INLINE int cxlt_parse_no_l4(struct cxlt_parser *p, int reason)
{
	p->lay->l4 = 0;
	p->lay->l4_proto = 0;
	return reason;
}

/* What starts at p->off and ends at p->end, if it is a protocol whose header we know. */
CXLT_INLINE int cxlt_parse_l4(struct cxlt_parser *p)
{
	__u32 icmp = p->lay->l3_kind == CXLT_L3_IPV4 ? CXLT_IPPROTO_ICMP : CXLT_IPPROTO_ICMPV6;
	__u32 len = p->end - p->off;
	int reason;

	if (p->proto == CXLT_IPPROTO_TCP)
		reason = cxlt_parse_tcp(p, len);
	else if (p->proto == CXLT_IPPROTO_UDP)
		reason = cxlt_parse_udp(p, len);
	else if (p->proto == icmp)
		reason = cxlt_parse_icmp(p, len);
	else if (p->proto == CXLT_IPPROTO_SCTP)
		reason = cxlt_parse_sctp(p, len);
	else
		return cxlt_parse_no_l4(p, CXLT_R_NONE);
	if (cxlt_unlikely(reason))
		return cxlt_parse_no_l4(p, reason);
	p->lay->l4 = p->off;
	p->lay->l4_len = len > 0xffff ? 0xffff : len;
	p->lay->l4_proto = p->proto;
	return CXLT_R_NONE;
}

#endif
