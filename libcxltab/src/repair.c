// SPDX-License-Identifier: Apache-2.0
/*
 * What dead writers left is put right: first all that an audit can tell from what is reachable
 * (check.c), then bundles, then shadows, which are counted anew.  Alone; readers go on beside it.
 */
#include <string.h>

#include "internal.h"

/* Calls fn for each rule of the tuples with this flag. */
static void each_flagged(struct cxlt_slice *s, __u32 flag,
			 void (*fn)(struct cxlt_writer *, struct cxlt_tuple *, struct cxlt_rule *),
			 struct cxlt_writer *w)
{
	__u32 i, j, k, n;

	for (i = 0; i < s->dir.n_tables; i++) {
		struct cxlt_table *t = cxlt_at(s, s->dir.tables + i * 2);

		for (j = 0; j < CXLT_LIST_N(t->list); j++) {
			__u64 item = ((__u64 *)cxlt_at(s, CXLT_LIST_REF(t->list)))[j];
			struct cxlt_tuple *tp = cxlt_at(s, CXLT_ITEM_REF(item));
			__u64 *slot;

			if (!(CXLT_ITEM_FLAGS(item) & flag))
				continue;
			slot = cxlt_at(s, CXLT_GEO_REF(tp->geo));
			n = (1U << CXLT_GEO_LOG2(tp->geo)) * CXLT_LINE_WORDS;
			for (k = 0; k < n; k++) {
				__u32 ref = k % 8 == 7 ? 0 : CXLT_SLOT_REF(slot[k]);

				while (ref) {
					struct cxlt_rule *e = cxlt_at(s, ref);

					ref = e->next;
					fn(w, tp, e);
				}
			}
		}
	}
}

static void shadow_zero(struct cxlt_writer *w, struct cxlt_tuple *t, struct cxlt_rule *e)
{
	cxlt_store32(&e->flags, 0);
}

static void shadow_refer(struct cxlt_writer *w, struct cxlt_tuple *t, struct cxlt_rule *e)
{
	__u32 ref = cxlt_shadow_of(w, t, e);
	struct cxlt_rule *sh = ref ? cxlt_at(w->slice, ref) : NULL;

	if (e->flags & CXLT_RULE_UNSEEN) {
		cxlt_unseen_raise(w->slice, t->table, e->prio);
	} else if (sh) {
		cxlt_store32(&sh->flags, sh->flags + (1U << CXLT_RULE_REFS_SHIFT));
	} else {
		cxlt_unseen_raise(w->slice, t->table, e->prio);
		cxlt_store32(&e->flags, e->flags | CXLT_RULE_UNSEEN);
	}
}

/* The first shadow that speaks for nothing; removing it may free its tuple, so one at a time. */
static bool unneeded(struct cxlt_slice *s, struct cxlt_tuple **tp, struct cxlt_rule **rule)
{
	__u32 i, j, k;

	for (i = 0; i < s->dir.n_tables; i++) {
		struct cxlt_table *t = cxlt_at(s, s->dir.tables + i * 2);

		for (j = 0; j < CXLT_LIST_N(t->list); j++) {
			__u64 item = ((__u64 *)cxlt_at(s, CXLT_LIST_REF(t->list)))[j];
			__u64 *slot;

			if (!(CXLT_ITEM_FLAGS(item) & CXLT_TUPLE_SHADOW))
				continue;
			*tp = cxlt_at(s, CXLT_ITEM_REF(item));
			slot = cxlt_at(s, CXLT_GEO_REF((*tp)->geo));
			for (k = 0; k < (8U << CXLT_GEO_LOG2((*tp)->geo)); k++) {
				__u32 ref = k % 8 == 7 ? 0 : CXLT_SLOT_REF(slot[k]);

				for (; ref; ref = (*rule)->next) {
					*rule = cxlt_at(s, ref);
					if (!((*rule)->flags >> CXLT_RULE_REFS_SHIFT))
						return true;
				}
			}
		}
	}
	return false;
}

static int repair(struct cxlt_writer *w)
{
	struct cxlt_tuple *t;
	struct cxlt_rule *e;
	int rc = cxlt_audit_fix(w->slice);

	cxlt_alloc_reset(&w->alloc);
	memset(w->tuple_cache, 0, sizeof(w->tuple_cache));
	/* Counts and marks anew, if entries went. */
	if (rc >= 0 && cxlt_bundle_settle(w))
		rc = cxlt_audit_fix(w->slice);
	if (rc < 0)
		return rc;
	each_flagged(w->slice, CXLT_TUPLE_SHADOW, shadow_zero, w);
	each_flagged(w->slice, CXLT_TUPLE_HOST, shadow_refer, w);
	while (unneeded(w->slice, &t, &e))
		cxlt_shadow_drop(w, t, e);
	return 0;
}

int cxlt_slice_repair(struct cxlt_writer *w)
{
	int rc = cxlt_writer_lock(w);

	if (rc)
		return rc;
	rc = repair(w);
	cxlt_writer_unlock(w);
	return rc;
}
