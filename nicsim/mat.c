// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <cxltab/change.h>
#include <cxltab/hash.h>
#include <cxltab/reason.h>

#include "mat.h"
#include "simd.h"

#define HUGE_PAGE (2UL << 20)

/* Huge pages if there are any: thousands of entries are more pages than a TLB has places for. */
static void *alloc_table(size_t bytes, size_t *got)
{
	void *p;

	*got = (bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	if (bytes < HUGE_PAGE / 2)
		*got = (bytes + 4095) & ~4095UL;
	p = aligned_alloc(bytes < HUGE_PAGE / 2 ? 4096 : HUGE_PAGE, *got);
	if (!p)
		return NULL;
	madvise(p, *got, MADV_HUGEPAGE);
	memset(p, 0, *got);
	return p;
}

static void clear_sets(struct cxlt_mat *m)
{
	__u32 s, w;

	memset(m->set, 0, m->set_bytes);
	/* Ranks of LRU are a permutation from the start. */
	for (s = 0; s <= m->mask; s++)
		for (w = 0; w < m->ways; w++)
			m->set[s].use[w] = m->config.policy == CXLT_MAT_LRU ? w : 0;
}

struct cxlt_mat *cxlt_mat_create(const struct cxlt_mat_config *c)
{
	struct cxlt_mat *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->config = *c;
	m->ways = c->entries ? c->ways : 1;
	m->mask = c->entries ? c->entries / c->ways - 1 : 0;
	m->rules = cxlt_mat_rules_of(c->policy);
	m->set = alloc_table((m->mask + 1UL) * sizeof(*m->set), &m->set_bytes);
	m->entry = alloc_table((m->mask + 1UL) * m->ways * sizeof(*m->entry), &m->entry_bytes);
	if (!m->set || !m->entry || !m->rules ||
	    getrandom(m->secret, sizeof(m->secret), 0) != sizeof(m->secret)) {
		cxlt_mat_destroy(m);
		return NULL;
	}
	m->rng = m->secret[0] | 1;
	clear_sets(m);
	return m;
}

void cxlt_mat_destroy(struct cxlt_mat *m)
{
	if (!m)
		return;
	free(m->set);
	free(m->entry);
	free(m);
}

void cxlt_mat_clear(struct cxlt_mat *m)
{
	clear_sets(m);
}

void cxlt_mat_hash(const struct cxlt_mat *m, __u32 slice, const struct cxlt_key *k,
		   struct cxlt_mat_probe *p)
{
	p->slice = slice;
	p->victim = CXLT_MAT_WAYS_MAX; /* not chosen */
	p->n_key = cxlt_simd_zero(k->w + CXLT_MAT_SHORT) ? CXLT_MAT_SHORT : CXLT_KEY_WORDS;
	p->hash = cxlt_hash_finish(cxlt_nh(slice, m->secret[CXLT_KEY_WORDS]) +
				   cxlt_simd_nh(k->w, m->secret));
}

static __u16 tag_of(__u64 hash)
{
	return (__u16)(hash >> 48) | 1;
}

/* Bit per way whose tag fits. */
static inline __u32 matches(const struct cxlt_mat *m, const struct cxlt_mat_set *s, __u16 tag)
{
	return cxlt_simd_find16(s->tag, tag) & ((1U << m->ways) - 1);
}

static struct cxlt_mat_entry *entry_at(const struct cxlt_mat *m, const struct cxlt_mat_set *s,
				       __u32 way)
{
	return &m->entry[(__u32)(s - m->set) * m->ways + way];
}

static __u32 choose_way(struct cxlt_mat *m, struct cxlt_mat_set *s)
{
	__u32 empty = matches(m, s, 0);

	return empty ? (__u32)__builtin_ctz(empty) : m->rules->victim(m, s);
}

static void fetch_way(const struct cxlt_mat *m, const struct cxlt_mat_set *s, __u32 way)
{
	const char *e = (const char *)entry_at(m, s, way);

	__builtin_prefetch(e, 1);
	__builtin_prefetch(e + 64, 1);
}

int cxlt_mat_maybe(const struct cxlt_mat *m, const struct cxlt_mat_probe *p)
{
	const struct cxlt_mat_set *s = cxlt_mat_set_of(m, p->hash);
	__u32 fit = matches(m, s, tag_of(p->hash));

	if (fit)
		fetch_way(m, s, __builtin_ctz(fit));
	return fit != 0;
}

void cxlt_mat_choose(struct cxlt_mat *m, struct cxlt_mat_probe *p)
{
	struct cxlt_mat_set *s = cxlt_mat_set_of(m, p->hash);

	p->victim = choose_way(m, s);
	fetch_way(m, s, p->victim);
}

/* The words' sum, now.  Partner of each load: the writer's begin, before it publishes. */
static __u64 sum_now(const struct cxlt_view *v, const struct cxlt_mat_entry *e)
{
	__u64 sum = 0;
	__u32 i;

	for (i = 0; i < e->n_chg; i++)
		sum += cxlt_load_acquire(cxlt_word(v, e->chg[i]));
	return sum;
}

static void drop(struct cxlt_mat_set *s, __u32 way)
{
	s->tag[way] = 0;
	s->pinned &= ~(1U << way);
}

static int same_key(const struct cxlt_mat_entry *e, const struct cxlt_mat_probe *p,
		    const struct cxlt_key *key)
{
	__u64 diff = 0;
	__u32 i;

	if (e->slice != p->slice || e->n_key != p->n_key)
		return 0;
	if (p->n_key != CXLT_MAT_SHORT)
		return cxlt_simd_equal(e->body, key->w);
	for (i = 0; i < CXLT_MAT_SHORT; i++)
		diff |= e->body[i] ^ key->w[i];
	return !diff;
}

/* The way that holds this key, or -1. */
static int find(const struct cxlt_mat *m, const struct cxlt_mat_set *s,
		const struct cxlt_mat_probe *p, const struct cxlt_key *key)
{
	__u32 fit = matches(m, s, tag_of(p->hash));

	for (; fit; fit &= fit - 1) {
		__u32 way = __builtin_ctz(fit);

		if (same_key(entry_at(m, s, way), p, key))
			return way;
	}
	return -1;
}

const struct cxlt_mat_entry *cxlt_mat_lookup(struct cxlt_mat *m, const struct cxlt_view *v,
					     const struct cxlt_mat_probe *p,
					     const struct cxlt_key *key)
{
	struct cxlt_mat_set *s = cxlt_mat_set_of(m, p->hash);
	const struct cxlt_mat_entry *e;
	int way;

	m->lookups++;
	way = find(m, s, p, key);
	if (way < 0)
		return NULL;
	e = entry_at(m, s, way);
	if (cxlt_unlikely(sum_now(v, e) != e->sum)) {
		m->stale++;
		drop(s, way);
		return NULL;
	}
	m->rules->touch(m, s, way);
	m->hits++;
	return e;
}

void cxlt_mat_load(const struct cxlt_mat_entry *e, struct cxlt_result *res)
{
	__u32 i;

	memcpy(res, &e->head, sizeof(e->head));
	res->cookie = e->body[e->n_key];
	for (i = 0; i < e->head.n_hits; i++)
		res->hits[i] = cxlt_mat_hits(e)[i];
	for (i = 0; i < e->head.n_ops; i++)
		res->ops[i] = cxlt_mat_ops(e)[i];
}

/* Verdicts that the change words answer for. */
static int lasting(__u32 reason)
{
	switch (reason) {
	case CXLT_R_RULE:
	case CXLT_R_RULE_DROP:
	case CXLT_R_TABLE_MISS:
	case CXLT_R_TTL_EXPIRED:
	case CXLT_R_ONLY_IN_PORT:
	case CXLT_R_DEV_MISS:
	case CXLT_R_DEV_ACTION:
	case CXLT_R_DEV_FIELD:
	case CXLT_R_DEV_UNSEEN: return 1;
	}
	return 0;
}

static int may_keep(const struct cxlt_mat *m, const struct cxlt_view *v,
		    const struct cxlt_mat_probe *p, const struct cxlt_work *w)
{
	const struct cxlt_control *c = cxlt_line(v, v->control, 4);

	if (!m->config.entries || w->chg.pending || w->res.flags & CXLT_RES_VOLATILE)
		return 0;
	if (w->chg.n > CXLT_MAT_CHGS || !lasting(w->res.reason) ||
	    p->n_key + 1 + w->res.n_ops + (w->res.n_hits + 1) / 2 > CXLT_MAT_BODY)
		return 0;
	/* After the sum's loads; pairs with the commit, which precedes the end (see mat.h). */
	return c && cxlt_load_acquire(&c->version) == w->version;
}

static void store(struct cxlt_mat_entry *e, const struct cxlt_mat_probe *p,
		  const struct cxlt_work *w)
{
	const struct cxlt_result *r = &w->res;
	__u64 *body = e->body;
	__u32 i;

	e->sum = w->chg.sum;
	e->slice = p->slice;
	e->n_key = p->n_key;
	e->n_chg = w->chg.n;
	memcpy(&e->head, r, sizeof(e->head));
	for (i = 0; i < w->chg.n; i++)
		e->chg[i] = w->chg.at[i];
	for (i = 0; i < CXLT_MAT_SHORT; i++)
		body[i] = w->orig.w[i];
	for (; i < p->n_key; i++)
		body[i] = w->orig.w[i];
	body += i;
	*body++ = r->cookie;
	for (i = 0; i < r->n_ops; i++)
		*body++ = r->ops[i];
	for (i = 0; i < r->n_hits; i++)
		((__u32 *)body)[i] = r->hits[i];
}

int cxlt_mat_fill(struct cxlt_mat *m, const struct cxlt_view *v, const struct cxlt_mat_probe *p,
		  const struct cxlt_work *w)
{
	struct cxlt_mat_set *s = cxlt_mat_set_of(m, p->hash);
	int pin = m->config.pin_mask && w->res.matched &&
		  (w->res.cookie & m->config.pin_mask) == m->config.pin_cookie;
	int way;

	if (!may_keep(m, v, p, w))
		return 0;
	/* A packet of the same batch may have filled it since this one's probe. */
	way = find(m, s, p, &w->orig);
	if (way < 0)
		way = p->victim < m->ways ? p->victim : choose_way(m, s);
	m->evictions += s->tag[way] != 0;
	store(entry_at(m, s, way), p, w);
	s->tag[way] = tag_of(p->hash);
	s->pinned = (s->pinned & ~(1U << way)) | (__u32)pin << way;
	m->rules->filled(m, s, way);
	m->fills++;
	return 1;
}
