/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * tc_adapter.h - how the pipeline reads, rewrites and outputs a packet at tcx ingress.
 *
 * The outer VLAN tag may be in skb->vlan_tci instead of in the bytes; the header copy shows it
 * where it would be on the wire, so the packet's bytes are the copy's without bytes 12 to 15.
 * A partial checksum holds the sum of the pseudo-header and is completed by whoever transmits;
 * only the kernel knows which kind a packet has, so L4 checksums go through its helper.
 *
 * Copies: an output waits until it is known whether another one follows.  The last one takes
 * the packet itself, the others are clones.  The copy for the host's own stack is always last;
 * its bytes are restored from the key that they had when their turn was.
 */
#ifndef CXLTAB_BPF_TC_ADAPTER_H
#define CXLTAB_BPF_TC_ADAPTER_H

#include "common.bpf.h"

enum {
	VLAN_AT = 12, /* where the outer tag is in a frame */
	CHUNK = 64,   /* bytes of a store */
};

struct cxlt_adapter {
	struct __sk_buff *skb;
	struct cxlt_scratch *s;
};

static __always_inline __u32 skb_frame_len(const struct __sk_buff *skb)
{
	return skb->len + (skb->vlan_present ? CXLT_TAG_HLEN : 0);
}

/* The frame as on the wire: the tag in skb->vlan_tci stands in its bytes. */
static int packet_read(void *ctx, __u32 off, void *to, __u32 len)
{
	struct __sk_buff *skb = ctx;
	__u8 *p = to;

	if (!skb->vlan_present)
		return bpf_skb_load_bytes(skb, off, to, len);
	if (off)
		return -1;
	if (len <= VLAN_AT)
		return bpf_skb_load_bytes(skb, 0, p, len);
	if (bpf_skb_load_bytes(skb, 0, p, VLAN_AT))
		return -1;
	/* Buffers have room for all of the tag, also where fewer bytes of it are asked for. */
	cxlt_put32(p + VLAN_AT, cxlt_bswap16(skb->vlan_proto) << 16 | (skb->vlan_tci & 0xffff));
	if (len <= VLAN_AT + CXLT_TAG_HLEN)
		return 0;
	return bpf_skb_load_bytes(skb, VLAN_AT, p + VLAN_AT + CXLT_TAG_HLEN,
				  len - VLAN_AT - CXLT_TAG_HLEN);
}

static __always_inline int frame_load(struct __sk_buff *skb, struct cxlt_frame *f)
{
	__u32 len = skb_frame_len(skb), n = len;

	if (n > CXLT_HDR_MAX)
		n = CXLT_HDR_MAX;
	f->len = len;
	f->hdr_len = n;
	f->head = CXLT_HDR_ROOM;
	CXLT_OPAQUE(n);
	if (n < 1 || n > CXLT_HDR_MAX)
		return -1;
	return packet_read(skb, 0, f->buf + CXLT_HDR_ROOM, n);
}

/* Wire bytes of the packet, the repeated headers of a super-packet included. */
static __always_inline __u64 wire_bytes(const struct cxlt_scratch *s)
{
	return s->len + s->headers * (s->packets - 1);
}

/* What waits leaves, as a clone; the bytes are still the ones that it was promised. */
static __always_inline void emit_clone(struct __sk_buff *skb, struct cxlt_scratch *s)
{
	struct cxlt_port_stats *st;

	if (cxlt_dry || !s->has_out)
		return;
	s->has_out = 0;
	if (!bpf_clone_redirect(skb, s->out.ifindex, 0)) {
		count_tx(s->out.slot, CXLT_PATH_TC, s->packets, wire_bytes(s));
		return;
	}
	st = stats_of(s->out.slot, CXLT_PATH_TC);
	if (st)
		st->tx_errors += s->packets;
}

/* Another copy for the packet itself: what waited becomes a clone. */
static __always_inline void emit_wait(struct __sk_buff *skb, struct cxlt_scratch *s,
				      const struct cxlt_port *out)
{
	emit_clone(skb, s);
	s->out = *out;
	s->has_out = 1;
	s->sinks++;
}

static __always_inline int push_tag(struct __sk_buff *skb, struct cxlt_work *w, __u32 at)
{
	const __u8 *tag = cxlt_edit_at(&w->frame, at, CXLT_TAG_HLEN);

	if (!tag)
		return -1;
	return bpf_skb_vlan_push(skb, cxlt_bswap16(cxlt_get16(tag)), cxlt_get16(tag + 2));
}

/* Takes off the tags that the packet had, puts on those of the copy. */
static __always_inline int write_tags(struct __sk_buff *skb, struct cxlt_work *w)
{
	__u32 had = cxlt_key_tags(&w->orig), has = cxlt_key_tags(&w->key);
	__u64 in_dmac = w->orig.w[CXLT_W_DMAC] ^ w->key.w[CXLT_W_DMAC];
	__u64 in_smac = w->orig.w[CXLT_W_SMAC] ^ w->key.w[CXLT_W_SMAC];
	__u64 tpids = (w->orig.w[CXLT_W_SHA] ^ w->key.w[CXLT_W_SHA]) |
		      (w->orig.w[CXLT_W_THA] ^ w->key.w[CXLT_W_THA]);

	if (cxlt_likely(!((in_dmac | in_smac | tpids) & 0xffff)))
		return 0;
	if (had >= 1 && bpf_skb_vlan_pop(skb))
		return -1;
	if (had >= 2 && bpf_skb_vlan_pop(skb))
		return -1;
	if (has >= 2 && push_tag(skb, w, VLAN_AT + CXLT_TAG_HLEN))
		return -1;
	if (has >= 1 && push_tag(skb, w, VLAN_AT))
		return -1;
	return 0;
}

/* Bytes [from, to) of the copy become the packet's from `at` on. */
static __always_inline int write_bytes(struct __sk_buff *skb, struct cxlt_frame *f, __u32 from,
				       __u32 to, __u32 at)
{
	__u32 head = f->head;

	CXLT_OPAQUE(head);
	if (head > CXLT_HDR_ROOM + 8)
		return -1;
	for (from += cxlt_loop_zero(); CXLT_CAN_LOOP && from < to && CXLT_BELOW(from, CXLT_HDR_MAX);
	     from += CHUNK) {
		__u32 n = to - from;

		if (n > CHUNK)
			n = CHUNK;
		CXLT_OPAQUE(n);
		if (n < 1 || n > CHUNK)
			return -1;
		if (bpf_skb_store_bytes(skb, at, f->buf + head + from, n, 0))
			return -1;
		at += CHUNK;
	}
	return 0;
}

/* Partial checksums and whole ones alike; the copy takes over the result. */
static __always_inline int write_csum(struct __sk_buff *skb, struct cxlt_frame *f,
				      const struct cxlt_csum_fix *fix, __u32 hidden)
{
	__u64 flags = fix->udp ? BPF_F_MARK_MANGLED_0 : 0;
	__u32 off = fix->off - hidden;
	__u8 *copy;
	long rc = 0;

	if (!fix->off)
		return 0;
	if (fix->diff_pseudo) {
		__u64 v6 = fix->ip6 ? BPF_F_IPV6 : 0;

		rc = bpf_l4_csum_replace(skb, off, 0, fix->diff_pseudo,
					 flags | BPF_F_PSEUDO_HDR | v6);
		if (rc && v6) /* Linux before 6.16 doesn't know the flag */
			rc = bpf_l4_csum_replace(skb, off, 0, fix->diff_pseudo,
						 flags | BPF_F_PSEUDO_HDR);
	}
	if (!rc && fix->diff)
		rc = bpf_l4_csum_replace(skb, off, 0, fix->diff, flags);
	copy = cxlt_edit_at(f, fix->off, 2);
	if (rc || !copy)
		return -1;
	return bpf_skb_load_bytes(skb, off, copy, 2);
}

/*
 * The adapter's functions are global, verified once each: the loop over the gathered ops, with
 * all of them inlined, is more than the verifier walks.
 */
__noinline int cxlt_tc_headers(struct __sk_buff *skb, struct cxlt_scratch *s,
			       struct cxlt_csum_fix *fix)
{
	__u32 n, hidden;

	if (!s || !fix)
		return CXLT_R_INTERNAL;
	emit_clone(skb, s);
	s->shot = 0;
	if (write_tags(skb, &s->w))
		return CXLT_R_INTERNAL;
	s->len = s->w.frame.len;
	hidden = skb->vlan_present ? CXLT_TAG_HLEN : 0;
	n = s->w.lay.l4 ? s->w.lay.l4 + 20 : s->w.lay.l3 + 40;
	if (n > s->w.frame.hdr_len)
		n = s->w.frame.hdr_len;
	if (write_bytes(skb, &s->w.frame, 0, VLAN_AT, 0) ||
	    write_bytes(skb, &s->w.frame, VLAN_AT + hidden, n, VLAN_AT))
		return CXLT_R_INTERNAL;
	return write_csum(skb, &s->w.frame, fix, hidden) ? CXLT_R_INTERNAL : 0;
}

__noinline int cxlt_tc_port(struct __sk_buff *skb, struct cxlt_scratch *s, __u32 port)
{
	if (!s)
		return CXLT_R_INTERNAL;
	if (cxlt_dry && cxlt_dry_every) {
		s->sinks++;
	} else {
		const struct cxlt_port *out = bpf_map_lookup_elem(&ports, &port);

		if (!out)
			return CXLT_R_NO_PORT;
		emit_wait(skb, s, out);
	}
	return cxlt_dry ? dry_output(skb, s, CXLT_DRY_PORT, port) : 0;
}

__noinline int cxlt_tc_flood(struct __sk_buff *skb, struct cxlt_scratch *s)
{
	struct cxlt_flood *all;
	__u32 zero = 0, i, sinks;

	if (!s)
		return CXLT_R_INTERNAL;
	sinks = s->sinks;
	if (cxlt_dry && cxlt_dry_every) {
		s->sinks++;
		return dry_output(skb, s, CXLT_DRY_FLOOD, 0);
	}
	all = bpf_map_lookup_elem(&flood, &zero);
	if (!all)
		return CXLT_R_NO_PORT;
	CXLT_FOR(i, all->n, CXLT_PORTS_MAX)
	{
		const struct cxlt_port *out = &all->port[i];

		if (out->port == s->w.in_port)
			continue;
		emit_wait(skb, s, out);
		if (cxlt_dry)
			dry_output(skb, s, CXLT_DRY_PORT, out->port);
	}
	return s->sinks == sinks ? CXLT_R_NO_PORT : 0;
}

__noinline int cxlt_tc_upcall(struct __sk_buff *skb, struct cxlt_scratch *s, __u32 max_len)
{
	int rc;

	if (!s)
		return CXLT_R_INTERNAL;
	if (cxlt_dry)
		rc = dry_output(skb, s, CXLT_DRY_CONTROLLER, max_len);
	else
		rc = upcall(skb, s, max_len, CXLT_PATH_TC);
	if (!rc)
		s->sinks++;
	return rc;
}

__noinline int cxlt_tc_local(struct __sk_buff *skb, struct cxlt_scratch *s)
{
	__u32 i;

	if (!s)
		return CXLT_R_INTERNAL;
	s->sinks++;
	if (cxlt_dry)
		return dry_output(skb, s, CXLT_DRY_LOCAL, 0);
	s->local = 1;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		s->local_key.w[i] = s->w.key.w[i];
	return 0;
}

static __always_inline int cxlt_out_headers(struct cxlt_adapter *a, struct cxlt_work *w,
					    const struct cxlt_csum_fix *fix)
{
	return cxlt_tc_headers(a->skb, a->s, (struct cxlt_csum_fix *)fix);
}

static __always_inline int cxlt_out_port(struct cxlt_adapter *a, struct cxlt_work *w, __u32 port)
{
	return cxlt_tc_port(a->skb, a->s, port);
}

static __always_inline int cxlt_out_flood(struct cxlt_adapter *a, struct cxlt_work *w)
{
	return cxlt_tc_flood(a->skb, a->s);
}

static __always_inline int cxlt_out_local(struct cxlt_adapter *a, struct cxlt_work *w)
{
	return cxlt_tc_local(a->skb, a->s);
}

static __always_inline int cxlt_out_controller(struct cxlt_adapter *a, struct cxlt_work *w,
					       __u32 max_len)
{
	return cxlt_tc_upcall(a->skb, a->s, max_len);
}

#endif
