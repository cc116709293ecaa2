// SPDX-License-Identifier: Apache-2.0
/* cxlt_slice_check() finds what was planted, whatever it is, and nothing where nothing is wrong. */
#include <criterion/criterion.h>
#include <string.h>
#include <cxltab/exact.h>
#include "fixture.h"
#include "gen.h"
#include "oracle.h"

static struct fixture f;
static struct rnd r;

/* A full little house: rules in chains and in many tuples, change words, an exact table. */
static void furnish(const char *name)
{
	struct cxlt_slice_config cfg = {.size = 1 << 20, .chg_log2 = 4};
	struct cxlt_rule_spec spec;
	__u64 prog[GEN_PROG], kv[2];
	struct gen g;

	r = rnd_new(name);
	cfg.profile = cxlt_profile_all();
	cfg.profile.fields &= ~(1ULL << CXLT_F_TP_DST | 1ULL << CXLT_F_METADATA);
	fixture_config(&f, &cfg);
	gen_init(&g, &r, 16);
	for (int i = 0; i < 600; i++) {
		gen_rule(&g, rnd_below(&r, 3), 4, &spec, prog);
		if (i < 60) { /* chains, and a tuple with several buckets */
			memset(&spec.mask, 0, sizeof(spec.mask));
			gen_set_field(&spec.mask, CXLT_F_IPV4_SRC, 0xffffffff);
			gen_set_field(&spec.value, CXLT_F_IPV4_SRC, i / 3);
			spec.priority = i % 3;
			spec.table = 0;
		}
		if (i == 60) /* a dimension of its own */
			gen_set_field(&spec.mask, CXLT_F_ETH_DST, ~0ULL);
		if (i >= 61 && i < 70) { /* for the host alone */
			gen_set_field(&spec.mask, CXLT_F_TP_DST, ~0ULL);
			spec.table = 0;
		}
		cr_assert_geq(cxlt_rule_add(f.w, &spec), 0, "%s", cxlt_error_text());
	}
	cr_assert_eq(cxlt_rule_delete(f.w, &spec), 0); /* leaves something free */
	cr_assert_eq(cxlt_exact_create(f.w, "t", 1, 1, 400, 0), 0, "%s", cxlt_error_text());
	for (__u64 i = 0; i < 400; i++) {
		kv[0] = kv[1] = i;
		cr_assert_eq(cxlt_exact_insert(f.w, cxlt_exact_open(f.s, "t"), kv, &kv[1]), 0);
	}
	/* Four pages of buckets and 96 entries each, and at least 16 entries that found no place there. */
	cr_assert_eq(cxlt_exact_create(f.w, "near", 1, 1, 400, CXLT_EXACT_NEAR), 0);
	for (__u64 i = 0; i < 400; i++) {
		kv[0] = kv[1] = i;
		cr_assert_eq(cxlt_exact_insert(f.w, cxlt_exact_open(f.s, "near"), kv, &kv[1]), 0);
	}
	for (__u64 i = 0; i < 40; i++)
		cr_assert_eq(cxlt_exact_delete(f.w, cxlt_exact_open(f.s, "near"), &i), 0);
	cr_assert_eq(oracle_check(f.s), 0);
}

static void *at(__u32 ref)
{
	return (char *)cxlt_slice_base(f.s) + ref * 64ULL;
}

static struct cxlt_table *table(__u32 i)
{
	return at(cxlt_slice_directory(f.s)->tables + 2 * i);
}

static __u64 *item(__u32 t, __u32 i)
{
	return (__u64 *)at(CXLT_LIST_REF(table(t)->list)) + i;
}

/* The tuple on ipv4_src alone, which has chains and more than one bucket. */
static struct cxlt_tuple *tuple(void)
{
	for (__u32 i = 0; i < CXLT_LIST_N(table(0)->list); i++) {
		struct cxlt_tuple *t = at(CXLT_ITEM_REF(*item(0, i)));

		if (!t->flags && t->n_words == 1 && t->idx[0] == CXLT_W_IPV4 &&
		    t->mask[0] == 0xffffffffULL << 32)
			return t;
	}
	cr_assert_fail("no such tuple");
	return NULL;
}

static struct cxlt_tuple *exact(void)
{
	return at(cxlt_exact_open(f.s, "t"));
}

static struct cxlt_bucket *bucket(struct cxlt_tuple *t, __u32 i)
{
	return (struct cxlt_bucket *)at(CXLT_GEO_REF(t->geo)) + i;
}

static __u32 n_buckets(struct cxlt_tuple *t)
{
	return 1U << CXLT_GEO_LOG2(t->geo);
}

/* An occupied (or free) slot; *b is its bucket. */
static __u64 *slot(struct cxlt_tuple *t, int occupied, struct cxlt_bucket **b)
{
	__u32 n = n_buckets(t), from = rnd_below(&r, n);

	for (__u32 i = 0; i < n; i++) {
		*b = bucket(t, (from + i) % n);
		for (int j = 0; j < CXLT_BUCKET_SLOTS; j++)
			if (!(*b)->slot[j] == !occupied)
				return &(*b)->slot[j];
	}
	cr_assert_fail("no such slot");
	return NULL;
}

static struct cxlt_rule *rule(struct cxlt_tuple *t)
{
	struct cxlt_bucket *b;

	return at(CXLT_SLOT_REF(*slot(t, 1, &b)));
}

/* One that others with the same match follow. */
static struct cxlt_rule *head(void)
{
	struct cxlt_rule *e;

	do
		e = rule(tuple());
	while (!e->next);
	return e;
}

/* A chunk of this kind; a word of its bitmap with a free object, or with a used one. */
static struct cxlt_chunk *chunk(int kind)
{
	const struct cxlt_directory *d = cxlt_slice_directory(f.s);

	for (__u32 i = 0; i < d->n_chunks; i++) {
		struct cxlt_chunk *c = (struct cxlt_chunk *)at(d->chunks) + i;

		if (c->kind == kind && c->used[0])
			return c;
	}
	cr_assert_fail("no chunk of kind %d", kind);
	return NULL;
}

static __u64 *bits(int kind, int leak)
{
	const struct cxlt_directory *d = cxlt_slice_directory(f.s);

	for (__u32 i = 0; i < d->n_chunks; i++) {
		struct cxlt_chunk *c = (struct cxlt_chunk *)at(d->chunks) + i;

		for (__u32 w = 0; c->kind == kind && w < 256U / c->size / 64; w++)
			if (leak ? ~c->used[w] : c->used[w])
				return &c->used[w];
	}
	cr_assert_fail("no bitmap of kind %d", kind);
	return NULL;
}

/* What is planted. */
static void bit_leaked_rule(void)
{
	__u64 *b = bits(CXLT_KIND_RULE, 1);

	*b |= *b + 1;
}

static void bit_leaked_counters(void)
{
	__u64 *b = bits(CXLT_KIND_COUNTERS, 1);

	*b |= *b + 1;
}

static void bit_cleared_rule(void)
{
	__u64 *b = bits(CXLT_KIND_RULE, 0);

	*b &= *b - 1;
}

static void bit_cleared_tuple(void)
{
	struct cxlt_chunk *c = chunk(CXLT_KIND_TUPLE);

	c->used[0] &= c->used[0] - 1;
}

static void bit_cleared_exact(void)
{
	const struct cxlt_directory *d = cxlt_slice_directory(f.s);
	__u32 cell = CXLT_SLOT_REF(*slot(exact(), 1, &(struct cxlt_bucket *){0}));
	__u32 i = (cell - d->chunk0 * 2) / CXLT_CHUNK_CELLS;
	struct cxlt_chunk *c = (struct cxlt_chunk *)at(d->chunks) + i;
	__u64 *used = c->size == 1 ? at(d->chunk0 + (i + 1) * CXLT_CHUNK_LINES - 1) : c->used;

	memset(used, 0, 32);
}

static struct cxlt_tuple *near_table(void)
{
	return at(cxlt_exact_open(f.s, "near"));
}

/* The bits of its pages. */
static __u64 *near_bits(void)
{
	const struct cxlt_directory *d = cxlt_slice_directory(f.s);
	__u32 i = (CXLT_GEO_REF(near_table()->geo) - d->chunk0) / CXLT_CHUNK_LINES;

	return &((struct cxlt_chunk *)at(d->chunks) + i)->reserved[1];
}

static void bit_cleared_near(void)
{
	*near_bits() &= *near_bits() - 1;
}

static void bit_leaked_near(void)
{
	for (__u64 *b = near_bits();; b++) {
		if (!~*b)
			continue;
		*b |= *b + 1;
		return;
	}
}

static void near_span_free(void)
{
	near_bits()[-1] = 0;
}

static void near_mask(void)
{
	near_table()->sparse ^= 64;
}

/* No page at all, and the mask that would stand for that. */
static void near_of_nothing(void)
{
	const struct cxlt_directory *d = cxlt_slice_directory(f.s);
	struct cxlt_tuple *t = near_table();

	((struct cxlt_chunk *)at(d->chunks))[(CXLT_GEO_REF(t->geo) - d->chunk0) / 256].near =
		CXLT_NEAR(6, 1);
	t->geo = (t->geo & ~(63ULL << 32)) | 1ULL << 32;
	t->sparse = ~0U;
}

static void counter_low(void)
{
	struct cxlt_tuple *t = exact();

	for (__u32 i = 0; i < n_buckets(t); i++)
		for (int c = 0; c < 8; c++)
			if ((bucket(t, i)->meta >> 3 * c & 7) % 7) {
				bucket(t, i)->meta -= 1ULL << 3 * c;
				return;
			}
	cr_assert_fail("no entry sits in its second bucket");
}

static void counter_high(void)
{
	struct cxlt_tuple *t = exact();

	for (__u32 i = 0; i < n_buckets(t); i++)
		if (!(bucket(t, i)->meta & 7)) {
			bucket(t, i)->meta += 2;
			return;
		}
}

static void bucket_owned(void)
{
	bucket(tuple(), 0)->meta |= 9ULL << 24;
}

static void change_pending_wide(void)
{
	table(1)->wide += CXLT_CHG_BEGIN;
}

static void change_pending_word(void)
{
	for (__u32 t = 0; t < 3; t++)
		for (int d = 1; d < CXLT_DIMS; d++)
			if (table(t)->dims >> d & 1) {
				*((__u64 *)at(table(t)->chg[d - 1]) + 3) += 2;
				return;
			}
	cr_assert_fail("no dimension is used");
}

static void slot_twice(void)
{
	struct cxlt_bucket *b, *c;
	__u64 *from = slot(tuple(), 1, &b);

	*slot(tuple(), 0, &c) = *from;
}

static void slot_elsewhere(void)
{
	struct cxlt_tuple *t = tuple();
	struct cxlt_bucket *b, *c;
	__u64 *from, *to;

	do {
		from = slot(t, 1, &b);
		to = slot(t, 0, &c);
	} while (c == b);
	*to = *from;
	*from = 0;
}

static void slot_tag(void)
{
	struct cxlt_bucket *b;

	*slot(tuple(), 1, &b) ^= 1ULL << (33 + rnd_below(&r, 31));
}

static void slot_flag(void)
{
	struct cxlt_bucket *b;

	*slot(exact(), 1, &b) ^= 1ULL << 32;
}

static void slot_ref_outside(void)
{
	struct cxlt_bucket *b;

	*slot(tuple(), 1, &b) |= 0xffffffff;
}

static void slot_ref_zero(void)
{
	struct cxlt_bucket *b;

	*slot(tuple(), 1, &b) &= ~0xffffffffULL;
}

static void slot_ref_in_the_directory(void)
{
	struct cxlt_bucket *b;
	__u64 *s = slot(exact(), 1, &b);

	*s = (*s & ~0xffffffffULL) | 1;
}

static void slot_lost(void)
{
	struct cxlt_bucket *b;

	*slot(tuple(), 1, &b) = 0;
}

static void rule_seq_odd(void)
{
	rule(tuple())->seq++;
}

static void rule_of_another_tuple(void)
{
	rule(tuple())->tuple_id++;
}

static void rule_key(void)
{
	rule(tuple())->body[0] ^= 1;
}

static void rule_key_outside_its_mask(void)
{
	rule(tuple())->body[0] ^= 1ULL << 3;
}

static void rule_n_key(void)
{
	rule(tuple())->n_key++;
}

static void rule_n_prog(void)
{
	rule(tuple())->n_prog = 200;
}

static void rule_chain_order(void)
{
	struct cxlt_rule *e = head();

	e->prio = 0;
}

static void rule_chain_loop(void)
{
	struct cxlt_rule *e = head();

	((struct cxlt_rule *)at(e->next))->next = e->next;
}

static void rule_chain_lost(void)
{
	head()->next = 0;
}

static void rule_next_outside(void)
{
	rule(tuple())->next = 0xfffffff0;
}

static void rule_counters_shared(void)
{
	struct cxlt_rule *e = head();

	((struct cxlt_rule *)at(e->next))->counters = e->counters;
}

static void rule_counters_outside(void)
{
	rule(tuple())->counters = 0x7fffffff;
}

static void rule_never_visible(void)
{
	rule(tuple())->from = ~0ULL;
}

static void rule_ended(void)
{
	rule(tuple())->to = 0;
}

static void tuple_count(void)
{
	tuple()->count++;
}

static void tuple_slots(void)
{
	exact()->slots--;
}

static void tuple_words(void)
{
	tuple()->n_words = 25;
}

static void tuple_index(void)
{
	tuple()->idx[0] = 30;
}

static void tuple_geo_outside(void)
{
	tuple()->geo |= 0xffffffff;
}

static void tuple_geo_huge(void)
{
	tuple()->geo |= 63ULL << 32;
}

static void tuple_table(void)
{
	tuple()->table ^= 1;
}

static void tuple_flags(void)
{
	tuple()->flags ^= CXLT_TUPLE_HOST;
}

static void rules_counted_wrong(void)
{
	table(0)->n_rules--;
}

static void list_out_of_order(void)
{
	cr_assert_geq(CXLT_LIST_N(table(0)->list), 2);
	*item(0, 0) &= ~(0xffffULL << 32);
	*item(0, 1) |= 0xffffULL << 32;
}

static void list_item_too_low(void)
{
	/* All items at priority 0: in order, but searches stop too early. */
	for (__u32 i = 0; i < CXLT_LIST_N(table(0)->list); i++)
		*item(0, i) &= ~(0xffffULL << 32);
}

static void list_item_twice(void)
{
	*item(0, 1) = *item(0, 0);
}

static void list_item_flags(void)
{
	*item(0, 0) ^= (__u64)CXLT_TUPLE_SHADOW << 48;
}

static void list_ref_outside(void)
{
	table(0)->list |= 0xffffffff;
}

static void list_too_long(void)
{
	table(0)->list |= 0xffffULL << 32;
}

static struct cxlt_exact *entry(__u64 slot)
{
	return (struct cxlt_exact *)((char *)at(0) + (__u64)CXLT_SLOT_REF(slot) * CXLT_CELL);
}

static void exact_seq_odd(void)
{
	struct cxlt_bucket *b;

	entry(*slot(exact(), 1, &b))->seq++;
}

/* Another entry of the same bucket is given the first one's key, slot and all. */
static void exact_key_twice(void)
{
	struct cxlt_tuple *t = exact();
	struct cxlt_bucket *b;
	struct cxlt_exact *e;
	__u64 *a, *o;

	do {
		a = slot(t, 1, &b);
		o = &b->slot[rnd_below(&r, CXLT_BUCKET_SLOTS)];
	} while (!*o || o == a);
	e = entry(*o);
	e->body[0] = entry(*a)->body[0];
	*o = (*a & ~0xffffffffULL) | CXLT_SLOT_REF(*o);
}

static void exact_table_ref(void)
{
	((struct cxlt_exact_table *)at(cxlt_slice_directory(f.s)->exacts))->tuple += 1;
}

static void dimension_without_words(void)
{
	for (__u32 t = 0; t < 3; t++)
		for (int d = 1; d < CXLT_DIMS; d++)
			if (table(t)->dims >> d & 1) {
				table(t)->chg[d - 1] = 0;
				return;
			}
}

static void shadow_refs(void)
{
	for (__u32 i = 0; i < CXLT_LIST_N(table(0)->list); i++)
		if (CXLT_ITEM_FLAGS(*item(0, i)) & CXLT_TUPLE_SHADOW) {
			rule(at(CXLT_ITEM_REF(*item(0, i))))->flags += 1 << CXLT_RULE_REFS_SHIFT;
			return;
		}
	cr_assert_fail("no shadow");
}

static void shadow_missing(void)
{
	struct cxlt_bucket *b;

	for (__u32 i = 0; i < CXLT_LIST_N(table(0)->list); i++)
		if (CXLT_ITEM_FLAGS(*item(0, i)) & CXLT_TUPLE_HOST) {
			struct cxlt_tuple *t = at(CXLT_ITEM_REF(*item(0, i)));

			/* The rule now says that its shadow is elsewhere: unseen is not raised. */
			((struct cxlt_rule *)at(CXLT_SLOT_REF(*slot(t, 1, &b))))->flags |=
				CXLT_RULE_UNSEEN;
			return;
		}
	cr_assert_fail("no host-only rule");
}

static void chunk_kind(void)
{
	chunk(CXLT_KIND_COUNTERS)->kind = CXLT_KIND_RULE;
}

static void chunk_size(void)
{
	chunk(CXLT_KIND_RULE)->size = 1;
}

static void floor_above_version(void)
{
	((struct cxlt_control *)at(cxlt_slice_directory(f.s)->control))->floor = 1000;
}

static void header_changed(void)
{
	((struct cxlt_header *)at(0))->owner++;
}

#define P(fn) {#fn, fn}

static const struct {
	const char *name;
	void (*plant)(void);
} plants[] = {
	P(bit_leaked_rule),
	P(bit_leaked_counters),
	P(bit_cleared_rule),
	P(bit_cleared_tuple),
	P(bit_cleared_exact),
	P(bit_cleared_near),
	P(bit_leaked_near),
	P(near_span_free),
	P(near_mask),
	P(near_of_nothing),
	P(counter_low),
	P(counter_high),
	P(bucket_owned),
	P(change_pending_wide),
	P(change_pending_word),
	P(slot_twice),
	P(slot_elsewhere),
	P(slot_tag),
	P(slot_flag),
	P(slot_ref_outside),
	P(slot_ref_zero),
	P(slot_ref_in_the_directory),
	P(slot_lost),
	P(rule_seq_odd),
	P(rule_of_another_tuple),
	P(rule_key),
	P(rule_key_outside_its_mask),
	P(rule_n_key),
	P(rule_n_prog),
	P(rule_chain_order),
	P(rule_chain_loop),
	P(rule_chain_lost),
	P(rule_next_outside),
	P(rule_counters_shared),
	P(rule_counters_outside),
	P(rule_never_visible),
	P(rule_ended),
	P(tuple_count),
	P(tuple_slots),
	P(tuple_words),
	P(tuple_index),
	P(tuple_geo_outside),
	P(tuple_geo_huge),
	P(tuple_table),
	P(tuple_flags),
	P(rules_counted_wrong),
	P(list_out_of_order),
	P(list_item_too_low),
	P(list_item_twice),
	P(list_item_flags),
	P(list_ref_outside),
	P(list_too_long),
	P(exact_seq_odd),
	P(exact_key_twice),
	P(exact_table_ref),
	P(dimension_without_words),
	P(shadow_refs),
	P(shadow_missing),
	P(chunk_kind),
	P(chunk_size),

	P(floor_above_version),
	P(header_changed),
};

static void count_report(void *arg, const char *text)
{
	++*(int *)arg;
	cr_assert_gt(strlen(text), 5);
}

Test(check, finds_each_planted_inconsistency, .timeout = 60)
{
	static __u8 saved[1 << 20];
	size_t n = sizeof(plants) / sizeof(plants[0]);

	furnish("check/finds_each_planted_inconsistency");
	memcpy(saved, cxlt_slice_base(f.s), sizeof(saved));
	for (size_t i = 0; i < n * 8; i++) {
		int reported = 0, found;

		plants[i % n].plant();
		found = cxlt_slice_check(f.s, count_report, &reported);
		cr_expect_gt(found, 0, "%s: not found", plants[i % n].name);
		cr_expect_eq(found, reported, "%s", plants[i % n].name);
		cr_expect_eq(cxlt_slice_check(f.s, NULL, NULL), found);
		memcpy(cxlt_slice_base(f.s), saved, sizeof(saved));
		cr_assert_eq(oracle_check(f.s), 0);
	}
	fixture_close(&f);
}
