// SPDX-License-Identifier: Apache-2.0
/*
 * Bundles: many changes of rules that become visible at one store, of control.version (PROTOCOL.md,
 * "BUNDLE").  What a bundle brings begins with version V + 1, what it takes away ends there, and
 * both lie in one chain until the end; readers have loaded V, or will load V + 1.
 *
 *     begin    the slice alone
 *     op       change word pending; new entry with from = V + 1; the old one's to = V + 1
 *     commit   version = V + 1; change words end; floor = V + 1; the old entries go
 *     abort    to = infinity; the new entries go; change words end
 *
 * A packet that loaded V and is still under way when old entries go finds floor above V and starts
 * again.  A writer that dies is judged by version alone: entries that begin after it go, those that
 * end after it stay, those that have ended go.  V + 1 is used again only when no entry has it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change_rule.h"

#define FOREVER (~0ULL)

int cxlt_bundle_touch(struct change *c)
{
	struct cxlt_bundle *b = &c->w->bundle;
	__u64 *wide = &b->wide[c->table / 64], bit = 1ULL << (c->table % 64);
	__u32 i;

	if (b->n + 2 > b->room) {
		__u64 room = b->room ? 2 * b->room : 256;
		struct cxlt_bundle_item *item = realloc(b->item, room * sizeof(*item));

		if (!item)
			return cxlt_fail(-ENOMEM, "out of memory");
		b->item = item;
		b->room = room;
	}
	if (*wide & bit)
		return 0;
	for (i = 0; i < b->n_chg; i++)
		if (b->chg[i] == c->chg)
			return 0;
	/* Many words: the table's wide one stands for all. */
	if (c->chg == &c->t->wide || b->n_chg == sizeof(b->chg) / sizeof(b->chg[0])) {
		*wide |= bit;
		cxlt_chg_begin(&c->t->wide);
	} else {
		b->chg[b->n_chg++] = c->chg;
		cxlt_chg_begin(c->chg);
	}
	return 0;
}

static void note(struct change *c, struct cxlt_bundle_item item)
{
	struct cxlt_bundle *b = &c->w->bundle;

	item.tuple = c->tref;
	b->item[b->n++] = item;
	c->s->ahead_rules[c->table] += item.born ? 1 : -1;
}

void cxlt_bundle_born(struct change *c, __u32 ref, const struct content *x)
{
	note(c, (struct cxlt_bundle_item){.ref = ref,
					  .born = true,
					  .own_counters = !x->modify,
					  .own_shadow = x->shadow});
}

void cxlt_bundle_doom(struct change *c, __u32 ref, bool own_counters, bool own_shadow)
{
	struct cxlt_rule *e = cxlt_at(c->s, ref);

	note(c, (struct cxlt_bundle_item){
			.ref = ref, .own_counters = own_counters, .own_shadow = own_shadow});
	/* Nobody has this version yet. */
	cxlt_store(&e->to, c->w->bundle.version);
}

int cxlt_bundle_begin(struct cxlt_writer *w)
{
	struct cxlt_slice *s = w->slice;
	int rc;
	__u32 i;

	if (w->bundle.version)
		return cxlt_fail(-EBUSY, "a bundle is open already");
	rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	memset(&w->bundle, 0, sizeof(w->bundle));
	w->bundle.unseen_before = calloc(s->dir.n_tables, sizeof(__u32));
	if (!w->bundle.unseen_before) {
		cxlt_writer_unlock(w);
		return cxlt_fail(-ENOMEM, "out of memory");
	}
	for (i = 0; i < s->dir.n_tables; i++)
		w->bundle.unseen_before[i] = cxlt_load32(&cxlt_table_at(s, i)->unseen);
	w->bundle.version = cxlt_control(s)->version + 1;
	s->ahead = 1;
	return 0;
}

static void end_words(struct cxlt_writer *w)
{
	struct cxlt_bundle *b = &w->bundle;
	__u32 i;

	for (i = 0; i < b->n_chg; i++)
		cxlt_chg_end(b->chg[i]);
	for (i = 0; i < w->slice->dir.n_tables; i++)
		if (b->wide[i / 64] >> (i % 64) & 1)
			cxlt_chg_end(&cxlt_table_at(w->slice, i)->wide);
}

/* An entry that nobody sees, with what belongs to it. */
static void bury(struct cxlt_writer *w, const struct cxlt_bundle_item *item)
{
	const struct cxlt_tuple *t = cxlt_at(w->slice, item->tuple);
	const struct cxlt_rule *e = cxlt_at(w->slice, item->ref);
	__u32 counters = e->counters;
	struct cxlt_rule_spec spec;

	cxlt_spec_of(&spec, t, e);
	cxlt_entry_unlink(w, item->tuple, item->ref);
	if (item->own_counters)
		cxlt_counters_free(w->slice, &w->alloc, counters);
	if (item->own_shadow)
		cxlt_shadow_remove(w, &spec);
}

static void finish(struct cxlt_writer *w)
{
	free(w->bundle.item);
	free(w->bundle.unseen_before);
	memset(&w->bundle, 0, sizeof(w->bundle));
	memset(w->slice->ahead_rules, 0, sizeof(w->slice->ahead_rules));
	w->slice->ahead = 0;
	cxlt_writer_unlock(w);
}

void cxlt_bundle_commit(struct cxlt_writer *w)
{
	struct cxlt_control *ctl = cxlt_control(w->slice);
	struct cxlt_bundle *b = &w->bundle;
	__u64 i, version = b->version;

	if (!version)
		return;
	for (i = 0; i < w->slice->dir.n_tables; i++)
		cxlt_fetch_add(&cxlt_table_at(w->slice, (__u32)i)->n_rules,
			       (__u64)w->slice->ahead_rules[i]);
	/* Pairs with the acquire of a packet's version: every entry and `to` is there. */
	cxlt_store_release(&ctl->version, version);
	end_words(w);
	/* Pairs with the acquire after a packet's last table: before the first old entry goes. */
	cxlt_store_release(&ctl->floor, version);
	cxlt_write_barrier();
	b->version = 0; /* what follows are changes like any other */
	for (i = 0; i < b->n; i++)
		if (!b->item[i].born)
			bury(w, &b->item[i]);
	for (i = 0; i < w->slice->dir.n_tables; i++)
		if (!cxlt_load(&cxlt_table_at(w->slice, (__u32)i)->n_rules))
			cxlt_unseen_lower(w->slice, (__u32)i, 0);
	finish(w);
}

void cxlt_bundle_abort(struct cxlt_writer *w)
{
	struct cxlt_bundle *b = &w->bundle;
	__u64 i, version = b->version;

	if (!version)
		return;
	for (i = 0; i < b->n; i++) {
		struct cxlt_rule *e = cxlt_at(w->slice, b->item[i].ref);

		if (!b->item[i].born && e->from != version)
			cxlt_store(&e->to, FOREVER);
	}
	b->version = 0;
	for (i = b->n; i--;)
		if (b->item[i].born)
			bury(w, &b->item[i]);
	for (i = 0; i < w->slice->dir.n_tables; i++)
		cxlt_unseen_lower(w->slice, (__u32)i, b->unseen_before[i]);
	end_words(w);
	finish(w);
}

/* After a death */

/* Does another rule of the chain that begins with `head` count there? */
static bool is_shared(const struct cxlt_slice *s, __u32 head, __u32 ref)
{
	__u32 counters = ((struct cxlt_rule *)cxlt_at(s, ref))->counters;

	for (; head; head = ((struct cxlt_rule *)cxlt_at(s, head))->next)
		if (head != ref && ((struct cxlt_rule *)cxlt_at(s, head))->counters == counters)
			return true;
	return false;
}

/* The first entry that no packet will see, after mending those that stay; false if there is none. */
static bool next_ghost(struct cxlt_writer *w, __u32 tref, struct cxlt_bundle_item *out)
{
	const struct cxlt_tuple *t = cxlt_at(w->slice, tref);
	const struct cxlt_bucket *b = cxlt_at(w->slice, CXLT_GEO_REF(t->geo));
	__u64 version = cxlt_control(w->slice)->version;
	__u32 i, j, head, ref;

	for (i = 0; i < 1U << CXLT_GEO_LOG2(t->geo); i++)
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++) {
			head = CXLT_SLOT_REF(b[i].slot[j]);
			for (ref = head; ref;
			     ref = ((struct cxlt_rule *)cxlt_at(w->slice, ref))->next) {
				struct cxlt_rule *e = cxlt_at(w->slice, ref);

				if (e->from <= version && e->to > version) {
					if (e->to != FOREVER)
						cxlt_store(&e->to, FOREVER);
					continue;
				}
				*out = (struct cxlt_bundle_item){.tuple = tref, .ref = ref};
				out->own_counters = !is_shared(w->slice, head, ref);
				return true;
			}
		}
	return false;
}

__u64 cxlt_bundle_settle(struct cxlt_writer *w)
{
	struct cxlt_control *ctl = cxlt_control(w->slice);
	struct cxlt_bundle_item item;
	__u64 buried = 0;
	__u32 i, j;

	/* Packets that go by an older version start again before anything that they may see goes. */
	cxlt_store_release(&ctl->floor, ctl->version);
	cxlt_write_barrier();
	for (i = 0; i < w->slice->dir.n_tables; i++) {
		struct cxlt_table *t = cxlt_table_at(w->slice, i);

		for (j = 0; j < CXLT_LIST_N(t->list);) {
			__u32 n = CXLT_LIST_N(t->list);
			__u64 list =
				cxlt_load((__u64 *)cxlt_at(w->slice, CXLT_LIST_REF(t->list)) + j);

			/* Its last entry takes the tuple with it, and the next one takes its place. */
			while (CXLT_LIST_N(t->list) == n &&
			       next_ghost(w, CXLT_ITEM_REF(list), &item)) {
				bury(w, &item);
				buried++;
			}
			j += CXLT_LIST_N(t->list) == n;
		}
	}
	return buried;
}
