// SPDX-License-Identifier: Apache-2.0
/*
 * Rules of OpenFlow tables: the writer's side of classify.h.
 *
 * Rules with the same masked key differ in priority and hang behind one slot, in descending order.
 * Entries are immutable but for `next` (and `to`, for bundles), so one store makes a change
 * visible: of the slot, or of the predecessor's `next`.  Each change lies between begin and end of
 * the change word of the rule's most specific dimension.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "change_rule.h"

enum {
	PREFETCH_AHEAD = 8, /* rules of a batch */
};

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

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

static __u32 counters_alloc(struct change *c, __u32 rule)
{
	bool host = rule >= c->s->header.dev_lines;
	__u32 ref, i;
	__u64 *w;

	ref = cxlt_alloc_object(c->s, &c->w->alloc, CXLT_KIND_COUNTERS, CXLT_COUNTER_LINES,
				host ? CXLT_PLACE_HOST : CXLT_PLACE_DEVICE);
	if (!ref)
		return 0;
	w = cxlt_at(c->s, ref);
	for (i = 0; i < CXLT_COUNTER_LINES * CXLT_LINE_WORDS; i++)
		cxlt_store(&w[i], 0);
	return ref;
}

/* Fills a free entry; published by the slot or the `next` that will name it. */
static void rule_fill(struct change *c, __u32 ref, __u16 prio, const struct content *x, __u32 next)
{
	struct cxlt_rule *e = cxlt_at(c->s, ref);
	__u64 seq = rule_open(e), head;
	__u32 i;

	head = c->tuple->id | (__u64)prio << 32 | (__u64)c->n_words << 48 | (__u64)x->n_prog << 56;
	cxlt_store((__u64 *)&e->tuple_id, head);
	cxlt_store(&e->cookie, x->cookie);
	cxlt_store(&e->from, 0);
	cxlt_store(&e->to, ~0ULL);
	cxlt_store32(&e->next, next);
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

static void chain_read(const struct change *c, struct chain *ch)
{
	__u32 ref;

	ch->exists = cxlt_hash_locate(c->s, c->tuple, c->hash, c->body, &ch->place);
	if (!ch->exists)
		return;
	ref = CXLT_SLOT_REF(ch->place.bucket->slot[ch->place.slot]);
	while (ref && ch->n < CXLT_CHAIN_MAX) {
		const struct cxlt_rule *e = cxlt_line(&c->s->view, ref, 1);

		/* What a dead or hostile writer left: `at` stays within the chain whatever it holds. */
		if (!e)
			break;
		if (ch->at == ch->n && e->prio > c->prio)
			ch->at = ch->n + 1;
		else if (ch->at == ch->n && e->prio == c->prio)
			ch->found = true;
		ch->ref[ch->n++] = ref;
		ref = e->next;
	}
}

/* Grows the tuple's array when it is 7/8 full, or when publishing finds no room. */
static int publish(struct change *c, __u32 head)
{
	__u32 log2 = CXLT_GEO_LOG2(c->tuple->geo);
	int rc = -ENOSPC;

	if (c->tuple->slots < cxlt_tuple_capacity(c->tuple) * 7 / 8)
		rc = cxlt_hash_publish(c->s, c->tuple, c->hash, head, 512);
	if (rc && !cxlt_tuple_resize(c->s, &c->w->alloc, c->tuple, log2 + 1))
		rc = cxlt_hash_publish(c->s, c->tuple, c->hash, head, 512);
	if (rc)
		rc = cxlt_hash_publish(c->s, c->tuple, c->hash, head, 4096);
	return rc ? cxlt_no_room(c->s, "a tuple's buckets") : 0;
}

/*
 * Puts an entry with content x at c->prio, in place of the one that is there; with x NULL removes
 * it.  One store does it: of the predecessor's `next`, or of the slot.  The caller has begun the
 * change.
 */
static int chain_put(struct change *c, struct chain *ch, const struct content *x)
{
	__u32 after = ch->at + (ch->found ? 1 : 0), next = after < ch->n ? ch->ref[after] : 0;
	__u32 mine = 0;
	int rc = 0;

	if (x) {
		if (!ch->found && ch->n >= CXLT_CHAIN_MAX)
			return cxlt_fail(-ENOSPC, "more than %d rules with this match in table %u",
					 CXLT_CHAIN_MAX, c->table);
		mine = rule_alloc(c, x);
		if (!mine)
			return cxlt_no_room(c->s, "an entry");
		rule_fill(c, mine, c->prio, x, next);
		next = mine;
	}
	if (ch->at) {
		struct cxlt_rule *before = cxlt_at(c->s, ch->ref[ch->at - 1]);

		/* Pairs with cxlt_chain_find(); a reader of the old chain sees chg move. */
		cxlt_write_barrier();
		cxlt_store32(&before->next, next);
	} else if (!next) {
		cxlt_hash_remove(c->s, c->tuple, &ch->place);
	} else if (ch->exists) {
		cxlt_hash_replace(&ch->place, next);
	} else {
		rc = publish(c, next);
	}
	if (rc)
		rule_free(c, mine);
	else if (ch->found)
		rule_free(c, ch->ref[ch->at]);
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

int cxlt_change_put(struct change *c, struct chain *ch, const struct content *x)
{
	bool fresh = !c->tuple;
	int rc = fresh ? cxlt_tuple_create(c) : 0;

	if (rc)
		return rc;
	if (fresh)
		c->hash = cxlt_hash_body(c->s, c->tuple, c->body);
	c->chg = cxlt_chg_word(c);
	cxlt_chg_begin(c->chg);
	/* The list says "may win" before the rule can: raised first, never lowered. */
	if (fresh || cxlt_list_prio(c) < c->prio)
		rc = cxlt_list_publish(c, c->prio);
	if (!rc) {
		rc = chain_put(c, ch, x);
		if (!rc && !ch->found)
			cxlt_store(&c->tuple->count, c->tuple->count + 1);
		if (rc && !c->tuple->count)
			cxlt_tuple_destroy(c);
	} else if (fresh) {
		cxlt_tuple_discard(c);
	}
	cxlt_chg_end(c->chg);
	return rc;
}

int cxlt_change_remove(struct change *c, struct chain *ch)
{
	int rc;

	c->chg = cxlt_chg_word(c);
	cxlt_chg_begin(c->chg);
	rc = chain_put(c, ch, NULL);
	if (!rc) {
		cxlt_store(&c->tuple->count, c->tuple->count - 1);
		if (!c->tuple->count)
			cxlt_tuple_destroy(c);
	}
	cxlt_chg_end(c->chg);
	return rc;
}

int cxlt_change_find(struct change *c, struct chain *ch)
{
	ch->exists = ch->found = false;
	ch->n = ch->at = 0;
	if (!cxlt_tuple_lookup(c))
		return -ENOENT;
	c->hash = cxlt_hash_body(c->s, c->tuple, c->body);
	chain_read(c, ch);
	return ch->found ? 0 : -ENOENT;
}

/* The public calls */

static int spec_check(const struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	__u32 i, n;

	if (spec->table >= w->slice->dir.n_tables)
		return cxlt_fail(-EINVAL, "table %u: the slice has tables 0 to %u", spec->table,
				 w->slice->dir.n_tables - 1);
	if (spec->n_prog > CXLT_PROG_MAX)
		return cxlt_fail(-EINVAL, "an action program of %u words: at most %d", spec->n_prog,
				 CXLT_PROG_MAX);
	for (i = 0; i < spec->n_prog; i += n) {
		__u32 op = cxlt_op_code(spec->prog[i]);

		n = cxlt_op_words(op);
		if (op == CXLT_OP_END || op >= CXLT_OP_PUNT || i + n > spec->n_prog ||
		    (op == CXLT_OP_SET && cxlt_op_aux(spec->prog[i]) >= CXLT_KEY_WORDS) ||
		    (op == CXLT_OP_GOTO && i + n != spec->n_prog))
			return cxlt_fail(-EINVAL, "word %u of the action program is malformed", i);
		if (op == CXLT_OP_GOTO && (cxlt_op_arg(spec->prog[i]) <= spec->table ||
					   cxlt_op_arg(spec->prog[i]) >= w->slice->dir.n_tables))
			return cxlt_fail(-EINVAL,
					 "goto_table:%u from table %u: %u to %u can be reached",
					 cxlt_op_arg(spec->prog[i]), spec->table, spec->table + 1,
					 w->slice->dir.n_tables - 1);
	}
	return 0;
}

static __u32 flags_of(const struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if (spec->mask.w[i] & ~w->dev_mask.w[i])
			return CXLT_TUPLE_HOST;
	return 0;
}

static void free_counters(struct change *c, __u32 ref)
{
	if (ref)
		cxlt_free_object(c->s, &c->w->alloc, ref);
}

static int add_locked(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	__u32 flags = flags_of(w, spec), old = 0, where, unseen;
	struct content x = {.cookie = spec->cookie, .n_prog = spec->n_prog, .prog = spec->prog};
	struct change c;
	struct chain ch;
	bool had;
	int rc;

	cxlt_change_init(&c, w, spec, &spec->mask, flags);
	had = !cxlt_change_find(&c, &ch);
	unseen = c.t->unseen;
	if (had) {
		const struct cxlt_rule *e = cxlt_at(c.s, ch.ref[ch.at]);

		old = e->counters;
		x.flags = e->flags;
	} else if (flags && !cxlt_shadow_add(w, spec)) {
		x.flags = CXLT_RULE_UNSEEN;
	}
	where = flags ? c.s->header.dev_lines : 0;
	x.created = now_ns();
	x.counters = counters_alloc(&c, where);
	if (!x.counters)
		x.counters = counters_alloc(&c, c.s->header.dev_lines);
	rc = x.counters ? cxlt_change_put(&c, &ch, &x) : cxlt_no_room(c.s, "counters");
	if (rc) {
		free_counters(&c, x.counters);
		if (!had && flags && !(x.flags & CXLT_RULE_UNSEEN))
			cxlt_shadow_remove(w, spec);
		cxlt_unseen_lower(c.s, spec->table, unseen);
		return rc;
	}
	free_counters(&c, old);
	if (!had)
		cxlt_store(&c.t->n_rules, c.t->n_rules + 1);
	return had;
}

int cxlt_rule_add(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	int rc = spec_check(w, spec);

	if (!rc)
		rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	rc = add_locked(w, spec);
	cxlt_writer_unlock(w);
	return rc;
}

void cxlt_rule_prefetch(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	struct change c;
	__u32 mask;

	if (!w->depth || spec->table >= w->slice->dir.n_tables)
		return;
	cxlt_change_init(&c, w, spec, &spec->mask, flags_of(w, spec));
	if (!cxlt_tuple_lookup(&c))
		return;
	mask = (1U << CXLT_GEO_LOG2(c.tuple->geo)) - 1;
	cxlt_prefetch(cxlt_at(c.s, CXLT_GEO_REF(c.tuple->geo) +
					   ((__u32)cxlt_hash_body(c.s, c.tuple, c.body) & mask)));
}

int cxlt_rule_add_batch(struct cxlt_writer *w, __u32 n, const struct cxlt_rule_spec *specs,
			__u32 *added)
{
	int rc = cxlt_writer_lock(w);
	__u32 i;

	*added = 0;
	if (rc)
		return rc;
	for (i = 0; i < n && rc >= 0; i++) {
		if (i + PREFETCH_AHEAD < n)
			cxlt_rule_prefetch(w, &specs[i + PREFETCH_AHEAD]);
		rc = cxlt_rule_add(w, &specs[i]);
		*added += rc >= 0;
	}
	cxlt_writer_unlock(w);
	return rc < 0 ? rc : 0;
}

static int modify_locked(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	struct content x = {.cookie = spec->cookie, .n_prog = spec->n_prog, .prog = spec->prog};
	const struct cxlt_rule *e;
	struct change c;
	struct chain ch;

	cxlt_change_init(&c, w, spec, &spec->mask, flags_of(w, spec));
	if (cxlt_change_find(&c, &ch))
		return cxlt_fail(-ENOENT, "no such rule in table %u", spec->table);
	e = cxlt_at(c.s, ch.ref[ch.at]);
	x.created = e->created;
	x.counters = e->counters;
	x.flags = e->flags;
	return cxlt_change_put(&c, &ch, &x);
}

int cxlt_rule_modify(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	int rc = spec_check(w, spec);

	if (!rc)
		rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	rc = modify_locked(w, spec);
	cxlt_writer_unlock(w);
	return rc;
}

static int delete_locked(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	__u32 flags = flags_of(w, spec), counters, rule_flags;
	const struct cxlt_rule *e;
	struct change c;
	struct chain ch;
	int rc;

	cxlt_change_init(&c, w, spec, &spec->mask, flags);
	if (cxlt_change_find(&c, &ch))
		return cxlt_fail(-ENOENT, "no such rule in table %u", spec->table);
	e = cxlt_at(c.s, ch.ref[ch.at]);
	counters = e->counters;
	rule_flags = e->flags;
	rc = cxlt_change_remove(&c, &ch);
	if (rc)
		return rc;
	free_counters(&c, counters);
	cxlt_store(&c.t->n_rules, c.t->n_rules - 1);
	if (!c.t->n_rules)
		cxlt_unseen_lower(c.s, spec->table, 0);
	if (flags && !(rule_flags & CXLT_RULE_UNSEEN))
		cxlt_shadow_remove(w, spec);
	return 0;
}

int cxlt_rule_delete(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	int rc;

	if (spec->table >= w->slice->dir.n_tables)
		return cxlt_fail(-ENOENT, "no table %u", spec->table);
	rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	rc = delete_locked(w, spec);
	cxlt_writer_unlock(w);
	return rc;
}

__u64 cxlt_table_rules(const struct cxlt_slice *s, __u32 table)
{
	return table < s->dir.n_tables ? cxlt_load(&cxlt_table_at(s, table)->n_rules) : 0;
}

__u32 cxlt_table_tuples(const struct cxlt_slice *s, __u32 table)
{
	return table < s->dir.n_tables ? CXLT_LIST_N(cxlt_load(&cxlt_table_at(s, table)->list)) : 0;
}
