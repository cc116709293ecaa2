// SPDX-License-Identifier: Apache-2.0
/*
 * Reading rules out of a slice, for dumps: lists, tuples, buckets, chains.  Nothing that is read
 * is trusted: each ref is held against the slice's bounds, each loop has a bound of its own, and
 * an entry counts only if its sequence was even and did not move while it was copied.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "change_rule.h"

/* A private copy of what a tuple's entries are read with. */
struct tuple_copy {
	__u64 geo;
	__u32 id;
	__u32 n_words;
	__u8 table;
	__u8 flags;
	__u8 idx[CXLT_KEY_MAX];
	__u64 mask[CXLT_KEY_MAX];
	__u64 *budget; /* lines that the walk may still look at */
};

enum {
	GET_TRIES = 64, /* looks for a rule beside writers */
};

/* Every bucket and every rule has a line of its own: who sees more goes round in circles. */
static __u64 walk_budget(const struct cxlt_slice *s)
{
	return 4ULL * s->header.n_lines;
}

static int tuple_copy(const struct cxlt_slice *s, __u32 ref, __u64 *budget, struct tuple_copy *out)
{
	const struct cxlt_tuple *t = cxlt_line(&s->view, ref, CXLT_TUPLE_LINES);
	__u32 i;

	if (!t)
		return -EUCLEAN;
	out->budget = budget;
	out->geo = cxlt_load_acquire(&t->geo);
	out->id = cxlt_load32(&t->id);
	out->n_words = t->n_words;
	out->table = t->table;
	out->flags = t->flags;
	if (out->n_words > CXLT_KEY_WORDS || CXLT_GEO_LOG2(out->geo) > 26 ||
	    !cxlt_line(&s->view, CXLT_GEO_REF(out->geo), 1U << CXLT_GEO_LOG2(out->geo)))
		return -EUCLEAN;
	for (i = 0; i < out->n_words; i++) {
		out->idx[i] = t->idx[i];
		out->mask[i] = cxlt_load(&t->mask[i]);
		if (out->idx[i] >= CXLT_KEY_WORDS)
			return -EUCLEAN;
	}
	return 0;
}

static void read_counters(const struct cxlt_slice *s, __u32 ref, struct cxlt_rule_info *out)
{
	struct cxlt_counted n;

	cxlt_counters_read(s, ref, &n);
	memcpy(out->packets, n.packets, sizeof(n.packets));
	memcpy(out->bytes, n.bytes, sizeof(n.bytes));
	memcpy(out->used, n.used, sizeof(n.used));
}

/* The entry at `ref` into *out; -EAGAIN if it moved, -EUCLEAN if it makes no sense. */
static int rule_read(const struct cxlt_slice *s, const struct tuple_copy *t, __u32 ref,
		     struct cxlt_rule_info *out, __u32 *next, bool *visible)
{
	const struct cxlt_rule *e = cxlt_line(&s->view, ref, 1);
	const struct cxlt_control *c = cxlt_at(s, s->dir.control);
	__u64 seq, head, version = cxlt_load_acquire(&c->version) + s->ahead;
	__u32 n_key, n_prog, i;

	if (!e)
		return -EUCLEAN;
	seq = cxlt_load_acquire(&e->seq);
	head = cxlt_load((const __u64 *)&e->tuple_id);
	n_key = (head >> 48) & 0xff;
	n_prog = head >> 56;
	if (seq & 1 || (__u32)head != t->id || n_key != t->n_words || n_prog > CXLT_PROG_MAX ||
	    !cxlt_line(&s->view, ref, 1 + (n_key + n_prog + 7) / 8))
		return -EAGAIN;
	memset(out, 0, sizeof(*out));
	out->table = t->table;
	out->priority = (__u16)(head >> 32);
	out->cookie = cxlt_load(&e->cookie);
	out->created = cxlt_load(&e->created);
	out->counters = cxlt_load32(&e->counters);
	out->ref = ref;
	out->host_match = t->flags & CXLT_TUPLE_HOST ? 1 : 0;
	out->host_domain = ref >= s->header.dev_lines;
	for (i = 0; i < n_key; i++) {
		out->mask.w[t->idx[i]] = t->mask[i];
		out->value.w[t->idx[i]] = cxlt_load(&e->body[i]);
	}
	out->n_prog = n_prog;
	for (i = 0; i < n_prog; i++)
		out->prog[i] = cxlt_load(&e->body[n_key + i]);
	*next = cxlt_load32(&e->next);
	*visible = cxlt_load(&e->from) <= version && version < cxlt_load(&e->to);
	cxlt_read_barrier();
	if (cxlt_load(&e->seq) != seq)
		return -EAGAIN;
	read_counters(s, out->counters, out);
	return 0;
}

static int chain_each(const struct cxlt_slice *s, const struct tuple_copy *t, const __u64 *slot,
		      cxlt_rule_fn *fn, void *arg)
{
	__u32 ref = CXLT_SLOT_REF(cxlt_load_acquire(slot)), hop, next = 0, tries = 0;

	for (hop = 0; ref && hop < CXLT_CHAIN_MAX && *t->budget; hop++) {
		struct cxlt_rule_info info;
		bool visible = false;
		int rc = rule_read(s, t, ref, &info, &next, &visible);

		--*t->budget;
		if (rc == -EAGAIN && tries++ < 8) {
			/* Begin again, unless rules of the chain were given out already. */
			if (hop)
				return 0;
			ref = CXLT_SLOT_REF(cxlt_load_acquire(slot));
			hop = (__u32)-1;
			continue;
		}
		if (rc)
			return 0;
		rc = visible ? fn(arg, &info) : 0;
		if (rc)
			return rc;
		ref = next;
	}
	return 0;
}

static int tuple_each(const struct cxlt_slice *s, __u32 ref, __u64 *budget, cxlt_rule_fn *fn,
		      void *arg)
{
	const struct cxlt_bucket *b;
	struct tuple_copy t;
	__u32 i, j;
	int rc;

	if (tuple_copy(s, ref, budget, &t) || t.flags & CXLT_TUPLE_SHADOW)
		return 0;
	b = cxlt_at(s, CXLT_GEO_REF(t.geo));
	for (i = 0; i < 1U << CXLT_GEO_LOG2(t.geo) && *budget; i++) {
		--*budget;
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++) {
			rc = chain_each(s, &t, &b[i].slot[j], fn, arg);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/* A private copy of a table's list; its length, or 0. */
static __u32 list_copy(const struct cxlt_slice *s, __u32 table, __u64 *items)
{
	const struct cxlt_table *t = cxlt_at(s, s->dir.tables + table * 2);
	__u32 try, i, n = 0;

	for (try = 0; try < 8; try++) {
		__u64 list = cxlt_load_acquire(&t->list);
		const __u64 *from;

		n = CXLT_LIST_N(list);
		if (n > CXLT_TUPLES_MAX)
			return 0;
		from = n ? cxlt_line(&s->view, CXLT_LIST_REF(list), (n + 7) / 8) : NULL;
		if (!from)
			return 0;
		for (i = 0; i < n; i++)
			items[i] = cxlt_load(&from[i]);
		cxlt_read_barrier();
		if (cxlt_load(&t->list) == list)
			break;
	}
	return n;
}

int cxlt_rule_each(const struct cxlt_slice *s, int table, cxlt_rule_fn *fn, void *arg)
{
	__u64 *items = malloc(CXLT_TUPLES_MAX * sizeof(*items)), budget = walk_budget(s);
	__u32 t, n, i;
	int rc = 0;

	if (!items)
		return cxlt_fail(-ENOMEM, "out of memory");
	for (t = 0; t < s->dir.n_tables && !rc; t++) {
		if (table >= 0 && t != (__u32)table)
			continue;
		n = list_copy(s, t, items);
		for (i = 0; i < n && !rc; i++)
			rc = tuple_each(s, CXLT_ITEM_REF(items[i]), &budget, fn, arg);
	}
	free(items);
	return rc;
}

/* Compares a rule's identity with the one that is sought. */
struct wanted {
	const struct cxlt_rule_spec *spec;
	struct cxlt_rule_info *out;
};

static int is_wanted(void *arg, const struct cxlt_rule_info *info)
{
	struct wanted *w = arg;
	__u32 i;

	if (info->priority != w->spec->priority)
		return 0;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		if (info->value.w[i] != (w->spec->value.w[i] & w->spec->mask.w[i]))
			return 0;
	*w->out = *info;
	return 1;
}

static bool same_mask(const struct tuple_copy *t, const struct cxlt_key *mask)
{
	struct cxlt_key m = {0};
	__u32 i;

	for (i = 0; i < t->n_words; i++)
		m.w[t->idx[i]] = t->mask[i];
	return !memcmp(&m, mask, sizeof(m));
}

/* Looks at the two buckets that the key may be in; -EAGAIN if something moved in them. */
static int tuple_get(const struct cxlt_slice *s, __u32 ref, const struct tuple_copy *t,
		     struct wanted *w)
{
	const struct cxlt_tuple *live = cxlt_at(s, ref);
	__u32 mask = (1U << CXLT_GEO_LOG2(t->geo)) - 1, i, j, tag, at[2];
	const struct cxlt_bucket *b = cxlt_at(s, CXLT_GEO_REF(t->geo));
	__u64 h = live->secret, meta[2];

	for (i = 0; i < t->n_words; i++)
		h += cxlt_nh(w->spec->value.w[t->idx[i]] & t->mask[i], s->view.secrets[t->idx[i]]);
	h = cxlt_hash_finish(h);
	tag = cxlt_hash_tag(h);
	at[0] = (__u32)h & mask;
	at[1] = cxlt_hash_other(at[0], tag, mask);
	for (i = 0; i < 2; i++)
		meta[i] = cxlt_load_acquire(&b[at[i]].meta);
	for (i = 0; i < 2; i++)
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++)
			if (CXLT_SLOT_HEAD(cxlt_load(&b[at[i]].slot[j])) == (tag << 1 | i) &&
			    chain_each(s, t, &b[at[i]].slot[j], is_wanted, w))
				return 0;
	cxlt_read_barrier();
	for (i = 0; i < 2; i++)
		if (CXLT_META_SEQ(cxlt_load(&b[at[i]].meta)) != CXLT_META_SEQ(meta[i]))
			return -EAGAIN;
	return cxlt_load(&live->geo) == t->geo ? -ENOENT : -EAGAIN;
}

/* One look for a rule, at `items`. */
static int rule_look(const struct cxlt_slice *s, __u64 *items, struct wanted *w)
{
	__u64 budget = walk_budget(s);
	__u32 n = list_copy(s, w->spec->table, items), i;
	struct tuple_copy t;

	for (i = 0; i < n; i++) {
		if (tuple_copy(s, CXLT_ITEM_REF(items[i]), &budget, &t) ||
		    t.flags & CXLT_TUPLE_SHADOW || !same_mask(&t, &w->spec->mask))
			continue;
		return tuple_get(s, CXLT_ITEM_REF(items[i]), &t, w);
	}
	return -ENOENT;
}

int cxlt_rule_get(const struct cxlt_slice *s, const struct cxlt_rule_spec *spec,
		  struct cxlt_rule_info *out)
{
	/* cppcheck-suppress ctuuninitvar ; it is only written to */
	struct wanted w = {spec, out};
	int rc = -EAGAIN, try;
	__u64 *items;

	if (spec->table >= s->dir.n_tables)
		return cxlt_fail(-ENOENT, "no table %u", spec->table);
	items = malloc(CXLT_TUPLES_MAX * sizeof(*items));
	if (!items)
		return cxlt_fail(-ENOMEM, "out of memory");
	for (try = 0; try < GET_TRIES && rc == -EAGAIN; try++) {
		const struct cxlt_table *t = cxlt_table_at(s, spec->table);
		/* Pairs with cxlt_chg_begin(): a miss counts if no change of this match came between. */
		__u64 list = cxlt_load_acquire(&t->list), wide = cxlt_load_acquire(&t->wide);
		const __u64 *word = cxlt_chg_at(s, spec->table, &spec->value, &spec->mask);
		__u64 chg = cxlt_load_acquire(word);

		rc = rule_look(s, items, &w);
		cxlt_read_barrier();
		if (rc == -ENOENT && (cxlt_load(&t->list) != list || cxlt_load(&t->wide) != wide ||
				      cxlt_load(word) != chg))
			rc = -EAGAIN;
	}
	free(items);
	if (rc == -EAGAIN)
		return cxlt_fail(rc, "table %u changes too fast to be read", spec->table);
	return rc ? cxlt_fail(rc, "no such rule in table %u", spec->table) : 0;
}
