// SPDX-License-Identifier: Apache-2.0
/*
 * Gives back what deletions leave (reclaim.h), with the slice alone: a walk over all tuples.  Each step is
 * one that writers make anyway - a list without a tuple, an array of another size, settled counters - so
 * readers go on, and a death in the middle leaves what theirs does.
 */
#include <errno.h>
#include <string.h>

#include <cxltab/reclaim.h>

#include "change_rule.h"

enum {
	SETTLE_NS = 1000000000, /* no packet is under way for longer */
};

static __u64 lines_used(const struct cxlt_slice *s)
{
	struct cxlt_usage u;
	__u64 n = 0;
	__u32 k;

	cxlt_slice_usage(s, &u);
	for (k = 1; k < CXLT_N_KINDS; k++)
		n += u.used[k];
	return n;
}

struct sweep {
	struct cxlt_writer *w;
	struct cxlt_slice *s;
	struct cxlt_sweep_result *out;
	__u64 now;
};

/* The counters of the chain that begins at `ref`. */
static void settle_chain(struct sweep *x, __u32 ref)
{
	__u32 hop;

	for (hop = 0; ref && hop < CXLT_CHAIN_MAX; hop++) {
		const struct cxlt_rule *e = cxlt_line(&x->s->view, ref, 1);
		struct cxlt_counters *c =
			e ? cxlt_line(&x->s->view, e->counters, CXLT_COUNTER_LINES) : NULL;

		if (c && c->host.before && c->host.marked + SETTLE_NS <= x->now) {
			cxlt_counters_settle(x->s, &x->w->alloc, e->counters);
			x->out->counters++;
		}
		ref = e ? e->next : 0;
	}
}

/* Settles what lies there; the number of occupied slots. */
static __u64 look_through(struct sweep *x, const struct cxlt_tuple *t)
{
	const struct cxlt_bucket *b = cxlt_at(x->s, CXLT_GEO_REF(t->geo));
	__u64 n = 0;
	__u32 i, j;

	for (i = 0; i < 1U << CXLT_GEO_LOG2(t->geo); i++)
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++) {
			__u32 ref = CXLT_SLOT_REF(cxlt_load(&b[i].slot[j]));

			n += ref != 0;
			if (t->kind == CXLT_KIND_RULE)
				settle_chain(x, ref);
		}
	return n;
}

/* An array that is to be less than half full stays: the next insert would make it larger again. */
static void trim(struct sweep *x, __u32 ref)
{
	struct cxlt_tuple *t = cxlt_line(&x->s->view, ref, CXLT_TUPLE_LINES);
	__u32 log2 = 1;
	__u64 n;

	if (!t || CXLT_GEO_LOG2(t->geo) > 26 ||
	    !cxlt_line(&x->s->view, CXLT_GEO_REF(t->geo), 1U << CXLT_GEO_LOG2(t->geo)))
		return;
	n = look_through(x, t);
	if (t->kind == CXLT_KIND_EXACT && !t->grow)
		return;
	while ((__u64)CXLT_BUCKET_SLOTS << log2 < 2 * n)
		log2++;
	if (log2 < CXLT_GEO_LOG2(t->geo) && !cxlt_tuple_resize(x->w, t, log2))
		x->out->arrays++;
}

static void sweep_table(struct sweep *x, __u32 table)
{
	struct cxlt_rule_spec spec = {.table = (__u8)table};
	__u32 before = cxlt_table_tuples(x->s, table), i;
	struct change c;

	cxlt_change_init(&c, x->w, &spec, &spec.mask, 0);
	cxlt_tuples_sweep(&c);
	x->out->tuples += before - cxlt_table_tuples(x->s, table);
	if (!cxlt_load(&c.t->n_rules))
		cxlt_unseen_lower(x->s, table, 0);
	for (i = 0; i < cxlt_table_tuples(x->s, table); i++) {
		const __u64 *items = cxlt_line(&x->s->view, CXLT_LIST_REF(c.t->list),
					       (cxlt_table_tuples(x->s, table) + 7) / 8);

		if (items)
			trim(x, CXLT_ITEM_REF(items[i]));
	}
}

int cxlt_slice_sweep(struct cxlt_writer *w, struct cxlt_sweep_result *out)
{
	struct sweep x = {w, w->slice, out, cxlt_now_ns()};
	__u64 used;
	__u32 i;
	int rc;

	memset(out, 0, sizeof(*out));
	if (w->bundle.version)
		return cxlt_fail(-EBUSY, "a bundle is open");
	rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	used = lines_used(x.s);
	for (i = 0; i < x.s->dir.n_tables; i++)
		sweep_table(&x, i);
	for (i = 0; i < x.s->dir.n_exacts; i++) {
		const struct cxlt_exact_table *t =
			(struct cxlt_exact_table *)cxlt_at(x.s, x.s->dir.exacts) + i;

		if (t->tuple)
			trim(&x, (__u32)t->tuple);
	}
	out->lines = used - lines_used(x.s);
	cxlt_writer_unlock(w);
	return 0;
}
