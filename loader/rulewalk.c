// SPDX-License-Identifier: Apache-2.0
/* All rules of a slice, without its lock. */
#include <cxltab/atomic.h>
#include <cxltab/view.h>

#include "rulewalk.h"

enum {
	WALKS_MAX = 8,
};

static __u64 count_rules(const struct cxlt_slice *slice, int table)
{
	__u32 i, n = cxlt_slice_directory(slice)->n_tables;
	__u64 rules = 0;

	for (i = 0; i < n; i++)
		if (table < 0 || (__u32)table == i)
			rules += cxlt_table_rules(slice, i);
	return rules;
}

/* Of the last bundle. */
static __u64 version_of(const struct cxlt_slice *slice)
{
	const struct cxlt_control __arena *c;
	struct cxlt_view view;

	cxlt_slice_view(slice, 0, &view);
	c = cxlt_line(&view, view.control, 4);
	/* Pairs with the store of cxlt_bundle_commit(). */
	return c ? cxlt_load_acquire(&c->version) : 0;
}

struct walk {
	cxlt_rule_fn *fn;
	void *arg;
	__u64 seen;
};

static int walk_rule(void *arg, const struct cxlt_rule_info *rule)
{
	struct walk *w = arg;

	w->seen++;
	return w->fn(w->arg, rule);
}

int rulewalk(const struct cxlt_slice *slice, int table, void (*restart)(void *arg),
	     cxlt_rule_fn *fn, void *arg)
{
	int try, rc = 0;

	for (try = 0; try < WALKS_MAX; try++) {
		struct walk walk = {fn, arg, 0};
		__u64 version = version_of(slice), before = count_rules(slice, table);

		restart(arg);
		rc = cxlt_rule_each(slice, table, walk_rule, &walk);
		if (rc || (walk.seen == before && before == count_rules(slice, table) &&
			   version == version_of(slice)))
			break;
	}
	return rc;
}
