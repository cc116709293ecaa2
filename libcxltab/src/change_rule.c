// SPDX-License-Identifier: Apache-2.0
/*
 * A change of one rule, up to the stores that readers see: the writer's side of classify.h.
 *
 * Rules with the same masked key differ in priority and hang behind one slot, in descending order.
 * Entries are immutable but for `next` (and `to`, for bundles), so one store makes a change
 * visible: of the slot, or of the predecessor's `next`.  Each change lies between begin and end of
 * the change word of the rule's most specific dimension.
 *
 * The lock of the home bucket covers the whole chain.  A change goes beside those of other writers
 * if its tuple, change word and place in the list are there; what makes them, and all that has to
 * do with shadows, is done by a writer that has the slice alone.
 */
#include <errno.h>

#include "change_rule.h"

enum {
	ROUNDS = 8, /* of making room, which others may take */
};

/* Entries */

static __u32 rule_lines(__u32 n_key, __u32 n_prog)
{
	return (__u32)(sizeof(struct cxlt_rule) + (n_key + n_prog) * 8 + CXLT_LINE - 1) / CXLT_LINE;
}

/* What the device executes it must be able to count: an entry there has its counters there. */
static __u32 rule_alloc(struct change *c, const struct content *x)
{
	__u32 dev = c->s->header.dev_lines, lines = rule_lines(c->n_words, x->n_prog), ref;
	bool uncounted = !c->tuple_flags && x->counters >= dev;
	int place = c->tuple_flags & CXLT_TUPLE_HOST || uncounted ? CXLT_PLACE_HOST
		    : c->tuple_flags				  ? CXLT_PLACE_DEVICE
								  : CXLT_PLACE_ANY;

	ref = cxlt_alloc_object(c->s, &c->w->alloc, CXLT_KIND_RULE, lines, place);
	if (ref && ref < dev && uncounted) {
		cxlt_free_object(c->s, &c->w->alloc, ref);
		ref = 0;
	}
	return ref;
}

/* Readers that hold this line from before see an odd sequence from now on. */
static __u64 rule_open(struct cxlt_rule *e)
{
	__u64 seq = e->seq | 1;

	cxlt_store_release(&e->seq, seq);
	cxlt_write_barrier();
	return seq;
}

static void rule_free(struct change *c, __u32 ref)
{
	rule_open(cxlt_at(c->s, ref));
	cxlt_free_object(c->s, &c->w->alloc, ref);
}

/* Fills a free entry; published by the slot or the `next` that will name it. */
static void rule_fill(struct change *c, __u32 ref, __u16 prio, const struct content *x)
{
	struct cxlt_rule *e = cxlt_at(c->s, ref);
	__u64 seq = rule_open(e), head;
	__u32 i;

	head = c->tuple->id | (__u64)prio << 32 | (__u64)c->n_words << 48 | (__u64)x->n_prog << 56;
	cxlt_store((__u64 *)&e->tuple_id, head);
	cxlt_store(&e->cookie, x->cookie);
	cxlt_store(&e->from, cxlt_in_bundle(c) ? c->w->bundle.version : 0);
	cxlt_store(&e->to, ~0ULL);
	cxlt_store32(&e->next, 0);
	cxlt_store32(&e->counters, x->counters);
	cxlt_store32(&e->chain, 0);
	cxlt_store32(&e->flags, x->flags);
	cxlt_store(&e->created, x->created);
	for (i = 0; i < c->n_words; i++)
		cxlt_store(&e->body[i], c->body[i]);
	for (i = 0; i < x->n_prog; i++)
		cxlt_store(&e->body[c->n_words + i], x->prog[i]);
	/* Pairs with the acquire of cxlt_chain_find(). */
	cxlt_store_release(&e->seq, seq + 1);
}

/* Chains */

static void chain_read(const struct change *c, const struct cxlt_hold *h, struct chain *ch)
{
	__u32 ref;

	ch->found = false;
	ch->n = ch->at = 0;
	ch->exists = cxlt_hash_locate(h, c->body, &ch->place);
	if (!ch->exists)
		return;
	ref = CXLT_SLOT_REF(cxlt_load(&ch->place.bucket->slot[ch->place.slot]));
	while (ref && ch->n < CXLT_CHAIN_MAX) {
		const struct cxlt_rule *e = cxlt_line(&c->s->view, ref, 1);

		/* What a dead or hostile writer left: `at` stays within the chain whatever it holds. */
		if (!e)
			break;
		/* Of one priority the newest comes first; a bundle may have doomed it. */
		if (ch->at == ch->n && e->prio > c->prio)
			ch->at = ch->n + 1;
		else if (ch->at == ch->n && e->prio == c->prio)
			ch->found = !c->w->bundle.version || e->to > c->w->bundle.version;
		ch->ref[ch->n++] = ref;
		ref = e->next;
	}
}

/* Before and after everything that a change publishes; pairs with cxlt_chg_collect(), cxlt_chg_sum(). */
static void begin(const struct change *c)
{
	cxlt_bump(c->w, c->chg, CXLT_CHG_BEGIN);
}

static void end(const struct change *c)
{
	cxlt_bump(c->w, c->chg, CXLT_CHG_END);
}

/*
 * One store puts `mine` (0: nothing) at c->prio, in place of the rule that is there: a store of the
 * predecessor's `next`, or of the slot.  In a bundle it goes before that rule, which stays until the
 * end.  1: home was let go, look again; -ENOSPC: no slot is free.
 */
static int chain_store(struct change *c, struct chain *ch, struct cxlt_hold *h, __u32 mine)
{
	bool stays = mine && cxlt_in_bundle(c);
	__u32 after = ch->at + (ch->found && !stays ? 1 : 0);
	__u32 next = after < ch->n ? ch->ref[after] : 0;
	int rc = 0;

	if (mine) {
		cxlt_store32(&((struct cxlt_rule *)cxlt_at(c->s, mine))->next, next);
		next = mine;
	}
	begin(c);
	if (ch->at) {
		struct cxlt_rule *before = cxlt_at(c->s, ch->ref[ch->at - 1]);

		/* Pairs with cxlt_chain_find(); a reader of the old chain sees chg move. */
		cxlt_write_barrier();
		cxlt_store32(&before->next, next);
	} else if (!next) {
		rc = cxlt_hash_remove(h, &ch->place);
	} else if (ch->exists) {
		rc = cxlt_hash_replace(h, &ch->place, next);
	} else {
		rc = cxlt_hash_publish(h, next);
	}
	end(c);
	return rc;
}

/* A modified rule goes on with the old one's counters. */
static void keep(struct change *c, const struct chain *ch, __u32 mine)
{
	const struct cxlt_rule *old = cxlt_at(c->s, ch->ref[ch->at]);
	struct cxlt_rule *e = cxlt_at(c->s, mine);

	cxlt_store32(&e->counters, old->counters);
	cxlt_store32(&e->flags, old->flags);
	cxlt_store(&e->created, old->created);
}

/* Buckets are doubled when 7/8 of their slots are taken: a miss then costs one line, mostly. */
static bool is_full(const struct cxlt_tuple *t)
{
	return cxlt_load(&t->slots) >= cxlt_tuple_capacity(t) * 7 / 8;
}

/*
 * Looks for the chain and stores; what was there stays in ch.  `must`: there is a rule to remove or to
 * modify, else -ENOENT.  -ENOSPC: no slot is free or, but for `force`, none should be taken.
 */
static int chain_put_once(struct change *c, struct chain *ch, __u32 mine, bool must, bool force)
{
	struct cxlt_hold h;
	int rc = cxlt_hold(c->w, c->tuple, c->hash, &h);

	if (rc)
		return rc;
	do {
		chain_read(c, &h, ch);
		if (must && !ch->found) {
			rc = -ENOENT;
		} else if (mine && (!ch->found || cxlt_in_bundle(c)) && ch->n >= CXLT_CHAIN_MAX) {
			rc = -E2BIG;
		} else if (!ch->exists && !force && is_full(c->tuple)) {
			rc = -ENOSPC;
		} else {
			if (must && mine)
				keep(c, ch, mine);
			rc = chain_store(c, ch, &h, mine);
		}
	} while (rc == 1);
	if (rc != -EBUSY && rc != CXLT_ALONE)
		cxlt_hold_end(&h);
	return rc;
}

/* Stores `mine`, making room for it: by displacement and, with the slice alone, a larger array. */
static int chain_put(struct change *c, struct chain *ch, __u32 mine, bool must)
{
	bool alone = c->w->depth, force = false;
	int rc = chain_put_once(c, ch, mine, must, force), round;

	for (round = 0; rc == -ENOSPC && round < ROUNDS; round++) {
		bool full = !force && is_full(c->tuple);

		if (!full)
			rc = cxlt_hash_make_room(c->w, c->tuple, c->hash, force ? CXLT_NODES : 512);
		if (rc == -ENOSPC && (!alone || force))
			break;
		/* Without memory for a larger one it is made as full as it gets. */
		if (rc == -ENOSPC) {
			force = cxlt_tuple_resize(c->w, c->tuple,
						  CXLT_GEO_LOG2(cxlt_load(&c->tuple->geo)) + 1);
			c->grown |= !force;
		} else if (rc && rc != -EAGAIN) {
			break;
		}
		rc = chain_put_once(c, ch, mine, must, force);
	}
	if (rc == -E2BIG)
		return cxlt_fail(-ENOSPC, "more than %d rules with this match in table %u%s",
				 CXLT_CHAIN_MAX, c->table,
				 cxlt_in_bundle(c) ? ", with those that the bundle replaces" : "");
	if (rc == -ENOSPC)
		return alone ? cxlt_no_room(c->s, "a tuple's buckets") : CXLT_ALONE;
	return rc;
}

/* Changes */

void cxlt_change_init(struct change *c, struct cxlt_writer *w, const struct cxlt_rule_spec *spec,
		      const struct cxlt_key *mask, __u32 tuple_flags)
{
	__u32 i;

	/* Field by field: the arrays are large, and this is done for each rule. */
	c->tuple = NULL;
	c->tref = 0;
	c->grown = false;
	c->n_words = 0;
	c->w = w;
	c->s = w->slice;
	c->table = spec->table;
	c->t = cxlt_table_at(c->s, spec->table);
	c->tuple_flags = tuple_flags;
	c->value = &spec->value;
	c->mask = mask;
	c->prio = spec->priority;
	for (i = 0; i < CXLT_KEY_WORDS; i++) {
		if (!mask->w[i])
			continue;
		c->body[c->n_words] = spec->value.w[i] & mask->w[i];
		c->idx[c->n_words++] = (__u8)i;
	}
}

/* Is all there that this rule needs, so that it can be stored beside other writers? */
static bool is_simple(const struct change *c)
{
	return c->tuple && !c->tuple_flags && cxlt_chg_ready(c) && cxlt_list_prio(c) >= c->prio;
}

/* Makes it so.  The list says "may win" before the rule can: raised first, never lowered. */
static int make_simple(struct change *c)
{
	bool fresh = !c->tuple;
	int rc = fresh ? cxlt_tuple_create(c) : 0;

	if (rc)
		return rc;
	if (fresh)
		c->hash = cxlt_hash_body(c->s, c->tuple, c->body);
	if (fresh || cxlt_list_prio(c) < c->prio)
		rc = cxlt_list_publish(c, c->prio);
	if (rc && fresh)
		cxlt_tuple_discard(c);
	return rc;
}

/* The rule that was there is out of reach, and ours. */
static void retire(struct change *c, struct chain *ch)
{
	const struct cxlt_rule *e = cxlt_at(c->s, ch->ref[ch->at]);

	ch->counters = e->counters;
	ch->flags = e->flags;
	rule_free(c, ch->ref[ch->at]);
}

int cxlt_change_put(struct change *c, struct chain *ch, const struct content *x)
{
	bool alone = c->w->depth, bundle = cxlt_in_bundle(c);
	int rc = alone ? make_simple(c) : is_simple(c) ? 0 : CXLT_ALONE;
	__u32 mine = 0;

	if (rc)
		return rc;
	/* Before the rule is there, so that count and filter are never too low, whoever dies. */
	cxlt_bump(c->w, &c->tuple->count, 1);
	cxlt_filter_raise(c);
	mine = rule_alloc(c, x);
	if (mine) {
		/* The dimension comes last: its words stay, though there be no room for the rest. */
		c->chg = cxlt_chg_word(c);
		rc = bundle ? cxlt_bundle_touch(c) : 0;
	}
	if (mine && !rc) {
		rule_fill(c, mine, c->prio, x);
		rc = chain_put(c, ch, mine, x->modify);
	} else if (!mine) {
		rc = alone ? cxlt_no_room_anywhere(c->s, "an entry") : CXLT_ALONE;
	}
	if (rc || (ch->found && !bundle)) {
		cxlt_filter_lower(c);
		cxlt_bump(c->w, &c->tuple->count, (__u64)-1);
	}
	/* Now that the filter says what is there, and alone, as who has made the array grow is. */
	if (c->grown)
		cxlt_list_regrow(c);
	if (rc && mine)
		rule_free(c, mine);
	if (!rc && bundle) {
		cxlt_bundle_born(c, mine, x);
		if (ch->found)
			cxlt_bundle_doom(c, ch->ref[ch->at], !x->modify, false);
	} else if (!rc && ch->found) {
		retire(c, ch);
	}
	if (rc && alone && !cxlt_load(&c->tuple->count))
		cxlt_tuple_destroy(c);
	return rc;
}

int cxlt_change_remove(struct change *c, struct chain *ch)
{
	int rc;

	if (!c->w->depth && (c->tuple_flags || !cxlt_chg_ready(c)))
		return CXLT_ALONE;
	c->chg = cxlt_chg_word(c);
	rc = chain_put_once(c, ch, 0, true, true);
	if (rc)
		return rc;
	retire(c, ch);
	cxlt_filter_lower(c);
	c->emptied = cxlt_bump(c->w, &c->tuple->count, (__u64)-1) == 1;
	if (c->emptied && c->w->depth)
		cxlt_tuple_destroy(c);
	return 0;
}

void cxlt_entry_unlink(struct cxlt_writer *w, __u32 tref, __u32 ref)
{
	const struct cxlt_tuple *t = cxlt_at(w->slice, tref);
	struct cxlt_rule_spec spec;
	struct cxlt_hold h;
	struct change c;
	struct chain ch;

	cxlt_spec_of(&spec, t, cxlt_at(w->slice, ref));
	cxlt_change_init(&c, w, &spec, &spec.mask, t->flags);
	if (!cxlt_change_tuple(&c) || cxlt_hold(w, c.tuple, c.hash, &h))
		return;
	chain_read(&c, &h, &ch);
	for (ch.at = 0; ch.at < ch.n && ch.ref[ch.at] != ref; ch.at++)
		;
	if (ch.at == ch.n)
		return;
	ch.found = true;
	c.chg = cxlt_chg_word(&c);
	chain_store(&c, &ch, &h, 0);
	rule_free(&c, ref);
	cxlt_filter_lower(&c);
	if (cxlt_bump(w, &c.tuple->count, (__u64)-1) == 1)
		cxlt_tuple_destroy(&c);
}

/* The chain's index of entry `ref`; false if it is no longer there. */
static bool chain_at(struct chain *ch, __u32 ref)
{
	for (ch->at = 0; ch->at < ch->n && ch->ref[ch->at] != ref; ch->at++)
		;
	ch->found = ch->at < ch->n;
	return ch->found;
}

/* Entry e as it shall be in `mine`, and what it shall count on there. */
static int entry_copy(struct change *c, const struct cxlt_rule *e, __u32 mine, __u32 fresh,
		      bool *used)
{
	__u32 dev = c->s->header.dev_lines, old = e->counters;
	struct content x = {
		.cookie = e->cookie,
		.created = e->created,
		.counters = old,
		.flags = e->flags,
		.n_prog = e->n_prog,
		.prog = &e->body[c->n_words],
	};

	if (e->prio != c->prio || e->to != ~0ULL || rule_lines(c->n_words, x.n_prog) > c->lines)
		return -ENOENT;
	*used = fresh && old && (fresh < dev) != (old < dev);
	if (*used && !cxlt_counters_succeed(c->s, fresh, old, cxlt_now_ns()))
		return -EAGAIN;
	if (!*used && mine < dev && old >= dev)
		return -ENOSPC;
	if (*used)
		x.counters = fresh;
	rule_fill(c, mine, c->prio, &x);
	return 0;
}

int cxlt_entry_move(struct change *c, __u32 old, __u32 mine, __u32 fresh, bool *used)
{
	const struct cxlt_rule *e = cxlt_at(c->s, old);
	struct cxlt_hold h;
	struct chain ch;
	int rc = cxlt_hold(c->w, c->tuple, c->hash, &h);

	if (rc) {
		rule_free(c, mine);
		return rc;
	}
	/* A change of this match beside us goes by the same word, used or not (cxlt_chg_ready()). */
	c->chg = cxlt_chg_at(c->s, c->table, c->value, c->mask);
	do {
		/* All anew each time: if home was let go, the lines may be another rule's by now. */
		chain_read(c, &h, &ch);
		rc = chain_at(&ch, old) ? entry_copy(c, e, mine, fresh, used) : -ENOENT;
		if (!rc)
			rc = chain_store(c, &ch, &h, mine);
	} while (rc == 1);
	if (rc != -EBUSY && rc != CXLT_ALONE)
		cxlt_hold_end(&h);
	rule_free(c, rc ? mine : old);
	return rc;
}

int cxlt_entry_settle(struct change *c, __u32 ref)
{
	struct cxlt_hold h;
	struct chain ch;
	int rc = cxlt_hold(c->w, c->tuple, c->hash, &h);

	if (rc)
		return rc;
	chain_read(c, &h, &ch);
	if (chain_at(&ch, ref))
		cxlt_counters_settle(c->s, &c->w->alloc,
				     ((const struct cxlt_rule *)cxlt_at(c->s, ref))->counters);
	cxlt_hold_end(&h);
	return ch.found ? 0 : -ENOENT;
}

bool cxlt_change_tuple(struct change *c)
{
	if (!cxlt_tuple_lookup(c))
		return false;
	c->hash = cxlt_hash_body(c->s, c->tuple, c->body);
	return true;
}

int cxlt_change_find(struct change *c, struct chain *ch)
{
	struct cxlt_hold h;
	int rc;

	ch->exists = ch->found = false;
	ch->n = ch->at = 0;
	if (!cxlt_change_tuple(c))
		return -ENOENT;
	rc = cxlt_hold(c->w, c->tuple, c->hash, &h);
	if (rc)
		return rc;
	chain_read(c, &h, ch);
	cxlt_hold_end(&h);
	return ch->found ? 0 : -ENOENT;
}
