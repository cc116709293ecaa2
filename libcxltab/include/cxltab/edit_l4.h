/* SPDX-License-Identifier: Apache-2.0 */
/*
 * edit_l4.h - the part of edit.h that rewrites L4 headers and settles their checksums.
 *
 * IPv4's header checksum and SCTP's CRC32c are fixed in place; those of TCP, UDP, ICMP and ICMPv6
 * come back as differences in `struct cxlt_csum_fix`, since a TC program must not touch a partial
 * checksum directly: it calls, for each part that isn't 0,
 *     bpf_l4_csum_replace(skb, off, 0, diff_pseudo, BPF_F_PSEUDO_HDR | (udp ? MANGLED : 0))
 *     bpf_l4_csum_replace(skb, off, 0, diff, udp ? MANGLED : 0)
 * with BPF_F_MARK_MANGLED_0, and reads the field back into the copy, where it is stale otherwise.
 * XDP, nicsim and trace call cxlt_edit_csum().
 *
 * - A UDP checksum of 0 stays 0 (RFC 768, RFC 6936), one that becomes 0 is written as 0xffff.
 * - An SCTP checksum of 0 stays 0: it is partial, or unused (RFC 9653).  Otherwise ports of a
 *   first fragment can't be changed, since the CRC covers bytes that aren't there.
 * - With an IPv6 routing header that has segments left the pseudo-header holds the final
 *   destination (RFC 8200 8.1), so a rewritten ipv6_dst leaves the L4 checksum alone.
 * - UDP-Lite and DCCP are unknown protocols: rewritten addresses break their checksums.
 *
 * Concurrency: private memory only.
 * Errors: an enum cxlt_reason; see edit.h.
 */
#ifndef CXLTAB_EDIT_L4_H
#define CXLTAB_EDIT_L4_H

#include <cxltab/base.h>
#include <cxltab/csum.h>
#include <cxltab/key.h>
#include <cxltab/proto.h>
#include <cxltab/reason.h>
#include <cxltab/wire.h>
#include <cxltab/work.h>

/*
 * The L4 checksum that has yet to be fixed: 0 in `off` if none.  The differences are folded
 * one's complement sums of network-order words, as bpf_l4_csum_replace() takes them in `to`.
 */
struct cxlt_csum_fix {
	__u16 off;	   /* of the 16-bit field, from the frame's first byte */
	__u8 udp;	   /* 0 means no checksum */
	__u8 ip6;	   /* the pseudo-header is IPv6's (BPF_F_IPV6, where the kernel has it) */
	__u32 diff_pseudo; /* addresses */
	__u32 diff;	   /* the L4 header itself */
};

/* What is gathered while the headers are rewritten. */
struct cxlt_edit_sums {
	__u64 pseudo;
	__u64 l4;
};

/* n bytes of the copy at frame offset off, or NULL if they aren't all there. */
CXLT_INLINE __u8 *cxlt_edit_at(struct cxlt_frame *f, __u32 off, __u32 n)
{
	__u32 pos = f->head + off;

	if (off + n > f->hdr_len)
		return NULL;
	CXLT_OPAQUE(pos);
	if (pos > sizeof(f->buf) - n)
		return NULL;
	return f->buf + pos;
}

/* The CRC32c of an SCTP packet whose ports change. */
CXLT_INLINE int cxlt_edit_sctp(__u8 *h, const struct cxlt_layers *lay, __u32 a, __u32 b)
{
	__u32 crc = cxlt_get32_le(h + 8);

	if (!crc)
		return CXLT_R_NONE;
	if (lay->frag)
		return CXLT_R_CANT_EDIT;
	cxlt_put32_le(h + 8, crc ^ cxlt_crc32c_delta(cxlt_bswap32(a ^ b), lay->l4_len));
	return CXLT_R_NONE;
}

/* Ports, or ICMP's type and code; a and b are the upper halves of the keys' L4 words. */
CXLT_INLINE int cxlt_edit_l4(struct cxlt_frame *f, const struct cxlt_layers *lay, __u32 a, __u32 b,
			     struct cxlt_edit_sums *sums)
{
	__u8 *h;

	if (lay->frag & CXLT_FRAG_LATER)
		return CXLT_R_NONE;
	if (!lay->l4)
		return CXLT_R_CANT_EDIT;
	if (lay->l4_proto == CXLT_IPPROTO_ICMP || lay->l4_proto == CXLT_IPPROTO_ICMPV6) {
		h = cxlt_edit_at(f, lay->l4, 2);
		if (!h || (b & ~0xff00ffu))
			return CXLT_R_CANT_EDIT;
		a = (a >> 8 & 0xff00) | (a & 0xff);
		b = (b >> 8 & 0xff00) | (b & 0xff);
		cxlt_put16(h, b);
		sums->l4 += cxlt_csum_diff16(a, b);
		return CXLT_R_NONE;
	}
	h = cxlt_edit_at(f, lay->l4, 12);
	if (lay->l4_proto == CXLT_IPPROTO_SCTP) {
		if (!h)
			return CXLT_R_CANT_EDIT;
		cxlt_put32(h, b);
		return cxlt_edit_sctp(h, lay, a, b);
	}
	h = cxlt_edit_at(f, lay->l4, 4);
	if (!h)
		return CXLT_R_CANT_EDIT;
	cxlt_put32(h, b);
	sums->l4 += cxlt_csum_diff32(a, b);
	return CXLT_R_NONE;
}

CXLT_INLINE __u32 cxlt_csum_offset(__u32 proto)
{
	switch (proto) {
	case CXLT_IPPROTO_TCP: return 16;
	case CXLT_IPPROTO_UDP: return 6;
	case CXLT_IPPROTO_ICMP:
	case CXLT_IPPROTO_ICMPV6: return 2;
	}
	return 0;
}

/* Which checksum has to follow, and by how much. */
CXLT_INLINE int cxlt_edit_fix(const struct cxlt_frame *f, const struct cxlt_layers *lay,
			      const struct cxlt_edit_sums *sums, struct cxlt_csum_fix *fix)
{
	__u32 off = cxlt_csum_offset(lay->l4_proto);
	__u64 pseudo = lay->l4_proto == CXLT_IPPROTO_ICMP ? 0 : sums->pseudo;

	if (!lay->l4 || !off || !(pseudo | sums->l4))
		return CXLT_R_NONE;
	if (lay->l4 + off + 2 > f->hdr_len)
		return CXLT_R_CANT_EDIT;
	fix->off = lay->l4 + off;
	fix->udp = lay->l4_proto == CXLT_IPPROTO_UDP;
	fix->ip6 = lay->l3_kind == CXLT_L3_IPV6;
	fix->diff_pseudo = cxlt_bswap16(cxlt_csum_fold(pseudo));
	fix->diff = cxlt_bswap16(cxlt_csum_fold(sums->l4));
	return CXLT_R_NONE;
}

/* Carries *fix out on the copy itself; nothing if there is nothing to fix. */
CXLT_INLINE int cxlt_edit_csum(struct cxlt_frame *f, const struct cxlt_csum_fix *fix)
{
	__u32 field;
	__u8 *h;

	if (!fix->off)
		return CXLT_R_NONE;
	h = cxlt_edit_at(f, fix->off, 2);
	if (!h)
		return CXLT_R_CANT_EDIT;
	field = cxlt_get16(h);
	if (fix->udp && !field)
		return CXLT_R_NONE;
	field = cxlt_csum_apply(field,
				(__u64)cxlt_bswap16(fix->diff_pseudo) + cxlt_bswap16(fix->diff));
	cxlt_put16(h, fix->udp && !field ? 0xffff : field);
	return CXLT_R_NONE;
}

#endif
