// SPDX-License-Identifier: Apache-2.0
/*
 * Walks everything that is reachable and compares it with what is written down about it: bitmaps,
 * counters, counts, pending change words.  `slice check` reports the differences; a writer that
 * took the lock from a dead holder removes them (repair.c), whatever the holder was doing:
 *
 *   object filled, not published      unreachable: its bit is cleared
 *   published, its bit not yet seen   its bit is set
 *   an entry in two slots (a move)    sequences of both buckets move, one slot is cleared
 *   overflow counters                 recomputed; they are never too low before, so readers that
 *                                     go on meanwhile only look at one bucket too many
 *   pending change words              ended
 *   array being replaced              the one that geo doesn't name is unreachable
 *   cells of prefilters               counted anew; likewise never too low before
 *   a bundle that was open            as if it never was, or as if it had ended: version says which
 *   stocks of BPF programs            refs that are in use, or twice in stocks, are dropped
 *   shadows                           counted anew; a rule without one raises table.unseen
 *
 * Readers go on beside it: each store is one that a writer makes too.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"

void cxlt_complain(struct audit *a, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	a->found++;
	if (!a->report)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	a->report(a->arg, text);
}

/* What a rule owes to its tuple's place in the list, to the version and to its shadow. */
static void audit_rule(struct audit *a, const struct cxlt_tuple *t, const struct cxlt_rule *e,
		       __u32 ref)
{
	const struct cxlt_control *c = cxlt_at(a->s, a->s->dir.control);
	__u32 prio = e->prio, flags = cxlt_load32(&e->flags);

	if (prio > CXLT_ITEM_PRIO(a->item))
		cxlt_complain(a, "rule at line %u: priority %u, but the list says at most %u", ref,
			      prio, CXLT_ITEM_PRIO(a->item));
	if (cxlt_load(&e->from) > cxlt_load(&c->version) + 1 ||
	    cxlt_load(&e->to) <= cxlt_load(&c->floor))
		cxlt_complain(a, "rule at line %u: no packet can see it", ref);
	if (t->flags & CXLT_TUPLE_SHADOW)
		a->spoken += flags >> CXLT_RULE_REFS_SHIFT;
	if (!(t->flags & CXLT_TUPLE_HOST))
		return;
	if (!(flags & CXLT_RULE_UNSEEN))
		a->host_rules++;
	else if (a->unseen <= prio)
		cxlt_complain(a, "rule at line %u: no shadow, and the device isn't told", ref);
}

/* Counters that a moved rule had: they are its own as well, until it is settled. */
static void audit_before(struct audit *a, __u32 ref)
{
	struct cxlt_counters *c = cxlt_at(a->s, ref);
	__u64 before = cxlt_load(&c->host.before);

	if (!before ||
	    cxlt_mark(a, (__u32)before, CXLT_KIND_COUNTERS, CXLT_COUNTER_LINES, "counters"))
		return;
	if (a->fix)
		cxlt_store_release(&c->host.before, 0);
}

/* The entry in slot (bucket, i): its own marks, its chain, the place of its key. */
static bool audit_entry(struct audit *a, struct cxlt_tuple *t, __u32 ref, __u64 *count)
{
	const struct cxlt_rule *e;
	__u32 hop, lines, prio = 65536;
	__u64 from = 0;

	if (t->kind == CXLT_KIND_EXACT) {
		const struct cxlt_exact *x = cxlt_cell(&a->s->view, ref, 1);

		lines = cxlt_exact_cells(t->n_words, t->n_val);
		if (!cxlt_mark(a, ref, CXLT_KIND_EXACT, lines, "slot"))
			return false;
		if (x->seq & 1) {
			cxlt_complain(a, "exact entry at cell %u: odd sequence", ref);
			return false;
		}
		++*count;
		return true;
	}
	for (hop = 0; ref; hop++) {
		e = cxlt_line(&a->s->view, ref, 1);
		if (hop >= CXLT_CHAIN_MAX || !e) {
			cxlt_complain(a, "chain of rules: bad ref %u or more than %d rules", ref,
				      CXLT_CHAIN_MAX);
			return hop > 0;
		}
		lines = (__u32)(sizeof(*e) + (e->n_key + e->n_prog) * 8 + 63) / CXLT_LINE;
		if (!cxlt_mark(a, ref, CXLT_KIND_RULE, lines, hop ? "chain" : "slot"))
			return hop > 0;
		if (e->seq & 1 || e->tuple_id != t->id || e->n_key != t->n_words ||
		    e->n_prog > CXLT_PROG_MAX || e->prio > prio) {
			cxlt_complain(a, "rule at line %u: odd sequence, wrong tuple or order",
				      ref);
			return hop > 0;
		}
		if (e->counters &&
		    cxlt_mark(a, e->counters, CXLT_KIND_COUNTERS, CXLT_COUNTER_LINES, "rule"))
			audit_before(a, e->counters);
		audit_rule(a, t, e, ref);
		if (e->prio == prio && cxlt_load(&e->to) > from)
			cxlt_complain(a, "rule at line %u: another one has its match and priority",
				      ref);
		prio = e->prio;
		from = cxlt_load(&e->from);
		++*count;
		ref = e->next;
	}
	return true;
}

static void clear_slot(struct cxlt_bucket *b, __u32 i, struct cxlt_bucket *other)
{
	cxlt_store_release(&b->meta, b->meta + CXLT_META_EVENT);
	if (other != b)
		cxlt_store_release(&other->meta, other->meta + CXLT_META_EVENT);
	cxlt_store_release(&b->slot[i], 0);
}

struct array_audit {
	struct cxlt_bucket *b;
	__u32 mask;
	__u8 (*cnt)[8]; /* recomputed overflow counters */
	__u64 count, slots;
};

/* Is all that cxlt_entry_body() leads to inside the slice? */
static bool has_body(const struct cxlt_slice *s, const struct cxlt_tuple *t, __u32 ref)
{
	return t->kind == CXLT_KIND_RULE ? cxlt_line(&s->view, ref, 1 + CXLT_KEY_MAX / 8) != NULL
					 : cxlt_cell(&s->view, ref, 1 + CXLT_KEY_MAX / 4) != NULL;
}

/* Does a later slot of bucket i, or one of the other bucket, hold the same key? */
static bool has_twin(struct audit *a, const struct cxlt_tuple *t, struct array_audit *x, __u32 i,
		     __u32 j)
{
	__u64 slot = x->b[i].slot[j];
	__u32 other = cxlt_hash_other(i, CXLT_SLOT_TAG(slot), x->mask), k;

	for (k = 0; k < 2 * CXLT_BUCKET_SLOTS; k++) {
		bool here = k < CXLT_BUCKET_SLOTS;
		__u64 twin = here ? x->b[i].slot[k] : x->b[other].slot[k - CXLT_BUCKET_SLOTS];
		__u64 flip = here ? 0 : 1ULL << 32;

		if ((here && k <= j) || (!here && other < i) || !twin ||
		    CXLT_SLOT_HEAD(twin ^ flip) != CXLT_SLOT_HEAD(slot) ||
		    CXLT_SLOT_REF(twin) == CXLT_SLOT_REF(slot) ||
		    !has_body(a->s, t, CXLT_SLOT_REF(twin)))
			continue;
		if (!memcmp(cxlt_entry_body(a->s, t, CXLT_SLOT_REF(slot)),
			    cxlt_entry_body(a->s, t, CXLT_SLOT_REF(twin)), t->n_words * 8))
			return true;
	}
	return false;
}

static void audit_slot(struct audit *a, struct cxlt_tuple *t, struct array_audit *x, __u32 i,
		       __u32 j)
{
	__u64 slot = x->b[i].slot[j], h;
	__u32 ref = CXLT_SLOT_REF(slot), tag = CXLT_SLOT_TAG(slot), home;
	struct cxlt_bucket *other = &x->b[cxlt_hash_other(i, tag, x->mask)];

	if (!slot)
		return;
	if (cxlt_is_marked(a, t->kind, ref)) {
		cxlt_complain(a, "tuple %u bucket %u slot %u: entry %u is in another slot too",
			      t->id, i, j, ref);
		if (a->fix)
			clear_slot(&x->b[i], j, other);
		return;
	}
	if (!audit_entry(a, t, ref, &x->count)) {
		if (a->fix)
			clear_slot(&x->b[i], j, other);
		return;
	}
	h = cxlt_hash_entry(a->s, t, ref);
	home = (__u32)h & x->mask;
	if (cxlt_hash_tag(h) != tag ||
	    i != (CXLT_SLOT_SEC(slot) ? cxlt_hash_other(home, tag, x->mask) : home)) {
		cxlt_complain(a, "tuple %u bucket %u slot %u: its entry's key belongs elsewhere",
			      t->id, i, j);
		if (a->fix) {
			clear_slot(&x->b[i], j, other);
			return;
		}
	}
	if (has_twin(a, t, x, i, j))
		cxlt_complain(a, "tuple %u bucket %u slot %u: its key is in another slot too",
			      t->id, i, j);
	x->slots++;
	if (CXLT_SLOT_SEC(slot) && x->cnt[home][tag & 7] < 7)
		x->cnt[home][tag & 7]++;
}

/* Overflow counters: too low would hide entries; too high costs a look, and 7 says "unknown". */
static void audit_counters(struct audit *a, struct cxlt_tuple *t, struct array_audit *x, __u32 i)
{
	__u64 m = x->b[i].meta, fresh = m & ~0xffffffULL;
	bool low = false, high = false;
	__u32 c;

	for (c = 0; c < 8; c++) {
		__u32 have = (__u32)(m >> (c * 3)) & 7;

		low |= have < x->cnt[i][c];
		high |= have > x->cnt[i][c] && have != 7;
		fresh |= (__u64)x->cnt[i][c] << (c * 3);
	}
	if (low || high)
		cxlt_complain(a, "tuple %u bucket %u: overflow counters are too %s", t->id, i,
			      low ? "low" : "high");
	if (CXLT_META_OWNER(m))
		cxlt_complain(a, "tuple %u bucket %u: owned by writer %u", t->id, i,
			      CXLT_META_OWNER(m));
	fresh &= ~(0xffULL << 24);
	if (a->fix && fresh != m)
		cxlt_store_release(&x->b[i].meta, fresh + CXLT_META_EVENT);
}

static void audit_count(struct audit *a, __u64 *word, __u64 want, const char *what, __u32 id)
{
	if (*word == want)
		return;
	cxlt_complain(a, "%s %u: count is %llu, %llu are there", what, id,
		      (unsigned long long)*word, (unsigned long long)want);
	if (a->fix)
		cxlt_store(word, want);
}

/* One tuple and all behind it; the number of its entries. */
static __u64 audit_tuple(struct audit *a, __u32 ref, int kind)
{
	/* A copy: its owner may write while we look, and what is checked must be what is used. */
	union {
		struct cxlt_tuple t;
		char bytes[CXLT_TUPLE_LINES * CXLT_LINE];
	} copy;
	struct cxlt_tuple *t = &copy.t, *live;
	struct array_audit x = {0};
	__u32 log2, i, j;

	if (!cxlt_mark(a, ref, CXLT_KIND_TUPLE, CXLT_TUPLE_LINES, "list"))
		return 0;
	live = cxlt_at(a->s, ref);
	memcpy(&copy, live, sizeof(copy));
	log2 = CXLT_GEO_LOG2(t->geo);
	if (t->kind != kind || t->n_words > CXLT_KEY_MAX || log2 > 26 || !log2 ||
	    t->geo & CXLT_GEO_RESIZING) {
		cxlt_complain(a, "tuple at line %u: kind, words or geometry make no sense", ref);
		return 0;
	}
	if (kind == CXLT_KIND_RULE &&
	    (t->table != a->table || t->flags != CXLT_ITEM_FLAGS(a->item)))
		cxlt_complain(a,
			      "tuple %u: in the list of table %u it is of table %u, or other flags",
			      t->id, a->table, t->table);
	for (i = 0; kind == CXLT_KIND_RULE && i < t->n_words; i++) {
		if (t->idx[i] < CXLT_KEY_MAX)
			continue;
		cxlt_complain(a, "tuple %u: mask word %u is of key word %u", t->id, i, t->idx[i]);
		return 0;
	}
	if (t->sparse && kind == CXLT_KIND_EXACT
		    ? !cxlt_mark_near(a, t)
		    : !cxlt_mark(a, CXLT_GEO_REF(t->geo), CXLT_KIND_BUCKETS, 1U << log2, "tuple"))
		return 0;
	x.b = cxlt_at(a->s, CXLT_GEO_REF(t->geo));
	x.mask = kind == CXLT_KIND_EXACT ? cxlt_tuple_mask(t) : (1U << log2) - 1;
	x.cnt = calloc(x.mask + 1U, sizeof(*x.cnt));
	if (!x.cnt) {
		cxlt_complain(a, "out of memory");
		return 0;
	}
	for (i = 0; i <= x.mask; i++)
		for (j = 0; j < CXLT_BUCKET_SLOTS && !(i & ~x.mask); j++)
			audit_slot(a, t, &x, i, j);
	for (i = 0; i <= x.mask; i++)
		if (!(i & ~x.mask))
			audit_counters(a, t, &x, i);
	free(x.cnt);
	/* Exact tables keep no counts. */
	audit_count(a, &live->count, kind == CXLT_KIND_RULE ? x.count : 0, "tuple", t->id);
	audit_count(a, &live->slots, kind == CXLT_KIND_RULE ? x.slots : 0, "slots of tuple", t->id);
	return t->flags & CXLT_TUPLE_SHADOW ? 0 : x.count;
}

static void audit_chg(struct audit *a, __u64 *word, __u32 table)
{
	__u64 pending = CXLT_CHG_PENDING(*word);

	if (!pending)
		return;
	cxlt_complain(a, "table %u: a change word is pending", table);
	if (a->fix)
		cxlt_store_release(word, *word + 65536 - pending);
}

/* The prefilter of a list whose tuples have been walked, and mended. */
static void audit_filter(struct audit *a, const struct cxlt_list_image *im)
{
	__u32 i, p;

	for (p = 0; p < im->n_pairs; p++) {
		int rc;

		if (!im->mask[p] || !cxlt_mark(a, CXLT_PAIR_REF(im->pair[p]), CXLT_KIND_FILTER,
					       1U << (CXLT_PAIR_LOG2(im->pair[p]) - 6), "filter"))
			continue;
		rc = cxlt_filter_compare(a->s, im, p, a->fix);
		if (rc)
			cxlt_complain(a, "table %u pair %u: %s", a->table, p,
				      rc < 0		    ? "out of memory"
				      : rc & CXLT_CELLS_LOW ? "cells are too low"
							    : "cells are too high");
	}
	for (i = 0; i < im->n; i++) {
		struct cxlt_tuple *t =
			cxlt_line(&a->s->view, CXLT_ITEM_REF(im->item[i]), CXLT_TUPLE_LINES);
		__u64 want = cxlt_filter_pairs(im, i);

		if (!t || cxlt_load(&t->pairs) == want)
			continue;
		cxlt_complain(a, "tuple %u: it uses other pairs than the list says", t->id);
		if (a->fix)
			cxlt_store(&t->pairs, want);
	}
}

/* The tuples of a table, and its prefilter; the number of rules. */
static __u64 audit_list(struct audit *a, __u64 list)
{
	__u32 j, last = 65535;
	struct cxlt_list_image im;
	__u64 rules = 0;

	if (!cxlt_list_load(a->s, list, &im)) {
		cxlt_complain(a, "table %u: list of tuples or its filter make no sense", a->table);
		return 0;
	}
	if (!CXLT_LIST_REF(list) || !cxlt_mark(a, CXLT_LIST_REF(list), CXLT_KIND_LIST,
					       1U << cxlt_list_log2(im.n, im.n_pairs), "table"))
		return 0;
	for (j = 0; j < im.n; j++) {
		a->item = im.item[j];
		if (CXLT_ITEM_PRIO(a->item) > last)
			cxlt_complain(a, "table %u: list item %u is out of order", a->table, j);
		last = CXLT_ITEM_PRIO(a->item);
		rules += audit_tuple(a, CXLT_ITEM_REF(a->item), CXLT_KIND_RULE);
	}
	audit_filter(a, &im);
	return rules;
}

static void audit_table(struct audit *a, __u32 i)
{
	struct cxlt_table *t = cxlt_at(a->s, a->s->dir.tables + i * 2);
	__u64 list = cxlt_load_acquire(&t->list);
	__u32 d, j;
	__u64 rules;

	a->table = i;
	a->unseen = cxlt_load32(&t->unseen);
	a->spoken = a->host_rules = 0;
	for (d = 1; d < CXLT_DIMS; d++) {
		__u32 lines = 1U << (a->s->dir.chg_log2 - 3);

		__u32 ref = cxlt_load32(&t->chg[d - 1]);

		if (!(t->dims >> d & 1) || !cxlt_mark(a, ref, CXLT_KIND_CHG, lines, "table"))
			continue;
		for (j = 0; j < lines * CXLT_LINE_WORDS; j++)
			audit_chg(a, (__u64 *)cxlt_at(a->s, ref) + j, i);
	}
	rules = audit_list(a, list);
	if (a->spoken != a->host_rules)
		cxlt_complain(a, "table %u: shadows speak for %llu rules, %llu need one", i,
			      (unsigned long long)a->spoken, (unsigned long long)a->host_rules);
	audit_count(a, &t->n_rules, rules, "table", i);
	/* Last: whoever sees it still sees the repaired table. */
	audit_chg(a, &t->wide, i);
}

/* The refs of one CPU's stock.  All slots are marked: what is in use is dropped from the stock. */
static void audit_stock_of(struct audit *a, const struct cxlt_tuple *t, struct cxlt_stock *s,
			   __u32 room)
{
	__u64 n = cxlt_load(&s->n), i, k = 0;

	if (n > room || cxlt_load(&s->lock))
		cxlt_complain(a, "stock of tuple %u: locked, or more refs than there is room for",
			      t->id);
	for (i = 0; i < n && i < room; i++) {
		__u32 ref = cxlt_load32(&s->ref[i]);

		if (!cxlt_mark(a, ref, CXLT_KIND_EXACT, cxlt_exact_cells(t->n_words, t->n_val),
			       "stock"))
			continue;
		if (a->fix)
			cxlt_store32(&s->ref[k], ref);
		k++;
	}
	if (a->fix && (k != n || cxlt_load(&s->lock))) {
		cxlt_store(&s->n, k);
		cxlt_store_release(&s->lock, 0);
	}
}

static void audit_stock(struct audit *a, __u32 tuple)
{
	struct cxlt_tuple *t = cxlt_line(&a->s->view, tuple, CXLT_TUPLE_LINES);
	__u64 word =
		t && cxlt_is_marked(a, CXLT_KIND_TUPLE, tuple) ? cxlt_load_acquire(&t->stock) : 0;
	__u32 i, ref = CXLT_STOCK_REF(word), cpus = CXLT_STOCK_CPUS(word);

	if (!word)
		return;
	if (!cxlt_stock_lines(word) ||
	    !cxlt_mark(a, ref, CXLT_KIND_STOCK, cxlt_stock_lines(word), "tuple")) {
		cxlt_complain(a, "tuple %u: its stock makes no sense", t->id);
		if (a->fix)
			cxlt_store_release(&t->stock, 0);
		return;
	}
	for (i = 0; i < cpus; i++)
		audit_stock_of(a, t, cxlt_at(a->s, ref + (i << CXLT_STOCK_LOG2(word))),
			       CXLT_STOCK_ROOM(CXLT_STOCK_LOG2(word)));
}

/* What may never change, and what may only grow in step. */
static void audit_head(struct audit *a)
{
	const struct cxlt_control *c = cxlt_at(a->s, a->s->dir.control);
	__u64 floor = cxlt_load(&c->floor), version = cxlt_load(&c->version);

	if (memcmp(a->s->mem, &a->s->header, sizeof(a->s->header)) ||
	    memcmp(cxlt_at(a->s, a->s->header.dir), &a->s->dir, sizeof(a->s->dir)))
		cxlt_complain(a, "header or directory changed since they were attached");
	if (floor > version)
		cxlt_complain(a, "control.floor %llu is above control.version %llu",
			      (unsigned long long)floor, (unsigned long long)version);
}

static int audit(struct audit *a)
{
	__u32 i;

	a->marks = calloc(a->s->dir.n_chunks + 1U, sizeof(*a->marks));
	a->spans = calloc(a->s->dir.n_chunks + 1U, sizeof(*a->spans));
	if (!a->marks || !a->spans) {
		free(a->marks);
		free(a->spans);
		return cxlt_fail(-ENOMEM, "out of memory");
	}
	audit_head(a);
	for (i = 0; i < a->s->dir.n_tables; i++)
		audit_table(a, i);
	for (i = 0; i < a->s->dir.n_exacts; i++) {
		struct cxlt_exact_table *x =
			(struct cxlt_exact_table *)cxlt_at(a->s, a->s->dir.exacts) + i;

		if (x->tuple)
			audit_tuple(a, (__u32)x->tuple, CXLT_KIND_EXACT);
	}
	for (i = 0; i < a->s->dir.n_exacts; i++) {
		struct cxlt_exact_table *x =
			(struct cxlt_exact_table *)cxlt_at(a->s, a->s->dir.exacts) + i;

		audit_stock(a, (__u32)x->tuple);
	}
	cxlt_audit_chunks(a);
	free(a->marks);
	free(a->spans);
	return a->found;
}

int cxlt_slice_check(const struct cxlt_slice *s, cxlt_report_fn *report, void *arg)
{
	struct audit a = {.s = (struct cxlt_slice *)s, .report = report, .arg = arg};

	return audit(&a);
}

int cxlt_audit_fix(struct cxlt_slice *s)
{
	struct audit a = {.s = s, .fix = true};

	return audit(&a);
}
