/* SPDX-License-Identifier: Apache-2.0 */
/*
 * classify.h - the winner of one OpenFlow table: tuple search over cuckoo hash tables.
 *
 * A table is a list of tuples in descending order of their highest priority.  The search probes
 * them in turn (tuple.h), but for those that the prefilter rules out, and stops as soon as no later
 * tuple can win.
 *
 * Concurrency: any number of readers beside writers; readers only load.  What was read is validated
 * before it counts (PROTOCOL.md, "Lookup in one table" and "Classification"):
 *   - what a tuple has or has not, as tuple.h says;
 *   - the table by its list word and the sum of its change words.
 *   - in userspace, a search that took long enough for a sequence to come round, by time.
 * At most CXLT_TRIES tries on each level, then "unstable".
 *
 * Results: 1 found (in w->rule), 0 a proven miss, or -reason (-CXLT_R_UNSTABLE, _BUDGET,
 * _BAD_REF; on a device also _DEV_DOMAIN, _DEV_UNSEEN).
 */
#ifndef CXLTAB_CLASSIFY_H
#define CXLTAB_CLASSIFY_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/change.h>
#include <cxltab/filter.h>
#include <cxltab/layout.h>
#include <cxltab/tuple.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

/* As CXLT_CHAIN_FIND in tuple.h. */
#ifndef CXLT_TUPLE_FIND
#define CXLT_TUPLE_FIND(v, w, ref, best) cxlt_tuple_find(v, w, ref, best)
#endif

/* One tuple of the list: 0 (w->rule is the best rule so far, if there is one) or -reason. */
CXLT_INLINE int cxlt_item_find(const struct cxlt_view *v, struct cxlt_work *w, __u64 item)
{
	__u32 prio = CXLT_ITEM_PRIO(item);
	int rc = cxlt_charge(w, 1);

	if (!rc)
		rc = CXLT_TUPLE_FIND(v, w, CXLT_ITEM_REF(item), w->scan.best);
	if (rc < 0 && rc != CXLT_OUT_OF_DOMAIN)
		return rc;
	if (rc > 0) {
		w->scan.best = w->rule.prio + 1;
		w->rule.torn = 0;
	}
	/* A candidate that vanished while it was copied has overwritten the best one. */
	if (cxlt_unlikely(w->rule.torn))
		return CXLT_RETRY;
	if (rc == CXLT_OUT_OF_DOMAIN && w->scan.unseen < prio + 1)
		w->scan.unseen = prio + 1;
	return 0;
}

/*
 * Those of tuples 64 g and on, 64 at most, that the filter leaves.  0: go on with the next 64; 1: no
 * later one can win; or -reason.
 */
CXLT_INLINE int cxlt_group_find(const struct cxlt_view *v, struct cxlt_work *w, __u64 list, __u32 g)
{
	__u32 n = CXLT_LIST_N(list) - g * 64, i;
	__u32 skip = v->flags & CXLT_VIEW_DEVICE ? CXLT_TUPLE_HOST : CXLT_TUPLE_SHADOW;
	const __u64 __arena *items = cxlt_line(v, CXLT_LIST_REF(list) + g * 8, (n + 7) / 8);
	__u64 left = cxlt_filter_group(v, &w->filter, g);
	int rc = g ? cxlt_charge(w, (w->filter.n_pairs + 7) / 8) : 0;

	if (!items || rc)
		return rc ? rc : -CXLT_R_BAD_REF;
	if (n < 64)
		left &= (1ULL << n) - 1;
	CXLT_FOR(i, 64, 64)
	{
		__u64 item;

		if (!left)
			break;
		item = cxlt_load(&items[cxlt_low_bit(left)]);
		left &= left - 1;
		if (w->scan.best && CXLT_ITEM_PRIO(item) < w->scan.best)
			return 1; /* neither it nor a later one can win */
		if (CXLT_ITEM_FLAGS(item) & skip)
			continue;
		rc = cxlt_item_find(v, w, item);
		if (rc)
			return rc;
	}
	return 0;
}

#ifndef CXLT_FILTER_ASK
#define CXLT_FILTER_ASK(v, w, list)    cxlt_filter_ask(v, &(w)->key, list, &(w)->filter)
#define CXLT_GROUP_FIND(v, w, list, g) cxlt_group_find(v, w, list, g)
#endif

/*
 * The search of one table's list; w->scan.unseen is raised to 1 + the highest priority that a rule
 * which the device could not read may have.
 */
CXLT_INLINE int cxlt_list_find(const struct cxlt_view *v, struct cxlt_work *w, __u64 list)
{
	__u32 n = CXLT_LIST_N(list), g;
	int rc;

	w->scan.best = 0;
	if (!n)
		return 0;
	if (CXLT_FILTER_ASK(v, w, list))
		return -CXLT_R_BAD_REF;
	rc = cxlt_charge(w, w->filter.lines);
	if (rc)
		return rc;
	w->rule.torn = 0;
	CXLT_FOR(g, (n + 63) / 64, CXLT_TUPLES_MAX / 64)
	{
		rc = CXLT_GROUP_FIND(v, w, list, g);
		if (rc < 0)
			return rc;
		if (rc)
			break;
	}
	return w->scan.best != 0;
}

/* The highest-priority visible rule of table `table` for w->key. */
CXLT_INLINE int cxlt_classify(const struct cxlt_view *v, struct cxlt_work *w, __u32 table)
{
	__u32 tref = v->tables + table * 2, n0 = w->chg.n, try;
	__u64 sum0 = w->chg.sum;
	const struct cxlt_table __arena *t = cxlt_line(v, tref, 2);

	if (!t || table >= v->n_tables)
		return -CXLT_R_BAD_GOTO;
	CXLT_FOR(try, CXLT_TRIES, CXLT_TRIES)
	{
		__u64 list, since = cxlt_ticks();
		__u32 unseen;
		int rc;

		w->chg.n = n0;
		w->chg.sum = sum0;
		/* Pairs with the release of a new list in cxlt_list_publish(). */
		list = cxlt_load_acquire(&t->list);
		if (cxlt_chg_collect(v, t, tref, &w->key, &w->chg))
			return -CXLT_R_BAD_REF;
		w->scan.unseen = cxlt_load32(&t->unseen);
		rc = cxlt_list_find(v, w, list);
		cxlt_read_barrier();
		if (rc == -CXLT_R_BUDGET)
			return rc;
		if (rc == CXLT_RETRY)
			continue;
		if (cxlt_load(&t->list) != list ||
		    cxlt_chg_sum(v, &w->chg, n0) != w->chg.sum - sum0 || cxlt_too_long(since))
			continue;
		unseen = w->scan.unseen;
		if (v->flags & CXLT_VIEW_DEVICE && unseen && rc >= 0 &&
		    (!rc || unseen > w->rule.prio))
			return cxlt_load32(&t->unseen) >= unseen ? -CXLT_R_DEV_UNSEEN
								 : -CXLT_R_DEV_DOMAIN;
		return rc;
	}
	return -CXLT_R_UNSTABLE;
}

#endif
