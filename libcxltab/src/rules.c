// SPDX-License-Identifier: Apache-2.0
/*
 * Rules of OpenFlow tables: the writer's side of classify.h.
 *
 * Rules with the same masked key differ in priority and hang behind one slot, in descending order.
 * Entries are immutable but for `next` (and `to`, for bundles), so one store makes a change
 * visible: of the slot, or of the predecessor's `next`.  Each change lies between begin and end of
 * the change word of the rule's most specific dimension.
 *
 * A rule that matches on what the hardware can't parse goes to a tuple that the device skips, and
 * a shadow, its match widened to what the device knows and the action punt, goes to a tuple that
 * the host skips.  The shadow comes before the rule and leaves after it.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include <cxltab/change.h>

#include "internal.h"

/* Free-lines messages name the pool and what makes it larger. */
#define NO_ROOM                                                            \
	"no room for %s: all %u KiB of the slice's %s domain are in use; " \
	"create it with a larger --%s"

static __u64 now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (__u64)ts.tv_sec * 1000000000ULL + (__u64)ts.tv_nsec;
}

static int no_room(const struct cxlt_slice *s, const char *what)
{
	bool split = s->header.dev_lines < s->header.n_lines;

	return cxlt_fail(-ENOSPC, NO_ROOM, what, s->header.dev_lines / 16,
			 split ? "device" : "only", split ? "device-size" : "size");
}

static struct cxlt_table *table_at(const struct cxlt_slice *s, __u32 table)
{
	return cxlt_at(s, s->dir.tables + table * 2);
}

/* What the stores of one change need to know. */
struct change {
	struct cxlt_writer *w;
	struct cxlt_slice *s;
	struct cxlt_table *t;
	__u32 table;
	__u32 tuple_flags;
	const struct cxlt_key *value;
	struct cxlt_key mask;
	__u16 prio;
	__u32 n_words;
	__u8 idx[CXLT_KEY_WORDS];
	__u64 body[CXLT_KEY_WORDS]; /* masked key words */
	__u32 tref;
	struct cxlt_tuple *tuple;
	__u64 hash;
	__u64 *chg;
};

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

static void chg_begin(__u64 *word)
{
	cxlt_store_release(word, *word + CXLT_CHG_BEGIN);
	/* Before everything that the change publishes; those stores are releases. */
}

static void chg_end(__u64 *word)
{
	/* Pairs with cxlt_chg_collect() and cxlt_chg_sum(). */
	cxlt_store_release(word, *word + CXLT_CHG_END);
}

/*
 * Brings a dimension into use.  Readers that still go without it see `wide` move; if there is no
 * room for its words, the wide word serves, which is always right.
 */
static bool chg_use_dim(struct change *c, __u32 dim)
{
	__u32 ref;

	if (c->t->dims >> dim & 1)
		return true;
	ref = cxlt_alloc_lines(c->s, &c->w->alloc, CXLT_KIND_CHG, c->s->dir.chg_log2 - 3);
	if (!ref)
		return false;
	cxlt_store32(&c->t->chg[dim - 1], ref);
	chg_begin(&c->t->wide);
	cxlt_write_barrier();
	cxlt_store32(&c->t->dims, c->t->dims | 1U << dim);
	chg_end(&c->t->wide);
	return true;
}

static __u64 *chg_word(struct change *c)
{
	struct cxlt_key k = {0};
	__u32 dim = dim_of(c->value, &c->mask), i;

	if (dim == CXLT_DIM_WIDE || !chg_use_dim(c, dim))
		return &c->t->wide;
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		k.w[i] = c->value->w[i] & c->mask.w[i];
	return (__u64 *)cxlt_at(c->s, c->t->chg[dim - 1]) +
	       cxlt_chg_index(c->s->view.secrets, &k, dim, c->s->dir.chg_log2);
}

/* The list of tuples */

static const __u64 *list_items(const struct cxlt_slice *s, const struct cxlt_table *t)
{
	return cxlt_at(s, CXLT_LIST_REF(t->list));
}

/* A new list without `tref`, then with it at priority `prio` unless `prio` is negative. */
static int list_publish(struct change *c, __u32 tref, int prio, __u32 flags)
{
	__u32 n = CXLT_LIST_N(c->t->list), old = CXLT_LIST_REF(c->t->list), i, k = 0, log2 = 0, ref;
	const __u64 *items = n ? list_items(c->s, c->t) : NULL;
	__u64 *fresh, gen = c->t->list >> 48;
	bool placed = prio < 0;

	while (8U << log2 < n + 1)
		log2++;
	ref = cxlt_alloc_lines(c->s, &c->w->alloc, CXLT_KIND_LIST, log2);
	if (!ref)
		return no_room(c->s, "a list of tuples");
	fresh = cxlt_at(c->s, ref);
	for (i = 0; i < n; i++) {
		if (CXLT_ITEM_REF(items[i]) == tref)
			continue;
		if (!placed && (int)CXLT_ITEM_PRIO(items[i]) < prio) {
			cxlt_store(&fresh[k++], CXLT_ITEM(tref, prio, flags));
			placed = true;
		}
		cxlt_store(&fresh[k++], items[i]);
	}
	if (!placed)
		cxlt_store(&fresh[k++], CXLT_ITEM(tref, prio, flags));
	/* Pairs with the acquire of cxlt_classify(). */
	cxlt_store_release(&c->t->list, CXLT_LIST(ref, k, gen + 1));
	if (old)
		cxlt_free_lines(c->s, &c->w->alloc, old);
	return 0;
}

static int list_prio(const struct change *c)
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
		if (t->idx[i] != c->idx[i] || t->mask[i] != c->mask.w[c->idx[i]])
			return false;
	return true;
}

static __u64 mask_hash(const struct change *c)
{
	__u64 h = c->table << 8 | c->tuple_flags;
	__u32 i;

	for (i = 0; i < c->n_words; i++)
		h = (h ^ c->mask.w[c->idx[i]] ^ c->idx[i]) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* Finds the tuple of c's mask; false if the table has none. */
static bool tuple_find(struct change *c)
{
	__u64 h = mask_hash(c);
	const __u64 *items = list_items(c->s, c->t);
	__u32 i, slot = (__u32)(h >> 32) & 255;

	/* The cache lives as long as nobody else writes; destroyed tuples leave it at once. */
	if (c->w->tuple_cache[slot].hash == h && c->w->tuple_cache[slot].ref) {
		c->tref = c->w->tuple_cache[slot].ref;
		c->tuple = cxlt_at(c->s, c->tref);
		if (c->tuple->id == c->w->tuple_cache[slot].id && tuple_is(c->tuple, c))
			return true;
	}
	for (i = 0; i < CXLT_LIST_N(c->t->list); i++) {
		struct cxlt_tuple *t = cxlt_at(c->s, CXLT_ITEM_REF(items[i]));

		if (!tuple_is(t, c))
			continue;
		c->tref = CXLT_ITEM_REF(items[i]);
		c->tuple = t;
		c->w->tuple_cache[slot].hash = h;
		c->w->tuple_cache[slot].ref = c->tref;
		c->w->tuple_cache[slot].id = t->id;
		return true;
	}
	return false;
}

/* A tuple that no list names yet. */
static int tuple_create(struct change *c)
{
	struct cxlt_control *ctl = cxlt_control(c->s);
	struct cxlt_tuple *t;
	__u32 i, ref;
	int rc;

	if (CXLT_LIST_N(c->t->list) >= c->s->dir.max_tuples)
		return cxlt_fail(-ENOSPC,
				 "table %u has %u different masks, its whole budget; create "
				 "the slice with a larger --tuples",
				 c->table, c->s->dir.max_tuples);
	ref = cxlt_alloc_object(c->s, &c->w->alloc, CXLT_KIND_TUPLE, CXLT_TUPLE_LINES,
				CXLT_PLACE_DEVICE);
	if (!ref)
		return no_room(c->s, "a tuple");
	t = cxlt_at(c->s, ref);
	memset(t, 0, CXLT_TUPLE_LINES * CXLT_LINE);
	t->secret = cxlt_random(&c->w->rng);
	t->id = (__u32)ctl->next_tuple;
	cxlt_store(&ctl->next_tuple, ctl->next_tuple + 1);
	t->n_words = (__u8)c->n_words;
	t->kind = CXLT_KIND_RULE;
	t->table = (__u8)c->table;
	t->flags = (__u8)c->tuple_flags;
	for (i = 0; i < c->n_words; i++) {
		t->idx[i] = c->idx[i];
		t->mask[i] = c->mask.w[c->idx[i]];
	}
	rc = cxlt_tuple_resize(c->s, &c->w->alloc, t, 1);
	if (rc) {
		cxlt_free_object(c->s, &c->w->alloc, ref);
		return no_room(c->s, "a tuple's buckets");
	}
	c->tref = ref;
	c->tuple = t;
	return 0;
}

static void tuple_destroy(struct change *c)
{
	if (list_publish(c, c->tref, -1, 0))
		return; /* an empty tuple may stay: it costs a probe and is never wrong */
	cxlt_free_lines(c->s, &c->w->alloc, CXLT_GEO_REF(c->tuple->geo));
	cxlt_free_object(c->s, &c->w->alloc, c->tref);
	memset(c->w->tuple_cache, 0, sizeof(c->w->tuple_cache));
}

/* Entries */

static __u32 rule_lines(__u32 n_key, __u32 n_prog)
{
	return (__u32)(sizeof(struct cxlt_rule) + (n_key + n_prog) * 8 + CXLT_LINE - 1) / CXLT_LINE;
}

static __u32 rule_alloc(struct change *c, __u32 n_prog)
{
	int place = c->tuple_flags & CXLT_TUPLE_HOST ? CXLT_PLACE_HOST
		    : c->tuple_flags		     ? CXLT_PLACE_DEVICE
						     : CXLT_PLACE_ANY;

	return cxlt_alloc_object(c->s, &c->w->alloc, CXLT_KIND_RULE, rule_lines(c->n_words, n_prog),
				 place);
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

struct content {
	__u64 cookie;
	__u64 created;
	__u32 counters;
	__u32 flags;
	__u32 n_prog;
	const __u64 *prog;
};

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

struct chain {
	bool exists;
	struct cxlt_place_of place;
	__u32 n;
	__u32 ref[CXLT_CHAIN_MAX];
	__u32 at; /* index of the rule with c->prio, or where it would go */
	bool found;
};

static void chain_read(const struct change *c, struct chain *ch)
{
	__u32 ref;

	memset(ch, 0, sizeof(*ch));
	ch->exists = cxlt_hash_locate(c->s, c->tuple, c->hash, c->body, &ch->place);
	if (!ch->exists)
		return;
	ref = CXLT_SLOT_REF(ch->place.bucket->slot[ch->place.slot]);
	while (ref && ch->n < CXLT_CHAIN_MAX) {
		const struct cxlt_rule *e = cxlt_at(c->s, ref);

		if (e->prio > c->prio)
			ch->at = ch->n + 1;
		ch->found |= e->prio == c->prio;
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
	return rc ? no_room(c->s, "a tuple's buckets") : 0;
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
		mine = rule_alloc(c, x->n_prog);
		if (!mine)
			return no_room(c->s, "an entry");
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

static void change_init(struct change *c, struct cxlt_writer *w, const struct cxlt_rule_spec *spec,
			const struct cxlt_key *mask, __u32 tuple_flags)
{
	__u32 i;

	memset(c, 0, sizeof(*c));
	c->w = w;
	c->s = w->slice;
	c->table = spec->table;
	c->t = table_at(c->s, spec->table);
	c->tuple_flags = tuple_flags;
	c->value = &spec->value;
	c->mask = *mask;
	c->prio = spec->priority;
	for (i = 0; i < CXLT_KEY_WORDS; i++) {
		if (!mask->w[i])
			continue;
		c->body[c->n_words] = spec->value.w[i] & mask->w[i];
		c->idx[c->n_words++] = (__u8)i;
	}
}

/* Stores the entry; the tuple is made and listed as needed.  1 if it replaced one. */
static int change_put(struct change *c, const struct content *x, bool *replaced)
{
	bool fresh = !tuple_find(c);
	struct chain ch;
	int rc = fresh ? tuple_create(c) : 0;

	if (rc)
		return rc;
	c->hash = cxlt_hash_body(c->s, c->tuple, c->body);
	chain_read(c, &ch);
	c->chg = chg_word(c);
	chg_begin(c->chg);
	/* The list says "may win" before the rule can: raised first, never lowered. */
	if (fresh || list_prio(c) < c->prio)
		rc = list_publish(c, c->tref, c->prio, c->tuple_flags);
	if (!rc) {
		rc = chain_put(c, &ch, x);
		if (!rc && !ch.found)
			cxlt_store(&c->tuple->count, c->tuple->count + 1);
		if (rc && !c->tuple->count)
			tuple_destroy(c);
	} else if (fresh) {
		cxlt_free_lines(c->s, &c->w->alloc, CXLT_GEO_REF(c->tuple->geo));
		cxlt_free_object(c->s, &c->w->alloc, c->tref);
	}
	chg_end(c->chg);
	*replaced = ch.found;
	return rc;
}

static int change_remove(struct change *c, struct chain *ch)
{
	int rc;

	c->chg = chg_word(c);
	chg_begin(c->chg);
	rc = chain_put(c, ch, NULL);
	if (!rc) {
		cxlt_store(&c->tuple->count, c->tuple->count - 1);
		if (!c->tuple->count)
			tuple_destroy(c);
	}
	chg_end(c->chg);
	return rc;
}

/* Finds the rule that c names; -ENOENT. */
static int change_find(struct change *c, struct chain *ch)
{
	if (!tuple_find(c))
		return -ENOENT;
	c->hash = cxlt_hash_body(c->s, c->tuple, c->body);
	chain_read(c, ch);
	return ch->found ? 0 : -ENOENT;
}

/* Shadows */

void cxlt_unseen_raise(struct cxlt_slice *s, __u32 table, __u16 prio)
{
	struct cxlt_table *t = table_at(s, table);

	if (t->unseen >= prio + 1U)
		return;
	chg_begin(&t->wide);
	cxlt_write_barrier();
	cxlt_store32(&t->unseen, prio + 1U);
	chg_end(&t->wide);
}

static void shadow_init(struct change *sh, struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	struct cxlt_key mask = spec->mask;
	__u32 i;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		mask.w[i] &= w->dev_mask.w[i];
	change_init(sh, w, spec, &mask, CXLT_TUPLE_SHADOW);
}

/* One more rule behind the shadow of spec's match; false if only `unseen` could speak for it. */
static bool shadow_add(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	static const __u64 punt[1] = {(__u64)CXLT_OP_PUNT << 56};
	struct content x = {.n_prog = 1, .prog = punt, .flags = 1U << CXLT_RULE_REFS_SHIFT};
	struct change sh;
	struct chain ch;
	bool replaced;

	shadow_init(&sh, w, spec);
	if (!change_find(&sh, &ch))
		x.flags += ((struct cxlt_rule *)cxlt_at(sh.s, ch.ref[ch.at]))->flags;
	if (!change_put(&sh, &x, &replaced))
		return true;
	cxlt_unseen_raise(sh.s, sh.table, sh.prio);
	return false;
}

static void shadow_remove(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	static const __u64 punt[1] = {(__u64)CXLT_OP_PUNT << 56};
	struct content x = {.n_prog = 1, .prog = punt};
	struct change sh;
	struct chain ch;
	bool replaced;

	shadow_init(&sh, w, spec);
	if (change_find(&sh, &ch))
		return;
	x.flags = ((struct cxlt_rule *)cxlt_at(sh.s, ch.ref[ch.at]))->flags -
		  (1U << CXLT_RULE_REFS_SHIFT);
	/* If there is no room for the copy, the shadow stays and costs a punt. */
	if (x.flags >> CXLT_RULE_REFS_SHIFT)
		change_put(&sh, &x, &replaced);
	else
		change_remove(&sh, &ch);
}

static void spec_of(struct cxlt_rule_spec *spec, const struct cxlt_tuple *t,
		    const struct cxlt_rule *e)
{
	__u32 i;

	memset(spec, 0, sizeof(*spec));
	spec->table = t->table;
	spec->priority = e->prio;
	for (i = 0; i < t->n_words; i++) {
		spec->mask.w[t->idx[i]] = t->mask[i];
		spec->value.w[t->idx[i]] = e->body[i];
	}
}

__u32 cxlt_shadow_of(struct cxlt_writer *w, const struct cxlt_tuple *t, const struct cxlt_rule *e)
{
	struct cxlt_rule_spec spec;
	struct change sh;
	struct chain ch;

	spec_of(&spec, t, e);
	shadow_init(&sh, w, &spec);
	return change_find(&sh, &ch) ? 0 : ch.ref[ch.at];
}

void cxlt_shadow_drop(struct cxlt_writer *w, const struct cxlt_tuple *t, const struct cxlt_rule *e)
{
	struct cxlt_rule_spec spec;
	struct change sh;
	struct chain ch;

	spec_of(&spec, t, e);
	shadow_init(&sh, w, &spec);
	if (!change_find(&sh, &ch))
		change_remove(&sh, &ch);
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
	__u32 flags = flags_of(w, spec), old = 0, where;
	struct content x = {.cookie = spec->cookie, .n_prog = spec->n_prog, .prog = spec->prog};
	struct change c;
	struct chain ch;
	bool had, replaced = false;
	int rc;

	change_init(&c, w, spec, &spec->mask, flags);
	had = !change_find(&c, &ch);
	if (had) {
		const struct cxlt_rule *e = cxlt_at(c.s, ch.ref[ch.at]);

		old = e->counters;
		x.flags = e->flags;
	} else if (flags && !shadow_add(w, spec)) {
		x.flags = CXLT_RULE_UNSEEN;
	}
	where = flags ? c.s->header.dev_lines : 0;
	x.created = now_ns();
	x.counters = counters_alloc(&c, where);
	if (!x.counters)
		x.counters = counters_alloc(&c, c.s->header.dev_lines);
	rc = x.counters ? change_put(&c, &x, &replaced) : no_room(c.s, "counters");
	if (rc) {
		free_counters(&c, x.counters);
		if (!had && flags && !(x.flags & CXLT_RULE_UNSEEN))
			shadow_remove(w, spec);
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

static int modify_locked(struct cxlt_writer *w, const struct cxlt_rule_spec *spec)
{
	struct content x = {.cookie = spec->cookie, .n_prog = spec->n_prog, .prog = spec->prog};
	const struct cxlt_rule *e;
	struct change c;
	struct chain ch;
	bool replaced;

	change_init(&c, w, spec, &spec->mask, flags_of(w, spec));
	if (change_find(&c, &ch))
		return cxlt_fail(-ENOENT, "no such rule in table %u", spec->table);
	e = cxlt_at(c.s, ch.ref[ch.at]);
	x.created = e->created;
	x.counters = e->counters;
	x.flags = e->flags;
	return change_put(&c, &x, &replaced);
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

	change_init(&c, w, spec, &spec->mask, flags);
	if (change_find(&c, &ch))
		return cxlt_fail(-ENOENT, "no such rule in table %u", spec->table);
	e = cxlt_at(c.s, ch.ref[ch.at]);
	counters = e->counters;
	rule_flags = e->flags;
	rc = change_remove(&c, &ch);
	if (rc)
		return rc;
	free_counters(&c, counters);
	cxlt_store(&c.t->n_rules, c.t->n_rules - 1);
	if (flags && !(rule_flags & CXLT_RULE_UNSEEN))
		shadow_remove(w, spec);
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
	return table < s->dir.n_tables ? cxlt_load(&table_at(s, table)->n_rules) : 0;
}

__u32 cxlt_table_tuples(const struct cxlt_slice *s, __u32 table)
{
	return table < s->dir.n_tables ? CXLT_LIST_N(cxlt_load(&table_at(s, table)->list)) : 0;
}
