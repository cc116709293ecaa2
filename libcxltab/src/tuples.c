// SPDX-License-Identifier: Apache-2.0
/*
 * The tuples of an OpenFlow table: change words, the list that readers search, and the tuples
 * themselves.  A list is immutable; a change of it is a new list and one store of table.list.
 * A tuple's priority in the list says "may win"; it is raised before a rule is published and
 * not lowered while the tuple lives.
 */
#include <errno.h>
#include <string.h>

#include <cxltab/change.h>
#include <cxltab/filter.h>

#include "change_rule.h"

/* Change words */

static bool pins_addresses(const struct cxlt_key *v, const struct cxlt_key *m)
{
	if (CXLT_KEY_GET(v, ETH_TYPE) == 0x86dd)
		return !~(m->w[CXLT_W_IPV6_SRC_HI] & m->w[CXLT_W_IPV6_SRC_LO] &
			  m->w[CXLT_W_IPV6_DST_HI] & m->w[CXLT_W_IPV6_DST_LO]);
	return !~m->w[CXLT_W_IPV4];
}

/* The most specific dimension whose fields the match pins completely. */
static enum cxlt_dim dim_of(const struct cxlt_key *v, const struct cxlt_key *m)
{
	bool typed = CXLT_KEY_GET(m, ETH_TYPE) == 0xffff;
	bool v6 = CXLT_KEY_GET(v, ETH_TYPE) == 0x86dd;

	if (!~(m->w[CXLT_W_PORT] | 0xff) && m->w[CXLT_W_L4] >> CXLT_CONN_L4_SHIFT == 0xffffffff &&
	    pins_addresses(v, m))
		return CXLT_DIM_CONN;
	if (typed &&
	    (v6 ? !~m->w[CXLT_W_IPV6_DST_HI] : (CXLT_KEY_GET(m, IPV4_DST) >> 8) == 0xffffff))
		return CXLT_DIM_DST;
	if (typed &&
	    (v6 ? !~m->w[CXLT_W_IPV6_SRC_HI] : (CXLT_KEY_GET(m, IPV4_SRC) >> 8) == 0xffffff))
		return CXLT_DIM_SRC;
	if (CXLT_KEY_GET(m, ETH_DST) == CXLT_BITMASK(48))
		return CXLT_DIM_DMAC;
	return CXLT_DIM_WIDE;
}

void cxlt_chg_begin(__u64 *word)
{
	/* A full barrier: before everything that the change publishes.  Others may be in changes of
	 * the same word. */
	cxlt_fetch_add(word, CXLT_CHG_BEGIN);
}

void cxlt_chg_end(__u64 *word)
{
	/* Pairs with cxlt_chg_collect() and cxlt_chg_sum(). */
	cxlt_fetch_add(word, CXLT_CHG_END);
}

/*
 * Brings a dimension into use.  Readers that still go without it see `wide` move; if there is no
 * room for its words, the wide word serves, which is always right.
 */
static void chg_use_dim(struct change *c, __u32 dim)
{
	__u32 ref;

	if (c->t->dims >> dim & 1)
		return;
	ref = cxlt_alloc_lines(c->s, &c->w->alloc, CXLT_KIND_CHG, c->s->dir.chg_log2 - 3);
	if (!ref)
		return;
	cxlt_store32(&c->t->chg[dim - 1], ref);
	cxlt_chg_begin(&c->t->wide);
	cxlt_write_barrier();
	cxlt_store32(&c->t->dims, c->t->dims | 1U << dim);
	cxlt_chg_end(&c->t->wide);
}

bool cxlt_chg_ready(const struct change *c)
{
	__u32 dim = dim_of(c->value, c->mask);

	return dim == CXLT_DIM_WIDE || cxlt_load32(&c->t->dims) >> dim & 1;
}

static __u64 *word_of(const struct cxlt_slice *s, struct cxlt_table *t, __u32 dim,
		      const struct cxlt_key *value, const struct cxlt_key *mask)
{
	struct cxlt_key k;
	__u32 i, ref;

	if (dim == CXLT_DIM_WIDE || !(cxlt_load32(&t->dims) >> dim & 1))
		return &t->wide;
	ref = cxlt_load32(&t->chg[dim - 1]);
	if (!cxlt_line(&s->view, ref, 1U << (s->dir.chg_log2 - 3)))
		return &t->wide;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		k.w[i] = value->w[i] & mask->w[i];
	return (__u64 *)cxlt_at(s, ref) + cxlt_chg_index(s->view.secrets, &k, dim, s->dir.chg_log2);
}

__u64 *cxlt_chg_at(const struct cxlt_slice *s, __u32 table, const struct cxlt_key *value,
		   const struct cxlt_key *mask)
{
	return word_of(s, cxlt_table_at(s, table), dim_of(value, mask), value, mask);
}

__u64 *cxlt_chg_word(struct change *c)
{
	__u32 dim = dim_of(c->value, c->mask);

	if (dim != CXLT_DIM_WIDE)
		chg_use_dim(c, dim);
	return word_of(c->s, c->t, dim, c->value, c->mask);
}

/* The list of tuples */

static const __u64 *list_items(const struct cxlt_slice *s, const struct cxlt_table *t)
{
	return cxlt_at(s, CXLT_LIST_REF(t->list));
}

/*
 * A writer that meets what can't be, left by a hostile owner or a file that went bad, must not be led
 * outside the slice.  What exactly is wrong is `slice check`'s to say.
 */
static bool list_sound(const struct change *c)
{
	__u64 list = c->t->list;

	return !CXLT_LIST_N(list) ||
	       (CXLT_LIST_N(list) <= CXLT_TUPLES_MAX &&
		cxlt_line(&c->s->view, CXLT_LIST_REF(list),
			  (CXLT_LIST_N(list) + CXLT_LINE_WORDS - 1) / CXLT_LINE_WORDS));
}

static bool tuple_sound(const struct cxlt_slice *s, __u32 ref)
{
	const struct cxlt_tuple *t = cxlt_line(&s->view, ref, CXLT_TUPLE_LINES);

	return t && CXLT_GEO_LOG2(t->geo) < 27 && !t->sparse &&
	       cxlt_line(&s->view, CXLT_GEO_REF(t->geo), 1U << CXLT_GEO_LOG2(t->geo));
}

static __u32 list_alloc(struct change *c, const struct cxlt_list_image *im)
{
	return cxlt_alloc_lines(c->s, &c->w->alloc, CXLT_KIND_LIST,
				cxlt_list_log2(im->n, im->n_pairs));
}

/* Stores the list that `im` is and publishes it; then what is in gone[] is free.  -ENOSPC. */
static int list_replace(struct change *c, struct cxlt_list_image *im, __u32 *gone, __u32 n_gone)
{
	__u32 old = CXLT_LIST_REF(c->t->list), ref, i;
	__u64 gen = c->t->list >> 48;

	/* The last tuple needs no list to go; deleting never needs memory. */
	ref = im->n ? list_alloc(c, im) : 0;
	/* Better without a filter than not at all. */
	if (!ref && im->n_pairs) {
		n_gone += cxlt_filter_drop(c, im, gone + n_gone);
		ref = list_alloc(c, im);
	}
	if (!ref && im->n)
		return cxlt_no_room(c->s, "a list of tuples");
	/* Before the list says that 0 means "none". */
	cxlt_filter_joined(c, im);
	if (ref)
		cxlt_list_store(cxlt_at(c->s, ref), im);
	/* Pairs with the acquire of cxlt_classify(). */
	cxlt_store_release(&c->t->list, CXLT_LIST(ref, im->n, gen + 1));
	cxlt_filter_left(c, im);
	if (old)
		cxlt_free_lines(c->s, &c->w->alloc, old);
	for (i = 0; i < n_gone; i++)
		cxlt_free_lines(c->s, &c->w->alloc, gone[i]);
	return 0;
}

int cxlt_list_publish(struct change *c, int prio)
{
	__u32 gone[2 * CXLT_PAIRS_MAX], n_gone, n_before;
	struct cxlt_list_image im;
	__u64 uses;

	if (!cxlt_list_load(c->s, c->t->list, &im))
		return cxlt_fail(-EUCLEAN, "table %u's list of tuples is damaged", c->table);
	n_before = im.n;
	uses = cxlt_list_take(&im, c->tref);
	if (prio >= 0)
		cxlt_list_put(&im, CXLT_ITEM(c->tref, prio, c->tuple_flags), uses);
	n_gone = cxlt_filter_trim(&im, gone);
	cxlt_filter_join(c, &im, n_before);
	return list_replace(c, &im, gone, n_gone);
}

void cxlt_list_regrow(struct change *c)
{
	__u32 gone[2 * CXLT_PAIRS_MAX], n_gone;
	struct cxlt_list_image im = {.n = 0};

	if (!cxlt_list_load(c->s, c->t->list, &im))
		return;
	n_gone = cxlt_filter_grow(c, &im, gone);
	/* Without room for them the old ones serve: they rule out less. */
	if (n_gone)
		list_replace(c, &im, gone, n_gone);
}

int cxlt_list_prio(const struct change *c)
{
	const __u64 *items = list_items(c->s, c->t);
	__u32 i;

	for (i = 0; i < CXLT_LIST_N(c->t->list); i++)
		if (CXLT_ITEM_REF(items[i]) == c->tref)
			return (int)CXLT_ITEM_PRIO(items[i]);
	return -1;
}

/* Tuples */

static bool tuple_is(const struct cxlt_tuple *t, const struct change *c)
{
	__u32 i;

	if (t->n_words != c->n_words || t->table != c->table || t->flags != c->tuple_flags)
		return false;
	for (i = 0; i < c->n_words; i++)
		if (t->idx[i] != c->idx[i] || t->mask[i] != c->mask->w[c->idx[i]])
			return false;
	return true;
}

static __u64 mask_hash(const struct change *c)
{
	__u64 h = c->table << 8 | c->tuple_flags;
	__u32 i;

	for (i = 0; i < c->n_words; i++)
		h = (h ^ c->mask->w[c->idx[i]] ^ c->idx[i]) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* Finds the tuple of c's mask; false if the table has none. */
bool cxlt_tuple_lookup(struct change *c)
{
	__u64 h = mask_hash(c);
	const __u64 *items = list_items(c->s, c->t);
	__u32 i, slot = (__u32)(h >> 32) & 255;

	c->tuple = NULL;
	if (!list_sound(c))
		return false;

	/* The cache lives as long as nobody else writes; destroyed tuples leave it at once. */
	if (c->w->tuple_cache[slot].hash == h && c->w->tuple_cache[slot].ref) {
		c->tref = c->w->tuple_cache[slot].ref;
		c->tuple = cxlt_at(c->s, c->tref);
		if (c->tuple->id == c->w->tuple_cache[slot].id && tuple_is(c->tuple, c) &&
		    tuple_sound(c->s, c->tref))
			return true;
	}
	for (i = 0; i < CXLT_LIST_N(c->t->list); i++) {
		struct cxlt_tuple *t = cxlt_at(c->s, CXLT_ITEM_REF(items[i]));

		if (!tuple_sound(c->s, CXLT_ITEM_REF(items[i])) || !tuple_is(t, c))
			continue;
		c->tref = CXLT_ITEM_REF(items[i]);
		c->tuple = t;
		c->w->tuple_cache[slot].hash = h;
		c->w->tuple_cache[slot].ref = c->tref;
		c->w->tuple_cache[slot].id = t->id;
		return true;
	}
	c->tuple = NULL;
	return false;
}

int cxlt_tuple_create(struct change *c)
{
	struct cxlt_control *ctl = cxlt_control(c->s);
	union cxlt_tuple_image image = {.w = {0}};
	struct cxlt_tuple *t = &image.t;
	__u32 i, ref;
	int rc;

	if (CXLT_LIST_N(c->t->list) >= c->s->dir.max_tuples)
		return cxlt_fail(-ENOSPC, "table %u has %u different masks, its whole budget%s",
				 c->table, c->s->dir.max_tuples,
				 c->s->dir.max_tuples < CXLT_TUPLES_MAX
					 ? "; create the slice with a larger --tuples"
					 : "");
	ref = cxlt_alloc_object(c->s, &c->w->alloc, CXLT_KIND_TUPLE, CXLT_TUPLE_LINES,
				CXLT_PLACE_DEVICE);
	if (!ref)
		return cxlt_no_room(c->s, "a tuple");
	t->secret = cxlt_random(&c->w->rng);
	t->id = (__u32)ctl->next_tuple;
	cxlt_store(&ctl->next_tuple, ctl->next_tuple + 1);
	t->n_words = (__u8)c->n_words;
	t->kind = CXLT_KIND_RULE;
	t->table = (__u8)c->table;
	t->flags = (__u8)c->tuple_flags;
	for (i = 0; i < c->n_words; i++) {
		t->idx[i] = c->idx[i];
		t->mask[i] = c->mask->w[c->idx[i]];
	}
	t = cxlt_at(c->s, ref);
	cxlt_tuple_store(t, &image);
	rc = cxlt_tuple_resize(c->w, t, 1);
	if (rc) {
		cxlt_free_object(c->s, &c->w->alloc, ref);
		return cxlt_no_room(c->s, "a tuple's buckets");
	}
	c->tref = ref;
	c->tuple = t;
	return 0;
}

void cxlt_tuple_discard(struct change *c)
{
	cxlt_free_lines(c->s, &c->w->alloc, CXLT_GEO_REF(c->tuple->geo));
	cxlt_free_object(c->s, &c->w->alloc, c->tref);
	memset(c->w->tuple_cache, 0, sizeof(c->w->tuple_cache));
}

void cxlt_tuple_destroy(struct change *c)
{
	/* An empty tuple may stay: it costs a probe and is never wrong. */
	if (!cxlt_list_publish(c, -1))
		cxlt_tuple_discard(c);
}

void cxlt_tuples_sweep(struct change *c)
{
	__u32 i = 0;

	while (list_sound(c) && i < CXLT_LIST_N(c->t->list)) {
		__u64 list = c->t->list, item = list_items(c->s, c->t)[i++];

		c->tref = CXLT_ITEM_REF(item);
		c->tuple = cxlt_at(c->s, c->tref);
		if (!tuple_sound(c->s, c->tref) || cxlt_load(&c->tuple->count))
			continue;
		cxlt_tuple_destroy(c);
		if (c->t->list != list)
			i--; /* the next one is there now */
	}
}
