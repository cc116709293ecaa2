/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit.h - the rewrite of the header copy to what the key says.
 *
 * Phase 1 applies set_field, VLAN actions and dec_ttl to the key (keyop.h).  Before an output
 * phase 2 calls cxlt_edit() with the key that the bytes say now (`from`) and the key that they
 * shall say (`to`).  Only differences are written.  What no frame can say (metadata, registers)
 * is ignored; a difference in a field that can't be rewritten, or whose header the frame lacks,
 * is CXLT_R_CANT_EDIT - except L4 fields of a later fragment: the first one has them.
 *
 * Tags are aligned at the inner end, where push and pop don't reach.  A tag that stays keeps its
 * DEI bit, which no key holds; a new tag has DEI 0.
 *
 * Checksums: edit_l4.h.
 *
 * Sources: RFC 1624, 768, 6936, 8200 (8.1), 9260 (appendix A), 9653; IEEE 802.1Q-2018 9.
 * Concurrency: private memory only.
 * Errors: an enum cxlt_reason; after CXLT_R_CANT_EDIT the copy is spoilt, and must not leave.
 */
#ifndef CXLTAB_EDIT_H
#define CXLTAB_EDIT_H

#include <cxltab/base.h>
#include <cxltab/csum.h>
#include <cxltab/edit_l4.h>
#include <cxltab/key.h>
#include <cxltab/keyop.h>
#include <cxltab/proto.h>
#include <cxltab/reason.h>
#include <cxltab/wire.h>
#include <cxltab/work.h>

/* Addresses, TOS and TTL; the header checksum follows. */
CXLT_INLINE int cxlt_edit_ipv4(__u8 *h, const struct cxlt_key *from, const struct cxlt_key *to,
			       struct cxlt_edit_sums *sums)
{
	__u64 a = from->w[CXLT_W_IPV4], b = to->w[CXLT_W_IPV4];
	__u32 la = from->w[CXLT_W_L4], lb = to->w[CXLT_W_L4], tos = (lb >> 8) & 0xff;
	__u64 diff = 0;

	if (a != b) {
		cxlt_put64(h + 12, b);
		diff = cxlt_csum_diff64(a, b);
		sums->pseudo += diff;
	}
	if ((la ^ lb) & 0xffff) {
		diff += cxlt_csum_diff16((la >> 8) & 0xff, tos);
		diff += cxlt_csum_diff16((la & 0xff) << 8, (lb & 0xff) << 8);
		h[1] = tos;
		h[8] = lb & 0xff;
	}
	if (diff)
		cxlt_put16(h + 10, cxlt_csum_apply(cxlt_get16(h + 10), diff));
	return CXLT_R_NONE;
}

CXLT_INLINE void cxlt_edit_ipv6_addr(__u8 *h, __u32 word, __u64 *pseudo,
				     const struct cxlt_key *from, const struct cxlt_key *to)
{
	__u64 a = from->w[word], b = to->w[word];

	if (a == b)
		return;
	cxlt_put64(h, b);
	*pseudo += cxlt_csum_diff64(a, b);
}

/* Addresses, traffic class, hop limit and label: nothing but the pseudo-header sums them. */
CXLT_INLINE int cxlt_edit_ipv6(__u8 *h, const struct cxlt_layers *lay, const struct cxlt_key *from,
			       const struct cxlt_key *to, struct cxlt_edit_sums *sums)
{
	__u32 label = CXLT_KEY_GET(to, IPV6_LABEL);
	__u64 routed = 0;
	__u64 *dst = lay->flags & CXLT_LAY_ROUTED ? &routed : &sums->pseudo;

	cxlt_edit_ipv6_addr(h + 8, CXLT_W_IPV6_SRC_HI, &sums->pseudo, from, to);
	cxlt_edit_ipv6_addr(h + 16, CXLT_W_IPV6_SRC_LO, &sums->pseudo, from, to);
	cxlt_edit_ipv6_addr(h + 24, CXLT_W_IPV6_DST_HI, dst, from, to);
	cxlt_edit_ipv6_addr(h + 32, CXLT_W_IPV6_DST_LO, dst, from, to);
	if (label > 0xfffff)
		return CXLT_R_CANT_EDIT;
	cxlt_put32(h, 6u << 28 | (__u32)CXLT_KEY_GET(to, IP_TOS) << 20 | label);
	h[7] = CXLT_KEY_GET(to, IP_TTL);
	return CXLT_R_NONE;
}

/* op, SHA, SPA, THA, TPA.  An opcode above 255 is 0 in the key and stays what it is. */
CXLT_INLINE int cxlt_edit_arp(__u8 *h, const struct cxlt_key *from, const struct cxlt_key *to)
{
	__u64 ip = to->w[CXLT_W_IPV4], sha = CXLT_KEY_GET(to, ARP_SHA);
	__u64 tha = CXLT_KEY_GET(to, ARP_THA);

	if (CXLT_KEY_GET(from, IP_PROTO) != CXLT_KEY_GET(to, IP_PROTO))
		cxlt_put16(h + 6, CXLT_KEY_GET(to, IP_PROTO));
	cxlt_put64(h + 8, sha << 16 | ip >> 48);
	cxlt_put16(h + 16, (ip >> 32) & 0xffff);
	cxlt_put64(h + 18, tha << 16 | ((ip >> 16) & 0xffff));
	cxlt_put16(h + 26, ip & 0xffff);
	return CXLT_R_NONE;
}

/* True if all differences are in fields that this kind of packet has, and that can be written. */
CXLT_INLINE int cxlt_edit_allowed(const struct cxlt_layers *lay, const struct cxlt_key *from,
				  const struct cxlt_key *to)
{
#define CXLT_DIFF(word) (from->w[word] ^ to->w[word])
	__u64 no = CXLT_DIFF(CXLT_W_ND_TARGET_HI) | CXLT_DIFF(CXLT_W_ND_TARGET_LO);
	__u64 port = CXLT_DIFF(CXLT_W_PORT) & 0xffffffff; /* in_port is no header */
	__u64 arp = (CXLT_DIFF(CXLT_W_SHA) | CXLT_DIFF(CXLT_W_THA)) >> 16;
	__u64 l4 = CXLT_DIFF(CXLT_W_L4), label = CXLT_DIFF(CXLT_W_LABEL_VNI);

	if (lay->l3_kind == CXLT_L3_ARP)
		port &= ~0xff00ULL;
	else
		no |= arp;
	no |= port | (l4 & 0xffff0000) | (label & 0xffffffff);
	if (lay->l3_kind != CXLT_L3_IPV6)
		no |= CXLT_DIFF(CXLT_W_IPV6_SRC_HI) | CXLT_DIFF(CXLT_W_IPV6_SRC_LO) |
		      CXLT_DIFF(CXLT_W_IPV6_DST_HI) | CXLT_DIFF(CXLT_W_IPV6_DST_LO) | label;
	if (lay->l3_kind != CXLT_L3_IPV4 && lay->l3_kind != CXLT_L3_ARP)
		no |= CXLT_DIFF(CXLT_W_IPV4);
	if (lay->l3_kind != CXLT_L3_IPV4 && lay->l3_kind != CXLT_L3_IPV6)
		no |= l4;
	return !no;
#undef CXLT_DIFF
}

CXLT_INLINE int cxlt_edit_l3(struct cxlt_frame *f, const struct cxlt_layers *lay,
			     const struct cxlt_key *from, const struct cxlt_key *to,
			     struct cxlt_edit_sums *sums)
{
	__u8 *h;

	switch (lay->l3_kind) {
	case CXLT_L3_IPV4:
		h = cxlt_edit_at(f, lay->l3, 20);
		return h ? cxlt_edit_ipv4(h, from, to, sums) : CXLT_R_CANT_EDIT;
	case CXLT_L3_IPV6:
		h = cxlt_edit_at(f, lay->l3, 40);
		return h ? cxlt_edit_ipv6(h, lay, from, to, sums) : CXLT_R_CANT_EDIT;
	case CXLT_L3_ARP:
		h = cxlt_edit_at(f, lay->l3, 28);
		return h ? cxlt_edit_arp(h, from, to) : CXLT_R_CANT_EDIT;
	}
	return CXLT_R_NONE;
}

/* Tags of a key; more than CXLT_MAX_TAGS if its words contradict each other. */
CXLT_INLINE __u32 cxlt_key_tags(const struct cxlt_key *key)
{
	__u32 outer = !!(key->w[CXLT_W_DMAC] & CXLT_VLAN_PRESENT);
	__u32 inner = !!(key->w[CXLT_W_SMAC] & CXLT_VLAN_PRESENT);

	return inner && !outer ? CXLT_MAX_TAGS + 1 : outer + inner;
}

/* Moves the MACs, and with them the frame's start, by `delta` bytes towards the headroom. */
CXLT_INLINE int cxlt_edit_move(struct cxlt_frame *f, int delta)
{
	__u8 *h = cxlt_edit_at(f, 0, 12);
	__u64 dst;
	__u32 src;

	if (!h || (int)f->head < delta || (int)f->hdr_len + delta < CXLT_ETH_HLEN)
		return CXLT_R_CANT_EDIT;
	dst = cxlt_get64(h);
	src = cxlt_get32(h + 8);
	f->head -= delta;
	f->hdr_len += delta;
	f->len += delta;
	h = cxlt_edit_at(f, 0, 12);
	if (!h)
		return CXLT_R_CANT_EDIT;
	cxlt_put64(h, dst);
	cxlt_put32(h + 8, src);
	return CXLT_R_NONE;
}

/* Writes the tag at `off`; `was`: the bytes there are the same tag before, whose DEI stays. */
CXLT_INLINE int cxlt_edit_tag(struct cxlt_frame *f, __u32 off, __u32 tpid, __u32 tci, int was)
{
	__u8 *h = cxlt_edit_at(f, off, CXLT_TAG_HLEN);

	if (!h)
		return CXLT_R_CANT_EDIT;
	tci &= ~(__u32)CXLT_VLAN_PRESENT;
	if (was)
		tci |= cxlt_get16(h + 2) & CXLT_VLAN_PRESENT;
	cxlt_put32(h, tpid << 16 | tci);
	return CXLT_R_NONE;
}

/* Tags as `to` has them. */
CXLT_INLINE int cxlt_edit_tags(struct cxlt_frame *f, struct cxlt_layers *lay,
			       const struct cxlt_key *from, const struct cxlt_key *to)
{
	__u32 had = cxlt_key_tags(from), has = cxlt_key_tags(to);
	int delta = ((int)has - (int)had) * CXLT_TAG_HLEN;

	if (has > CXLT_MAX_TAGS)
		return CXLT_R_TOO_MANY_TAGS;
	if (had != lay->n_tags)
		return CXLT_R_CANT_EDIT;
	if (delta && cxlt_edit_move(f, delta))
		return CXLT_R_CANT_EDIT;
	lay->n_tags = has;
	lay->l3 += delta;
	lay->l4 += lay->l4 ? delta : 0;
	lay->ip6_frag += lay->ip6_frag ? delta : 0;
	if (has && cxlt_edit_tag(f, 12, CXLT_KEY_GET(to, VLAN_TPID), CXLT_KEY_GET(to, VLAN_TCI),
				 had >= has))
		return CXLT_R_CANT_EDIT;
	if (has == 2 && cxlt_edit_tag(f, 16, CXLT_KEY_GET(to, VLAN_TPID2),
				      CXLT_KEY_GET(to, VLAN_TCI2), had >= 1))
		return CXLT_R_CANT_EDIT;
	return CXLT_R_NONE;
}

/* MACs. */
CXLT_INLINE int cxlt_edit_macs(struct cxlt_frame *f, const struct cxlt_key *to)
{
	__u64 src = CXLT_KEY_GET(to, ETH_SRC);
	__u8 *h = cxlt_edit_at(f, 0, 12);

	if (!h)
		return CXLT_R_CANT_EDIT;
	cxlt_put64(h, (to->w[CXLT_W_DMAC] & ~0xffffULL) | src >> 32);
	cxlt_put32(h + 8, (__u32)src);
	return CXLT_R_NONE;
}

/* Makes the copy say `to` where it said `from`, but for the checksum described in *fix. */
CXLT_INLINE int cxlt_edit(struct cxlt_frame *f, struct cxlt_layers *lay,
			  const struct cxlt_key *from, const struct cxlt_key *to,
			  struct cxlt_csum_fix *fix)
{
	__u64 dmac = from->w[CXLT_W_DMAC] ^ to->w[CXLT_W_DMAC];
	__u64 smac = from->w[CXLT_W_SMAC] ^ to->w[CXLT_W_SMAC];
	__u64 tpids = (from->w[CXLT_W_SHA] ^ to->w[CXLT_W_SHA]) |
		      (from->w[CXLT_W_THA] ^ to->w[CXLT_W_THA]);
	__u32 a = from->w[CXLT_W_L4] >> 32, b = to->w[CXLT_W_L4] >> 32;
	struct cxlt_edit_sums sums = {};
	__u32 l3 = lay->l3;
	int reason;

	fix->off = 0;
	fix->udp = 0;
	fix->ip6 = 0;
	fix->diff_pseudo = 0;
	fix->diff = 0;
	if (!cxlt_edit_allowed(lay, from, to))
		return CXLT_R_CANT_EDIT;
	if (((dmac | smac) >> 16) && cxlt_edit_macs(f, to))
		return CXLT_R_CANT_EDIT;
	reason = cxlt_edit_l3(f, lay, from, to, &sums);
	if (!reason && a != b)
		reason = cxlt_edit_l4(f, lay, a, b, &sums);
	if (!reason)
		reason = cxlt_edit_fix(f, lay, &sums, fix);
	if (!reason && ((dmac | smac | tpids) & 0xffff))
		reason = cxlt_edit_tags(f, lay, from, to);
	if (fix->off)
		fix->off += lay->l3 - l3;
	return reason;
}

#endif
