// SPDX-License-Identifier: Apache-2.0
/*
 * Rules of OpenFlow tables as callers add, modify and delete them, one by one or in batches: what
 * is checked before, and what a rule brings along or leaves behind besides its entry (counters,
 * its table's count, the device's stand-in).  The entry itself is change_rule.c's.
 */
#include <errno.h>

#include "change_rule.h"

enum {
	BATCH = 32, /* rules that are stored in one hold of the slice */
};

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
	cxlt_counters_free(c->s, &c->w->alloc, ref);
}

static int absent(const struct cxlt_rule_spec *spec)
{
	return cxlt_fail(-ENOENT, "no such rule in table %u", spec->table);
}

/* A rule that the device can't match on: its shadow comes first.  Alone. */
static void speak_for(struct change *c, const struct cxlt_rule_spec *spec, struct content *x)
{
	struct chain ch;

	x->shadow = false;
	if (!cxlt_change_find(c, &ch))
		x->flags = ((const struct cxlt_rule *)cxlt_at(c->s, ch.ref[ch.at]))->flags;
	else if (cxlt_shadow_add(c->w, spec))
		x->shadow = true;
	else
		x->flags = CXLT_RULE_UNSEEN;
}

static __u32 counters_alloc(struct change *c, __u32 rule)
{
	bool host = rule >= c->s->header.dev_lines;

	return cxlt_counters_new(c->s, &c->w->alloc, host ? CXLT_PLACE_HOST : CXLT_PLACE_DEVICE);
}

/* With the tuple looked up. */
static int add(struct change *c, const struct cxlt_rule_spec *spec)
{
	struct content x = {.cookie = spec->cookie, .n_prog = spec->n_prog, .prog = spec->prog};
	struct chain ch = {.found = false};
	struct cxlt_writer *w = c->w;
	__u32 unseen = cxlt_load32(&c->t->unseen);
	int rc;

	if (c->tuple_flags)
		speak_for(c, spec, &x);
	x.created = cxlt_now_ns();
	x.counters = counters_alloc(c, c->tuple_flags ? c->s->header.dev_lines : 0);
	if (!x.counters)
		x.counters = counters_alloc(c, c->s->header.dev_lines);
	/* As with the tuple's: never too low.  A bundle counts at its end. */
	if (!w->bundle.version)
		cxlt_bump(w, &c->t->n_rules, 1);
	if (x.counters)
		rc = cxlt_change_put(c, &ch, &x);
	else
		rc = w->depth ? cxlt_no_room_anywhere(c->s, "counters") : CXLT_ALONE;
	if ((rc || ch.found) && !w->bundle.version)
		cxlt_bump(w, &c->t->n_rules, (__u64)-1);
	if (rc) {
		free_counters(c, x.counters);
		if (x.shadow)
			cxlt_shadow_remove(w, spec);
		if (w->depth)
			cxlt_unseen_lower(c->s, spec->table, unseen);
		return rc;
	}
	if (ch.found && !w->bundle.version)
		free_counters(c, ch.counters);
	return ch.found;
}

static int op_add(struct cxlt_writer *w, void *arg)
{
	const struct cxlt_rule_spec *spec = arg;
	__u32 flags = flags_of(w, spec);
	struct change c;

	if (flags && !w->depth)
		return CXLT_ALONE;
	cxlt_change_init(&c, w, spec, &spec->mask, flags);
	cxlt_change_tuple(&c);
	return add(&c, spec);
}

int cxlt_rule_add(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	int rc = spec_check(w, spec);

	return rc ? rc : cxlt_change_run(w, op_add, (void *)spec);
}

/* Looks the tuple up and has the key's home bucket fetched. */
static void look_ahead(struct change *c, struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	__u64 geo;

	cxlt_change_init(c, w, spec, &spec->mask, flags_of(w, spec));
	if (!cxlt_change_tuple(c))
		return;
	geo = cxlt_load(&c->tuple->geo);
	cxlt_prefetch(cxlt_at(c->s, CXLT_GEO_REF(geo) +
					    ((__u32)c->hash & ((1U << CXLT_GEO_LOG2(geo)) - 1))));
}

void cxlt_rule_prefetch(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	struct change c;

	if (cxlt_may_look(w) && spec->table < w->slice->dir.n_tables)
		look_ahead(&c, w, spec);
}

/* n rules, with the slice alone; the number added, and in *rc why not all are. */
static __u32 add_some(struct cxlt_writer *w, __u32 n, const struct cxlt_rule_spec *specs, int *rc)
{
	struct change c[BATCH];
	__u32 i, sound;

	for (sound = 0; sound < n && !spec_check(w, &specs[sound]); sound++)
		look_ahead(&c[sound], w, &specs[sound]);
	for (i = 0; i < sound; i++) {
		/* An earlier one may have made the tuple; none takes one away but by failing. */
		if (!c[i].tuple)
			cxlt_change_tuple(&c[i]);
		*rc = add(&c[i], &specs[i]);
		if (*rc < 0)
			return i;
	}
	*rc = sound < n ? spec_check(w, &specs[sound]) : 0;
	return sound;
}

int cxlt_rule_add_batch(struct cxlt_writer *w, __u32 n, const struct cxlt_rule_spec *specs,
			__u32 *added)
{
	int rc = 0;

	for (*added = 0; *added < n && !rc;) {
		__u32 more = n - *added < BATCH ? n - *added : BATCH;

		rc = cxlt_writer_lock(w);
		if (rc)
			break;
		*added += add_some(w, more, specs + *added, &rc);
		cxlt_writer_unlock(w);
	}
	return rc;
}

static int op_modify(struct cxlt_writer *w, void *arg)
{
	const struct cxlt_rule_spec *spec = arg;
	struct content x = {.cookie = spec->cookie, .n_prog = spec->n_prog, .prog = spec->prog};
	struct change c;
	struct chain ch;
	int rc;

	/* Where counters lie decides where the entry may: which the holder of the chain knows. */
	if (!w->depth && w->slice->header.dev_lines < w->slice->header.n_lines)
		return CXLT_ALONE;
	cxlt_change_init(&c, w, spec, &spec->mask, flags_of(w, spec));
	if (w->depth) {
		rc = cxlt_change_find(&c, &ch);
		if (!rc)
			x.counters =
				((const struct cxlt_rule *)cxlt_at(c.s, ch.ref[ch.at]))->counters;
	} else {
		rc = cxlt_change_tuple(&c) ? 0 : -ENOENT;
	}
	x.modify = true;
	if (!rc)
		rc = cxlt_change_put(&c, &ch, &x);
	return rc == -ENOENT ? absent(spec) : rc;
}

int cxlt_rule_modify(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	int rc = spec_check(w, spec);

	return rc ? rc : cxlt_change_run(w, op_modify, (void *)spec);
}

static int delete_in_bundle(struct change *c, const struct cxlt_rule_spec *spec)
{
	const struct cxlt_rule *e;
	struct chain ch;
	int rc;

	if (cxlt_change_find(c, &ch))
		return absent(spec);
	c->chg = cxlt_chg_word(c);
	rc = cxlt_bundle_touch(c);
	if (rc)
		return rc;
	e = cxlt_at(c->s, ch.ref[ch.at]);
	cxlt_bundle_doom(c, ch.ref[ch.at], true, c->tuple_flags && !(e->flags & CXLT_RULE_UNSEEN));
	return 0;
}

static int op_delete(struct cxlt_writer *w, void *arg)
{
	const struct cxlt_rule_spec *spec = arg;
	__u32 flags = flags_of(w, spec);
	struct change c;
	struct chain ch;
	int rc;

	cxlt_change_init(&c, w, spec, &spec->mask, flags);
	if (!cxlt_change_tuple(&c))
		return absent(spec);
	if (w->bundle.version)
		return delete_in_bundle(&c, spec);
	rc = cxlt_change_remove(&c, &ch);
	if (rc)
		return rc == -ENOENT ? absent(spec) : rc;
	free_counters(&c, ch.counters);
	cxlt_bump(w, &c.t->n_rules, (__u64)-1);
	if (w->depth && !cxlt_load(&c.t->n_rules))
		cxlt_unseen_lower(c.s, spec->table, 0);
	if (flags && !(ch.flags & CXLT_RULE_UNSEEN))
		cxlt_shadow_remove(w, spec);
	return c.emptied && !w->depth;
}

/* Takes tuples that lost their last rule out of the list: ours, and what others had to leave. */
static int op_tidy(struct cxlt_writer *w, void *arg)
{
	const struct cxlt_rule_spec *spec = arg;
	struct change c;

	if (!w->depth)
		return CXLT_ALONE;
	cxlt_change_init(&c, w, spec, &spec->mask, flags_of(w, spec));
	cxlt_tuples_sweep(&c);
	if (!cxlt_load(&c.t->n_rules))
		cxlt_unseen_lower(c.s, spec->table, 0);
	return 0;
}

int cxlt_rule_delete(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	int rc;

	if (spec->table >= w->slice->dir.n_tables)
		return cxlt_fail(-ENOENT, "no table %u", spec->table);
	rc = cxlt_change_run(w, op_delete, (void *)spec);
	/* An empty tuple may stay: it costs a probe and is never wrong. */
	if (rc == 1)
		cxlt_change_run(w, op_tidy, (void *)spec);
	return rc < 0 ? rc : 0;
}

__u64 cxlt_table_rules(const struct cxlt_slice *s, __u32 table)
{
	return table < s->dir.n_tables
		       ? cxlt_load(&cxlt_table_at(s, table)->n_rules) + (__u64)s->ahead_rules[table]
		       : 0;
}

__u32 cxlt_table_tuples(const struct cxlt_slice *s, __u32 table)
{
	return table < s->dir.n_tables ? CXLT_LIST_N(cxlt_load(&cxlt_table_at(s, table)->list)) : 0;
}
