// SPDX-License-Identifier: Apache-2.0
/*
 * Shadows: a rule that matches on what the hardware can't parse goes to a tuple that the device
 * skips, and its shadow - the match widened to what the device knows, the action punt - to a tuple
 * that the host skips.  Rules whose matches widen to the same share a shadow, which counts them.
 * The shadow comes before the rule and leaves after it.  If there is no room for one, table.unseen
 * makes the device punt whatever the rule might win (DESIGN section 4.9).
 */
#include <string.h>

#include <cxltab/action.h>

#include "change_rule.h"

void cxlt_unseen_raise(struct cxlt_slice *s, __u32 table, __u16 prio)
{
	struct cxlt_table *t = cxlt_table_at(s, table);

	if (t->unseen >= prio + 1U)
		return;
	cxlt_chg_begin(&t->wide);
	cxlt_write_barrier();
	cxlt_store32(&t->unseen, prio + 1U);
	cxlt_chg_end(&t->wide);
}

void cxlt_unseen_lower(struct cxlt_slice *s, __u32 table, __u32 to)
{
	struct cxlt_table *t = cxlt_table_at(s, table);

	if (t->unseen <= to)
		return;
	cxlt_chg_begin(&t->wide);
	cxlt_write_barrier();
	cxlt_store32(&t->unseen, to);
	cxlt_chg_end(&t->wide);
}

/* Readers never look at a shadow's count, so it changes in place. */
static void refer(struct cxlt_rule *e, int by)
{
	cxlt_store32(&e->flags, e->flags + ((__u32)by << CXLT_RULE_REFS_SHIFT));
}

static void shadow_init(struct change *sh, struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		sh->widened.w[i] = spec->mask.w[i] & w->dev_mask.w[i];
	cxlt_change_init(sh, w, spec, &sh->widened, CXLT_TUPLE_SHADOW);
}

bool cxlt_shadow_add(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	static const __u64 punt[1] = {(__u64)CXLT_OP_PUNT << 56};
	struct content x = {.n_prog = 1, .prog = punt, .flags = 1U << CXLT_RULE_REFS_SHIFT};
	struct change sh;
	struct chain ch;

	shadow_init(&sh, w, spec);
	if (!cxlt_change_find(&sh, &ch)) {
		refer(cxlt_at(sh.s, ch.ref[ch.at]), 1);
		return true;
	}
	if (!cxlt_change_put(&sh, &ch, &x))
		return true;
	cxlt_unseen_raise(sh.s, sh.table, sh.prio);
	return false;
}

void cxlt_shadow_remove(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	struct cxlt_rule *e;
	struct change sh;
	struct chain ch;

	shadow_init(&sh, w, spec);
	if (cxlt_change_find(&sh, &ch))
		return;
	e = cxlt_at(sh.s, ch.ref[ch.at]);
	refer(e, -1);
	if (!(e->flags >> CXLT_RULE_REFS_SHIFT))
		cxlt_change_remove(&sh, &ch);
}

void cxlt_spec_of(struct cxlt_rule_spec *spec, const struct cxlt_tuple *t,
		  const struct cxlt_rule *e)
{
	__u32 i;

	memset(spec, 0, sizeof(*spec));
	spec->table = t->table;
	spec->priority = e->prio;
	for (i = 0; i < t->n_words && i < CXLT_KEY_MAX; i++) {
		if (t->idx[i] >= CXLT_KEY_WORDS)
			continue;
		spec->mask.w[t->idx[i]] = t->mask[i];
		spec->value.w[t->idx[i]] = e->body[i];
	}
}

__u32 cxlt_shadow_of(struct cxlt_writer *w, const struct cxlt_tuple *t, const struct cxlt_rule *e)
{
	struct cxlt_rule_spec spec;
	struct change sh;
	struct chain ch;

	cxlt_spec_of(&spec, t, e);
	shadow_init(&sh, w, &spec);
	return cxlt_change_find(&sh, &ch) ? 0 : ch.ref[ch.at];
}

void cxlt_shadow_drop(struct cxlt_writer *w, const struct cxlt_tuple *t, const struct cxlt_rule *e)
{
	struct cxlt_rule_spec spec;
	struct change sh;
	struct chain ch;

	cxlt_spec_of(&spec, t, e);
	shadow_init(&sh, w, &spec);
	if (!cxlt_change_find(&sh, &ch))
		cxlt_change_remove(&sh, &ch);
}
