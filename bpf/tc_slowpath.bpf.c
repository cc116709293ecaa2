// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The slow path on tcx ingress: copies of what XDP hands over; or, on a port in mode tc, every
 * packet.
 */
#include "tc_adapter.h"

char LICENSE[] SEC("license") = "GPL";

/* Is the last part of a mark, made on this device for this slice, `off` bytes into the metadata? */
static __always_inline int is_mark(struct __sk_buff *skb, const struct cxlt_port *in, __u32 off)
{
	const __u8 *at = (__u8 *)(long)skb->data_meta + off;
	const struct cxlt_mark *m = (void *)(at - offsetof(struct cxlt_mark, magic));

	if ((void *)(m + 1) > (void *)(long)skb->data)
		return 0;
	return m->magic == CXLT_MARK_MAGIC && m->ifindex == in->ifindex && m->slice == slice_id;
}

/* The MAC header that generic XDP has left in front of the packet becomes a part of it again. */
static __always_inline int restore_mac(struct __sk_buff *skb)
{
	__u8 mac[CXLT_ETH_HLEN];

	return !bpf_skb_load_bytes_relative(skb, 0, mac, sizeof(mac), BPF_HDR_START_MAC) &&
	       !bpf_skb_change_head(skb, sizeof(mac), 0) &&
	       !bpf_skb_store_bytes(skb, 0, mac, sizeof(mac), 0);
}

/* Did XDP hand the packet over?  1 if so, and it starts with its MAC header; 0; -1: it is lost. */
static __always_inline int is_handed_over(struct __sk_buff *skb, const struct cxlt_port *in)
{
	const __u32 off = offsetof(struct cxlt_mark, magic);

	if (cxlt_likely(is_mark(skb, in, off)))
		return 1;
	if (!is_mark(skb, in, off - CXLT_ETH_HLEN))
		return 0;
	return restore_mac(skb) ? 1 : -1;
}

/* Segments of a super-packet, and the header bytes that each but the first one adds. */
static __always_inline void measure(struct __sk_buff *skb, struct cxlt_scratch *s)
{
	__u32 segs = skb->gso_segs, size = skb->gso_size, len = s->len;
	__u32 l4 = s->w.lay.l4, headers;

	s->packets = 1;
	s->headers = 0;
	if (cxlt_likely(!size || !l4))
		return;
	if (s->w.lay.l4_proto == CXLT_IPPROTO_TCP) {
		const __u8 *doff = cxlt_edit_at(&s->w.frame, l4 + 12, 1);

		headers = l4 + (doff ? *doff >> 4 << 2 : 20);
	} else {
		headers = l4 + (s->w.lay.l4_proto == CXLT_IPPROTO_SCTP ? 12 : 8);
	}
	if (!segs && len > headers) /* from a source that isn't trusted to have counted them */
		segs = (len - headers + size - 1) / size;
	s->packets = segs ? segs : 1;
	s->headers = headers;
}

/* The copy for the host's own stack, or the last output. */
static __always_inline int last_copy(struct cxlt_adapter *a, int rc)
{
	struct cxlt_scratch *s = a->s;
	__u64 diff = 0;
	__u32 i;

	if (!s->local) {
		if (!s->has_out)
			return TCX_DROP;
		count_tx(s->out.slot, CXLT_PATH_TC, s->packets, wire_bytes(s));
		return bpf_redirect(s->out.ifindex, 0);
	}
	emit_clone(a->skb, s);
	for (i = 0; i < CXLT_KEY_WORDS; i++) {
		diff |= s->w.orig.w[i] ^ s->local_key.w[i];
		s->w.key.w[i] = s->local_key.w[i];
	}
	if (diff && (rc || cxlt_flush_edits(a, &s->w)))
		return TCX_DROP; /* an edit failed and spoilt the bytes */
	return TCX_NEXT;
}

__noinline int cxlt_tc_commit(struct __sk_buff *skb, struct cxlt_scratch *s)
{
	struct cxlt_adapter a = {.skb = skb, .s = s};

	return s ? cxlt_commit(&a, &s->w) : CXLT_R_INTERNAL;
}

static __always_inline int run(struct __sk_buff *skb, struct cxlt_scratch *s,
			       const struct cxlt_port *in)
{
	struct cxlt_adapter a = {.skb = skb, .s = s};
	int rc, act = TCX_DROP;
	__u64 came;

	begin(s, in);
	if (frame_load(skb, &s->w.frame))
		return TCX_DROP;
	s->len = s->w.frame.len;
	rc = cxlt_bpf_parse(s);
	if (cxlt_unlikely(rc))
		cxlt_work_refuse(view(), &s->w, rc);
	else
		cxlt_resolve(view(), &s->w);
	measure(skb, s);
	came = wire_bytes(s);
	if (leaves(&s->w.res)) {
		rc = cxlt_tc_commit(skb, s);
		if (cxlt_unlikely(rc && !s->sinks))
			end_early(s, rc);
		if (!cxlt_dry)
			act = last_copy(&a, rc);
	}
	count_end(s, CXLT_PATH_TC, s->packets, came);
	return act;
}

/*
 * A test run refuses frames that end inside an IP header, by their type: the loader gives them
 * another one, and the true one here.
 */
__u32 cxlt_dry_type;

static __always_inline void restore_type(struct __sk_buff *skb)
{
	__u16 type = cxlt_bswap16(cxlt_dry_type);

	if (cxlt_dry_type)
		bpf_skb_store_bytes(skb, 12, &type, sizeof(type), 0);
}

SEC("tcx/ingress")
int cxlt_tc(struct __sk_buff *skb)
{
	struct cxlt_scratch *s = get_scratch();
	struct cxlt_port dry_in = {}, *in;
	__u32 ifindex = skb->ifindex;
	int act, ours = 1;

	asm volatile("" ::"r"(&arena));
	if (!s)
		return TCX_DROP;
	if (cxlt_dry) {
		restore_type(skb);
		dry_in.port = cxlt_dry_port;
		dry_start();
		act = run(skb, s, &dry_in);
		dry_end(&s->w.res);
		return act;
	}
	in = bpf_map_lookup_elem(&devices, &ifindex);
	if (!in)
		return TCX_NEXT; /* being detached */
	if (in->flags & CXLT_PORT_XDP)
		ours = is_handed_over(skb, in);
	if (ours <= 0)
		return ours ? TCX_DROP : TCX_NEXT;
	return run(skb, s, in);
}
