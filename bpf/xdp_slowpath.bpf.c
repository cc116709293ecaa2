// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* The slow path on XDP: one packet in, at most one out; what needs copies goes to TC. */
#include "xdp_adapter.h"

char LICENSE[] SEC("license") = "GPL";

static __always_inline int drop(struct cxlt_scratch *s)
{
	count_end(s, CXLT_PATH_XDP, 1, s->w.frame.len);
	return XDP_DROP;
}

/* Hands the packet, as it came, to the TC program of the same port. */
static __always_inline int hand_over(struct xdp_md *ctx, struct cxlt_scratch *s)
{
	struct cxlt_port_stats *st = stats_of(s->in.slot, CXLT_PATH_XDP);
	struct cxlt_mark *m;

	if (cxlt_dry) {
		struct cxlt_dry *d = dry_get();

		if (d)
			d->handed_over = 1;
		return XDP_PASS;
	}
	if (!(s->in.flags & CXLT_PORT_TC)) {
		end_early(s, CXLT_R_NO_TC);
		return drop(s);
	}
	end_early(s, CXLT_R_INTERNAL);
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*m)))
		return drop(s);
	m = (struct cxlt_mark *)(long)ctx->data_meta;
	if ((void *)(m + 1) > (void *)(long)ctx->data)
		return drop(s);
	m->magic = CXLT_MARK_MAGIC;
	m->ifindex = s->in.ifindex;
	m->slice = slice_id;
	if (st)
		st->handed_over++;
	return XDP_PASS;
}

/* Some port can't be redirected to: is it this packet's? */
static __always_inline int needs_tc(const struct cxlt_work *w)
{
	__u32 pushes;
	const struct cxlt_port *out = only_output(w, &pushes);

	return out && !(out->flags & CXLT_PORT_REDIRECT);
}

__noinline int cxlt_xdp_commit(struct xdp_md *ctx, struct cxlt_scratch *s)
{
	struct cxlt_adapter a = {.ctx = ctx, .s = s};

	return s ? cxlt_commit(&a, &s->w) : CXLT_R_INTERNAL;
}

/* Phase 2, and the packet's end. */
static __always_inline int commit(struct xdp_md *ctx, struct cxlt_scratch *s)
{
	__u32 came = s->len;
	int rc, act = XDP_DROP;

	rc = cxlt_xdp_commit(ctx, s);
	if (cxlt_unlikely(rc == CXLT_XDP_TOO_LONG)) { /* only the header copy was edited */
		s->w.frame.len = came;
		return hand_over(ctx, s);
	}
	if (s->local) {
		act = XDP_PASS;
	} else if (s->has_out && !cxlt_dry) {
		act = bpf_redirect_map(&redirects, s->out.slot, XDP_DROP);
		if (cxlt_likely(act == XDP_REDIRECT)) {
			count_tx(s->out.slot, CXLT_PATH_XDP, 1, s->len);
		} else {
			s->sinks--;
			rc = CXLT_R_NO_PORT;
		}
	}
	if (cxlt_unlikely(rc && !s->sinks))
		end_early(s, rc);
	count_end(s, CXLT_PATH_XDP, 1, came);
	return act;
}

static __always_inline int run(struct xdp_md *ctx, struct cxlt_scratch *s,
			       const struct cxlt_port *in)
{
	struct cxlt_result *r = &s->w.res;
	int reason;

	begin(s, in);
	if (frame_load(ctx, &s->w.frame))
		return XDP_DROP;
	s->len = s->w.frame.len;
	reason = cxlt_bpf_parse(s);
	if (cxlt_unlikely(reason))
		cxlt_work_refuse(view(), &s->w, reason);
	else
		cxlt_resolve(view(), &s->w);
	if (!leaves(r))
		return drop(s);
	/* An upcall may leave before the packet has grown, and TC would repeat it: look now. */
	if (r->flags & (CXLT_RES_COPIES | CXLT_RES_UPCALL) &&
	    (r->flags & CXLT_RES_COPIES || !cxlt_xdp_fits(ctx, s, CXLT_TAG_HLEN)))
		return hand_over(ctx, s);
	if (cxlt_unlikely(s->in.flags & CXLT_PORT_MIXED) && needs_tc(&s->w))
		return hand_over(ctx, s);
	return commit(ctx, s);
}

SEC("xdp.frags")
int cxlt_xdp(struct xdp_md *ctx)
{
	struct cxlt_scratch *s = get_scratch();
	struct cxlt_port dry_in = {}, *in;
	__u32 ifindex = ctx->ingress_ifindex;
	int act;

	asm volatile("" ::"r"(&arena));
	if (!s)
		return XDP_DROP;
	if (cxlt_dry) {
		dry_in.port = cxlt_dry_port;
		dry_start();
		act = run(ctx, s, &dry_in);
		dry_end(&s->w.res);
		return act;
	}
	in = bpf_map_lookup_elem(&devices, &ifindex);
	if (!in)
		return XDP_DROP;
	return run(ctx, s, in);
}
