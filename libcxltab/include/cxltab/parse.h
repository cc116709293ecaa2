/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parse.h - a frame's first bytes become a key, and the places of its headers.
 *
 * One pass, front to back, over at most CXLT_HDR_MAX bytes.  Where Open vSwitch's flow
 * extraction has an answer it is ours (802.3 frames, fragments, ND, ARP); what it silently
 * leaves without L3 or L4 fields because it is truncated or malformed gets a reason here, and
 * the pipeline drops it.  An unknown protocol is no error: it only has no L4 fields.
 *
 * - Two tags (0x8100, 0x88a8) are parsed.  A third one stays the eth_type, and nothing behind
 *   it is looked at.
 * - 802.3: LLC/SNAP with OUI 0 has the SNAP type; any other length frame is 0x05ff.
 * - IPv6: up to CXLT_EXT_MAX extension headers, all within CXLT_HDR_MAX bytes of the frame.  In
 *   a later fragment ip_proto is 44: what the fragment header calls next is not in this packet.
 * - ND: 8 options at most; SLL/TLL that come later, or beyond CXLT_HDR_MAX, are not seen (SEND
 *   makes such packets).  Of two equal options the first counts, as it does for Linux.
 * - Super-packets of TC: a total or payload length of 0 means the rest of the frame, if that is
 *   longer than 65535 (BIG TCP); UDP's length is not compared then.  UDP over IPv6 may have
 *   length 0 (RFC 2675, as Linux).
 * - VXLAN is UDP to port 4789; vxlan_vni is 0 unless the I flag is set.
 *
 * Sources: IEEE 802.1Q-2018 9, RFC 826, 791, 8200 (4), 6946 (atomic fragments), 9293 (3.1), 768,
 * 9260 (3), 792, 4443, 4861 (4.3, 4.4, 4.6), 7348 (5); OVS miniflow_extract().
 *
 * Concurrency: private memory only.
 * Errors: cxlt_parse() returns an enum cxlt_reason.  Whatever it is, key and layers are fully
 * written; after an error they hold what was understood before it.
 */
#ifndef CXLTAB_PARSE_H
#define CXLTAB_PARSE_H

#include <cxltab/base.h>
#include <cxltab/key.h>
#include <cxltab/parse_l4.h>
#include <cxltab/proto.h>
#include <cxltab/reason.h>
#include <cxltab/wire.h>
#include <cxltab/work.h>

enum {
	CXLT_EXT_MAX = 8, /* IPv6 extension headers that are followed */
};

/* The tag whose TPID is p->type: its TCI into `tci`, TPID into `tpid`, then the next type. */
CXLT_INLINE int cxlt_parse_tag(struct cxlt_parser *p, __u64 *tci, __u64 *tpid)
{
	const __u8 *h = cxlt_parse_at(p, p->off, CXLT_TAG_HLEN);
	__u32 tag;

	if (!h)
		return CXLT_R_TRUNC_VLAN;
	tag = cxlt_get32(h);
	*tpid |= p->type;
	*tci |= tag >> 16 | CXLT_VLAN_PRESENT;
	p->type = tag & 0xffff;
	p->off += CXLT_TAG_HLEN;
	p->lay->n_tags++;
	return CXLT_R_NONE;
}

/* A length instead of a type: LLC, and perhaps SNAP with a type. */
CXLT_INLINE void cxlt_parse_llc(struct cxlt_parser *p)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 8);
	__u64 llc;

	p->type = CXLT_ETH_P_NONE;
	if (!h)
		return;
	llc = cxlt_get64(h);
	if (llc >> 16 != 0xaaaa03000000ULL || (llc & 0xffff) < CXLT_ETH_P_MIN)
		return;
	p->type = llc & 0xffff;
	p->off += 8;
}

/* MACs and tags; the caller has seen CXLT_ETH_HLEN bytes. */
CXLT_INLINE int cxlt_parse_eth(struct cxlt_parser *p)
{
	__u64 *w = p->key->w, src = cxlt_get64(p->b + 6);
	int reason = CXLT_R_NONE;

	w[CXLT_W_DMAC] = cxlt_get64(p->b) & ~0xffffULL;
	w[CXLT_W_SMAC] = src & ~0xffffULL;
	p->type = src & 0xffff;
	p->off = CXLT_ETH_HLEN;
	if (cxlt_unlikely(cxlt_is_tpid(p->type))) {
		reason = cxlt_parse_tag(p, &w[CXLT_W_DMAC], &w[CXLT_W_SHA]);
		if (!reason && cxlt_is_tpid(p->type))
			reason = cxlt_parse_tag(p, &w[CXLT_W_SMAC], &w[CXLT_W_THA]);
	}
	if (cxlt_unlikely(p->type < CXLT_ETH_P_MIN))
		cxlt_parse_llc(p);
	p->lay->l3 = p->off;
	CXLT_FORGET(p->off, p->lay->l3);
	return reason;
}

CXLT_INLINE int cxlt_parse_arp(struct cxlt_parser *p)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 28);
	__u64 fixed;

	if (!h)
		return CXLT_R_TRUNC_ARP;
	fixed = cxlt_get64(h); /* hardware, protocol, both lengths, opcode */
	if (fixed >> 16 != 0x000108000604ULL)
		return CXLT_R_BAD_ARP;
	p->proto = (fixed & 0xff00) ? 0 : fixed & 0xff;
	p->key->w[CXLT_W_IPV4] = (__u64)cxlt_get32(h + 14) << 32 | cxlt_get32(h + 24);
	p->key->w[CXLT_W_SHA] |= cxlt_get64(h + 8) & ~0xffffULL;
	p->key->w[CXLT_W_THA] |= cxlt_get64(h + 18) & ~0xffffULL;
	p->lay->l3_kind = CXLT_L3_ARP;
	return CXLT_R_NONE;
}

CXLT_INLINE int cxlt_parse_ipv4(struct cxlt_parser *p)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 20);
	__u32 room = p->frame_len - p->off, hlen, tot;
	__u64 w;

	if (cxlt_unlikely(!h))
		return CXLT_R_TRUNC_IPV4;
	w = cxlt_get64(h); /* version, IHL, TOS, total length, id, fragment */
	hlen = (w >> 54) & 0x3c;
	tot = (w >> 32) & 0xffff;
	if (!tot && room > 0xffff)
		tot = room;
	if (cxlt_unlikely(w >> 60 != 4 || hlen < 20))
		return CXLT_R_BAD_IPV4;
	if (cxlt_unlikely(hlen > room))
		return CXLT_R_TRUNC_IPV4;
	if (cxlt_unlikely(tot < hlen || tot > room))
		return CXLT_R_BAD_IPV4;
	p->key->w[CXLT_W_IPV4] = cxlt_get64(h + 12);
	p->key->w[CXLT_W_L4] = ((w >> 48) & 0xff) << 8 | h[8];
	p->proto = h[9];
	p->lay->l3_kind = CXLT_L3_IPV4;
	if (cxlt_unlikely(w & 0x3fff))
		p->lay->frag = CXLT_FRAG_ANY | ((w & 0x1fff) ? CXLT_FRAG_LATER : 0);
	p->end = p->off + tot;
	p->off += hlen;
	return CXLT_R_NONE;
}

/* Bytes of extension header `proto` that starts with the 8 bytes in w; 0: it isn't one. */
CXLT_INLINE __u32 cxlt_ext_len(__u32 proto, __u64 w)
{
	__u32 n = (w >> 48) & 0xff;

	switch (proto) {
	case CXLT_IPPROTO_HOPOPTS:
	case CXLT_IPPROTO_ROUTING:
	case CXLT_IPPROTO_DSTOPTS:
	case CXLT_IPPROTO_MOBILITY:
	case CXLT_IPPROTO_HIP:
	case CXLT_IPPROTO_SHIM6: return (n + 1) * 8;
	case CXLT_IPPROTO_AH: return (n + 2) * 4;
	case CXLT_IPPROTO_FRAGMENT: return 8;
	}
	return 0;
}

/* An extension header of len bytes that starts with w: what it says besides its successor. */
CXLT_INLINE void cxlt_parse_ext_header(struct cxlt_parser *p, __u64 w)
{
	__u32 data = w >> 32 & 0xffff; /* its third and fourth byte */

	if (p->proto == CXLT_IPPROTO_ROUTING && (data & 0xff))
		p->lay->flags = CXLT_LAY_ROUTED;
	if (p->proto != CXLT_IPPROTO_FRAGMENT)
		return;
	p->lay->ip6_frag = p->off;
	if (data & 0xfff9) /* offset and M; the rest is reserved */
		p->lay->frag = CXLT_FRAG_ANY | ((data & 0xfff8) ? CXLT_FRAG_LATER : 0);
}

/* Follows the chain until p->proto is no extension header, or a later fragment's. */
CXLT_INLINE int cxlt_parse_ext(struct cxlt_parser *p)
{
	__u32 i, len;
	const __u8 *h;
	__u64 w;

	CXLT_FOR(i, CXLT_EXT_MAX, CXLT_EXT_MAX)
	{
		if (cxlt_likely(!cxlt_ext_len(p->proto, 0)))
			return CXLT_R_NONE;
		if (p->off + 8 > p->end)
			return CXLT_R_TRUNC_EXT;
		h = cxlt_parse_at(p, p->off, 8);
		if (!h)
			return CXLT_R_EXT_LIMIT;
		w = cxlt_get64(h);
		len = cxlt_ext_len(p->proto, w);
		if (len > p->end - p->off)
			return CXLT_R_TRUNC_EXT;
		cxlt_parse_ext_header(p, w);
		if (p->lay->frag & CXLT_FRAG_LATER)
			return CXLT_R_NONE;
		p->proto = w >> 56;
		p->off += len;
		CXLT_FORGET(p->off, p->lay->l4);
		CXLT_FORGET(p->proto, p->lay->l4_proto);
	}
	return cxlt_ext_len(p->proto, 0) ? CXLT_R_EXT_LIMIT : CXLT_R_NONE;
}

CXLT_INLINE int cxlt_parse_ipv6(struct cxlt_parser *p)
{
	const __u8 *h = cxlt_parse_at(p, p->off, 40);
	__u32 room = p->frame_len - p->off - 40, plen;
	__u64 *k = p->key->w, w;

	if (!h)
		return CXLT_R_TRUNC_IPV6;
	w = cxlt_get64(h); /* version, traffic class, label, length, next header, hop limit */
	plen = (w >> 16) & 0xffff;
	if (!plen && room > 0xffff)
		plen = room;
	if (cxlt_unlikely(w >> 60 != 6 || plen > room))
		return CXLT_R_BAD_IPV6;
	k[CXLT_W_IPV6_SRC_HI] = cxlt_get64(h + 8);
	k[CXLT_W_IPV6_SRC_LO] = cxlt_get64(h + 16);
	k[CXLT_W_IPV6_DST_HI] = cxlt_get64(h + 24);
	k[CXLT_W_IPV6_DST_LO] = cxlt_get64(h + 32);
	k[CXLT_W_LABEL_VNI] = (w & 0xfffff00000000ULL);
	k[CXLT_W_L4] = ((w >> 52) & 0xff) << 8 | (w & 0xff);
	p->proto = (w >> 8) & 0xff;
	p->lay->l3_kind = CXLT_L3_IPV6;
	p->off += 40;
	p->end = p->off + plen;
	return cxlt_parse_ext(p);
}

CXLT_INLINE int cxlt_parse_l3(struct cxlt_parser *p)
{
	if (cxlt_likely(p->type == CXLT_ETH_P_IPV4))
		return cxlt_parse_ipv4(p);
	if (p->type == CXLT_ETH_P_IPV6)
		return cxlt_parse_ipv6(p);
	if (p->type == CXLT_ETH_P_ARP || p->type == CXLT_ETH_P_RARP)
		return cxlt_parse_arp(p);
	return CXLT_R_NONE;
}

/* Everything that parsing adds to. */
CXLT_INLINE void cxlt_parse_clear(struct cxlt_key *key, struct cxlt_layers *lay)
{
	key->w[CXLT_W_PORT] = 0;
	key->w[CXLT_W_IPV4] = 0;
	key->w[CXLT_W_L4] = 0;
	key->w[CXLT_W_DMAC] = 0;
	key->w[CXLT_W_SMAC] = 0;
	key->w[CXLT_W_IPV6_SRC_HI] = 0;
	key->w[CXLT_W_IPV6_SRC_LO] = 0;
	key->w[CXLT_W_IPV6_DST_HI] = 0;
	key->w[CXLT_W_IPV6_DST_LO] = 0;
	key->w[CXLT_W_METADATA] = 0;
	key->w[CXLT_W_TUN_ID] = 0;
	key->w[CXLT_W_REG01] = 0;
	key->w[CXLT_W_REG23] = 0;
	key->w[CXLT_W_LABEL_VNI] = 0;
	key->w[CXLT_W_ND_TARGET_HI] = 0;
	key->w[CXLT_W_ND_TARGET_LO] = 0;
	key->w[CXLT_W_SHA] = 0;
	key->w[CXLT_W_THA] = 0;
	lay->l3 = 0;
	lay->l4 = 0;
	lay->l4_len = 0;
	lay->ip6_frag = 0;
	lay->n_tags = 0;
	lay->l3_kind = CXLT_L3_NONE;
	lay->l4_proto = 0;
	lay->frag = 0;
	lay->flags = 0;
	lay->pad = 0;
}

/*
 * The frame of frame_len bytes starts at b, of which hdr_len = min(frame_len, CXLT_HDR_MAX)
 * bytes are read at most; in BPF b must have CXLT_HDR_MAX bytes of map value.
 */
CXLT_INLINE int cxlt_parse(const __u8 *b, __u32 hdr_len, __u32 frame_len, __u32 in_port,
			   struct cxlt_key *key, struct cxlt_layers *lay)
{
	struct cxlt_parser p = {};
	int reason = CXLT_R_SHORT_FRAME;

	p.b = b;
	p.hdr_len = hdr_len;
	p.frame_len = frame_len;
	p.key = key;
	p.lay = lay;
	cxlt_parse_clear(key, lay);
	if (cxlt_likely(hdr_len >= CXLT_ETH_HLEN))
		reason = cxlt_parse_eth(&p);
	if (!reason)
		reason = cxlt_parse_l3(&p);
	key->w[CXLT_W_PORT] = (__u64)in_port << 32 | p.type << 16 | p.proto << 8 | lay->frag;
	CXLT_FORGET(p.off, lay->l4);
	if (reason || !p.end || (lay->frag & CXLT_FRAG_LATER))
		return cxlt_parse_no_l4(&p, reason);
	return cxlt_parse_l4(&p);
}

#endif
