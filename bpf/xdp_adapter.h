/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0 */
/*
 * xdp_adapter.h - how the pipeline reads, rewrites and outputs a packet in XDP.
 *
 * XDP sends one copy: by a redirect through a devmap, or to the host's stack.  A packet that
 * needs more never gets to phase 2 here.  Bytes are copied by direct packet access, eight at a
 * time; what lies in fragments (jumbo frames) goes through helpers.
 */
#ifndef CXLTAB_BPF_XDP_ADAPTER_H
#define CXLTAB_BPF_XDP_ADAPTER_H

#include "common.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, CXLT_PORTS_MAX);
	__type(key, __u32); /* slot */
	__type(value, __u32);
} redirects SEC(".maps");

enum {
	/* Beside the reasons: the device that it is for doesn't take the frame so long. */
	CXLT_XDP_TOO_LONG = CXLT_REASON_MAX,
};

struct cxlt_adapter {
	struct xdp_md *ctx;
	struct cxlt_scratch *s;
};

static int packet_read(void *ctx, __u32 off, void *to, __u32 len)
{
	return bpf_xdp_load_bytes(ctx, off, to, len);
}

typedef __u64 __attribute__((may_alias)) word_t;

static __always_inline void copy64(void *to, const void *from)
{
	word_t *t = to;
	const word_t *f = from;

	t[0] = f[0];
	t[1] = f[1];
	t[2] = f[2];
	t[3] = f[3];
	t[4] = f[4];
	t[5] = f[5];
	t[6] = f[6];
	t[7] = f[7];
}

/* The first `n` bytes of the packet, 8 or more, from `off` on into the header copy. */
static __always_inline int load_words(struct xdp_md *ctx, struct cxlt_frame *f, __u32 off, __u32 n)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u8 *to = f->buf + CXLT_HDR_ROOM;
	__u32 last = n - 8;

	for (; CXLT_CAN_LOOP && off < last && CXLT_BELOW(off, CXLT_HDR_MAX - 8); off += 8) {
		if (data + off + 8 > end)
			return -1;
		*(word_t *)(to + off) = *(word_t *)(data + off);
	}
	if (last > CXLT_HDR_MAX - 8 || data + last + 8 > end)
		return -1;
	*(word_t *)(to + last) = *(word_t *)(data + last);
	return 0;
}

/* The header copy and the frame's length; 0 or -1. */
static __always_inline int frame_load(struct xdp_md *ctx, struct cxlt_frame *f)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 len = bpf_xdp_get_buff_len(ctx), n = len, off = 0;
	__u8 *to = f->buf + CXLT_HDR_ROOM;

	if (n > CXLT_HDR_MAX)
		n = CXLT_HDR_MAX;
	f->len = len;
	f->hdr_len = n;
	f->head = CXLT_HDR_ROOM;
	if (data + 64 <= end) {
		copy64(to, data);
		off = 64;
		if (data + 128 <= end) {
			copy64(to + 64, data + 64);
			off = 128;
			if (data + 256 <= end) {
				copy64(to + 128, data + 128);
				copy64(to + 192, data + 192);
				return 0;
			}
		}
	}
	if (off == n)
		return 0;
	off += cxlt_loop_zero(); /* or the verifier walks the loop once for each start */
	if (n >= 8 && !load_words(ctx, f, off, n))
		return 0;
	CXLT_OPAQUE(n);
	if (n < 1 || n > CXLT_HDR_MAX)
		return -1;
	return bpf_xdp_load_bytes(ctx, 0, to, n);
}

/* Writes the first `n` bytes of the header copy, 8 or more, to the packet. */
static __always_inline int store_words(struct xdp_md *ctx, struct cxlt_frame *f, __u32 n)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 head = f->head, last = n - 8, off;

	CXLT_OPAQUE(head);
	if (head > CXLT_HDR_ROOM + 8)
		return -1;
	for (off = cxlt_loop_zero(); CXLT_CAN_LOOP && off < last && CXLT_BELOW(off, CXLT_HDR_MAX);
	     off += 8) {
		if (data + off + 8 > end)
			return -1;
		*(word_t *)(data + off) = *(word_t *)(f->buf + head + off);
	}
	if (last > CXLT_HDR_MAX || data + last + 8 > end)
		return -1;
	*(word_t *)(data + last) = *(word_t *)(f->buf + head + last);
	return 0;
}

/*
 * The port that the packet is for, if it is for one: what isn't handed over has one at most.
 * *pushes counts the tags pushed before that.
 */
static __always_inline const struct cxlt_port *only_output(const struct cxlt_work *w, __u32 *pushes)
{
	__u32 i, skip = 0;

	*pushes = 0;
	CXLT_FOR(i, w->res.n_ops, CXLT_OPS_MAX)
	{
		__u64 word;
		__u32 op, port;

		if (skip) {
			skip--;
			continue;
		}
		word = w->res.ops[i];
		op = cxlt_op_code(word);
		skip = cxlt_op_words(op) - 1;
		if (op == CXLT_OP_PUSH_VLAN)
			++*pushes;
		if (op != CXLT_OP_OUTPUT && op != CXLT_OP_IN_PORT)
			continue;
		port = op == CXLT_OP_OUTPUT ? cxlt_op_arg(word) : w->in_port;
		return bpf_map_lookup_elem(&ports, &port);
	}
	return NULL;
}

/*
 * Does the packet's device take it with its pushed tags?  What is longer than MTU, Ethernet header
 * and one tag would be counted as sent, and lost by the redirect; TC carries a tag beside the
 * bytes.  Each push adds `tag_len` to the header copy's length: 0 if it shows the tags already.
 */
__noinline int cxlt_xdp_fits(struct xdp_md *ctx, struct cxlt_scratch *s, __u32 tag_len)
{
	const struct cxlt_port *out;
	__u32 pushes, l3_len;

	if (!s || cxlt_dry_every)
		return 1;
	out = only_output(&s->w, &pushes);
	if (!out || !pushes)
		return 1;
	l3_len = s->w.frame.len + pushes * tag_len;
	if (l3_len <= CXLT_ETH_HLEN + CXLT_TAG_HLEN)
		return 1;
	/* The length is given, since the helper knows that of the first fragment only. */
	l3_len -= CXLT_ETH_HLEN + CXLT_TAG_HLEN;
	return bpf_check_mtu(ctx, out->ifindex, &l3_len, 0, 0) <= 0;
}

/*
 * What is long is a global function, verified once: the loop over the gathered ops, with all of it
 * inlined, is more than the verifier walks.
 */
__noinline int cxlt_xdp_headers(struct xdp_md *ctx, struct cxlt_scratch *s,
				struct cxlt_csum_fix *fix)
{
	struct cxlt_frame *f;
	__u32 n, head;
	int rc;

	if (!s || !fix)
		return CXLT_R_INTERNAL;
	f = &s->w.frame;
	rc = cxlt_edit_csum(f, fix);
	if (rc)
		return rc;
	if (f->len > s->len && !cxlt_xdp_fits(ctx, s, 0))
		return CXLT_XDP_TOO_LONG;
	if (f->len != s->len && bpf_xdp_adjust_head(ctx, (int)(s->len - f->len)))
		return CXLT_R_INTERNAL;
	s->len = f->len;
	s->shot = 0;
	n = s->w.lay.l4 ? s->w.lay.l4 + 20 : s->w.lay.l3 + 40;
	if (n > f->hdr_len)
		n = f->hdr_len;
	if (n < CXLT_ETH_HLEN || n > CXLT_HDR_MAX + 8)
		return CXLT_R_INTERNAL;
	if (cxlt_likely(!store_words(ctx, f, n)))
		return 0;
	head = f->head;
	CXLT_OPAQUE(head);
	if (head > CXLT_HDR_ROOM + 8)
		return CXLT_R_INTERNAL;
	return bpf_xdp_store_bytes(ctx, 0, f->buf + head, n) ? CXLT_R_INTERNAL : 0;
}

__noinline int cxlt_xdp_port(struct xdp_md *ctx, struct cxlt_scratch *s, __u32 port)
{
	if (!s)
		return CXLT_R_INTERNAL;
	if (!cxlt_dry || !cxlt_dry_every) {
		const struct cxlt_port *out = bpf_map_lookup_elem(&ports, &port);

		if (!out)
			return CXLT_R_NO_PORT;
		s->out = *out;
		s->has_out = 1;
	}
	s->sinks++;
	return cxlt_dry ? dry_output(ctx, s, CXLT_DRY_PORT, port) : 0;
}

__noinline int cxlt_xdp_local(struct xdp_md *ctx, struct cxlt_scratch *s)
{
	if (!s)
		return CXLT_R_INTERNAL;
	s->local = 1;
	s->sinks++;
	return cxlt_dry ? dry_output(ctx, s, CXLT_DRY_LOCAL, 0) : 0;
}

__noinline int cxlt_xdp_upcall(struct xdp_md *ctx, struct cxlt_scratch *s, __u32 max_len)
{
	int rc;

	if (!s)
		return CXLT_R_INTERNAL;
	if (cxlt_dry)
		rc = dry_output(ctx, s, CXLT_DRY_CONTROLLER, max_len);
	else
		rc = upcall(ctx, s, max_len, CXLT_PATH_XDP);
	if (!rc)
		s->sinks++;
	return rc;
}

static __always_inline int cxlt_out_headers(struct cxlt_adapter *a, struct cxlt_work *w,
					    const struct cxlt_csum_fix *fix)
{
	return cxlt_xdp_headers(a->ctx, a->s, (struct cxlt_csum_fix *)fix);
}

static __always_inline int cxlt_out_port(struct cxlt_adapter *a, struct cxlt_work *w, __u32 port)
{
	return cxlt_xdp_port(a->ctx, a->s, port);
}

/* Never here: FLOOD and ALL are handed over. */
static __always_inline int cxlt_out_flood(struct cxlt_adapter *a, struct cxlt_work *w)
{
	return CXLT_R_INTERNAL;
}

static __always_inline int cxlt_out_local(struct cxlt_adapter *a, struct cxlt_work *w)
{
	return cxlt_xdp_local(a->ctx, a->s);
}

static __always_inline int cxlt_out_controller(struct cxlt_adapter *a, struct cxlt_work *w,
					       __u32 max_len)
{
	return cxlt_xdp_upcall(a->ctx, a->s, max_len);
}

#endif
