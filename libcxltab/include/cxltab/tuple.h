/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tuple.h - the best rule of one tuple: a probe of its cuckoo hash table.
 *
 * A probe hashes the words of the tuple's mask, looks at one bucket line (a second one only if the
 * first one's counters say that an entry of this tag class was displaced), and reads an entry only
 * when its 31-bit tag and its place fit.  Dependent lines of a probe: tuple, bucket, entry.
 *
 * Concurrency: any number of readers beside writers; readers only load.  What was read is validated
 * before it counts (PROTOCOL.md, "Lookup in one table"):
 *   - an entry by its sequence (even and unchanged), its slot (unchanged) and the geometry;
 *   - a miss by the sequences of the buckets read and the geometry.
 *
 * Results: 1 found (in w->rule), 0 a proven miss, -reason (-CXLT_R_UNSTABLE after CXLT_TRIES tries,
 * _BUDGET, _BAD_REF), or CXLT_OUT_OF_DOMAIN.
 */
#ifndef CXLTAB_TUPLE_H
#define CXLTAB_TUPLE_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/hash.h>
#include <cxltab/key.h>
#include <cxltab/layout.h>
#include <cxltab/reason.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

enum {
	CXLT_TRIES = 8,
	CXLT_RETRY = -1000,	    /* internal: this try saw a change */
	CXLT_OUT_OF_DOMAIN = -1001, /* internal: a matching slot's entry is beyond the limit */
};

/* Best candidate so far: priority + 1, so that 0 is "none". */
struct cxlt_probe {
	const struct cxlt_tuple __arena *tuple;
	__u64 geo;
	__u32 id;
	__u32 n_words;
	__u32 best; /* 1 + priority that a candidate must exceed */
	__u32 ref;  /* of the tuple */
};

/* Hash of the masked key.  The index bytes are read a word at a time. */
CXLT_INLINE __u64 cxlt_tuple_hash(const struct cxlt_view *v, const struct cxlt_tuple __arena *t,
				  const struct cxlt_key *k, __u32 n_words)
{
	const __u64 __arena *idx = (const __u64 __arena *)t->idx;
	__u64 h = cxlt_load(&t->secret), ix = 0;
	__u32 i;

	CXLT_FOR(i, n_words, CXLT_KEY_MAX)
	{
		__u32 at;

		if (!(i & 7))
			ix = cxlt_load(&idx[i >> 3]);
		at = ix & 31;
		ix >>= 8;
		h += cxlt_nh(cxlt_key_word(k, at) & cxlt_load(&t->mask[i]),
			     v->secrets[at < CXLT_KEY_MAX ? at : 0]);
	}
	return cxlt_hash_finish(h);
}

CXLT_INLINE int cxlt_tuple_equal(const struct cxlt_tuple __arena *t, const struct cxlt_key *k,
				 const __u64 __arena *body, __u32 n_words)
{
	const __u64 __arena *idx = (const __u64 __arena *)t->idx;
	__u64 diff = 0, ix = 0;
	__u32 i;

	CXLT_FOR(i, n_words, CXLT_KEY_MAX)
	{
		if (!(i & 7))
			ix = cxlt_load(&idx[i >> 3]);
		diff |= (cxlt_key_word(k, ix & 31) & cxlt_load(&t->mask[i])) ^ cxlt_load(&body[i]);
		ix >>= 8;
	}
	return diff == 0;
}

/* tuple_id, prio, n_key and n_prog share the entry's second word. */
#define CXLT_RULE_HEAD(e) cxlt_load((const __u64 __arena *)&(e)->tuple_id)

/* Copies what a winner is remembered by.  0, or -reason. */
CXLT_INLINE int cxlt_rule_copy(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref,
			       const struct cxlt_rule __arena *e, __u64 head)
{
	__u32 n_key = (head >> 48) & 0xff, n_prog = head >> 56;
	__u32 i, lines;

	if (n_prog > CXLT_PROG_MAX || n_key > CXLT_KEY_MAX)
		return CXLT_RETRY;
	lines = (sizeof(*e) + (n_key + n_prog) * 8 + CXLT_LINE - 1) / CXLT_LINE;
	if (!cxlt_line(v, ref, lines))
		return -CXLT_R_BAD_REF;
	w->rule.torn = 1; /* until the whole probe has been validated */
	w->rule.cookie = cxlt_load(&e->cookie);
	w->rule.counters = cxlt_load32(&e->counters);
	w->rule.prio = (__u16)(head >> 32);
	w->rule.n_prog = n_prog;
	CXLT_FOR(i, n_prog, CXLT_PROG_MAX)
	w->rule.prog[i] = cxlt_load(&e->body[n_key + i]);
	return cxlt_charge(w, lines);
}

/*
 * The entry behind a slot whose tag fits, and the rules with the same match chained behind it.
 * 1: the best visible one above p->best is in w->rule; 0: none, or another key.
 */
CXLT_INLINE int cxlt_chain_find(const struct cxlt_view *v, struct cxlt_work *w,
				const struct cxlt_probe *p, __u32 ref)
{
	__u32 hop;

	CXLT_FOR(hop, CXLT_CHAIN_MAX, CXLT_CHAIN_MAX)
	{
		const struct cxlt_rule __arena *e = cxlt_line(v, ref, 1);
		__u64 seq, head, from, to;
		__u32 next;
		int rc = cxlt_charge(w, 1);

		if (rc)
			return rc;
		if (!e)
			return ref >= v->n_lines || !ref ? -CXLT_R_BAD_REF : CXLT_OUT_OF_DOMAIN;
		/* Pairs with the writer's release of an even sequence in rule_fill(). */
		seq = cxlt_load_acquire(&e->seq);
		head = CXLT_RULE_HEAD(e);
		if (seq & 1 || (__u32)head != p->id)
			return CXLT_RETRY;
		if (((head >> 48) & 0xff) != p->n_words ||
		    !cxlt_line(v, ref, 1 + (p->n_words + 7) / 8))
			return CXLT_RETRY;
		if (!cxlt_tuple_equal(p->tuple, &w->key, e->body, p->n_words)) {
			cxlt_read_barrier();
			return cxlt_load(&e->seq) == seq ? 0 : CXLT_RETRY;
		}
		from = cxlt_load(&e->from);
		to = cxlt_load(&e->to);
		next = cxlt_load32(&e->next);
		if (((head >> 32) & 0xffff) < p->best)
			next = 0; /* chains descend */
		else if (from <= w->version && w->version < to)
			rc = cxlt_rule_copy(v, w, ref, e, head);
		else
			rc = CXLT_OUT_OF_DOMAIN; /* invisible: go on */
		cxlt_read_barrier();
		if (cxlt_load(&e->seq) != seq)
			return CXLT_RETRY;
		if (rc == 0)
			return ((head >> 32) & 0xffff) >= p->best;
		if (rc != CXLT_OUT_OF_DOMAIN)
			return rc;
		if (!next)
			return 0;
		ref = next;
	}
	return -CXLT_R_BAD_REF;
}

/* A BPF program replaces some steps by global functions, each verified once and on its own. */
#ifndef CXLT_CHAIN_FIND
#define CXLT_CHAIN_FIND(v, w, p, ref) cxlt_chain_find(v, w, p, ref)
#endif

/* The entry behind slot i, if that has the tag and flag `want`; as cxlt_chain_find(). */
CXLT_INLINE int cxlt_bucket_slot(const struct cxlt_view *v, struct cxlt_work *w,
				 const struct cxlt_probe *p, const struct cxlt_bucket __arena *b,
				 __u32 i, __u32 want)
{
	__u64 slot = cxlt_load_acquire(&b->slot[i]);
	int rc;

	if (CXLT_SLOT_HEAD(slot) != want || !slot)
		return 0;
	rc = CXLT_CHAIN_FIND(v, w, p, CXLT_SLOT_REF(slot));
	/* A slot that moved on explains any strange sight behind it. */
	if (cxlt_load(&b->slot[i]) != slot || cxlt_load(&p->tuple->geo) != p->geo)
		return CXLT_RETRY;
	return rc;
}

/* Looks for `want` among a bucket's slots; as cxlt_chain_find(). */
CXLT_INLINE int cxlt_bucket_find(const struct cxlt_view *v, struct cxlt_work *w,
				 const struct cxlt_probe *p, const struct cxlt_bucket __arena *b,
				 __u32 want)
{
	__u32 i = cxlt_slot_find(b, want);
	int rc;

	if (cxlt_likely(!i))
		return 0;
	rc = cxlt_bucket_slot(v, w, p, b, i - 1, want);
	if (cxlt_likely(rc))
		return rc;
	/* Two keys with one tag, or a slot that went away meanwhile. */
	CXLT_FOR(i, CXLT_BUCKET_SLOTS, CXLT_BUCKET_SLOTS)
	{
		rc = cxlt_bucket_slot(v, w, p, b, i, want);
		if (rc)
			return rc;
	}
	return 0;
}

/* One try at one bucket array. */
CXLT_INLINE int cxlt_array_find(const struct cxlt_view *v, struct cxlt_work *w,
				const struct cxlt_probe *p, __u64 geo, __u64 h)
{
	__u32 log2 = CXLT_GEO_LOG2(geo), mask = (__u32)((1ULL << (log2 & 31)) - 1);
	__u32 tag = cxlt_hash_tag(h), i1 = (__u32)h & mask, i2;
	const struct cxlt_bucket __arena *b1, *b2 = NULL;
	__u64 m1, m2 = 0;
	int rc;

	if (log2 > 26 || !cxlt_line(v, CXLT_GEO_REF(geo), 1U << log2))
		return -CXLT_R_BAD_REF;
	b1 = cxlt_line(v, CXLT_GEO_REF(geo) + i1, 1);
	if (!b1)
		return -CXLT_R_BAD_REF;
	rc = cxlt_charge(w, 1);
	if (rc)
		return rc;
	/* Before the slots: pairs with the writer, who moves the sequence with every move. */
	m1 = cxlt_load_acquire(&b1->meta);
	rc = cxlt_bucket_find(v, w, p, b1, tag << 1);
	if (rc)
		return rc;
	if (cxlt_unlikely(CXLT_META_CNT(m1, tag))) {
		i2 = cxlt_hash_other(i1, tag, mask);
		b2 = cxlt_line(v, CXLT_GEO_REF(geo) + i2, 1);
		if (!b2)
			return -CXLT_R_BAD_REF;
		rc = cxlt_charge(w, 1);
		if (rc)
			return rc;
		m2 = cxlt_load_acquire(&b2->meta);
		rc = cxlt_bucket_find(v, w, p, b2, tag << 1 | 1);
		if (rc)
			return rc;
	}
	/* A miss counts only if nothing moved in any bucket that it was read from. */
	cxlt_read_barrier();
	if (CXLT_META_SEQ(cxlt_load(&b1->meta)) != CXLT_META_SEQ(m1))
		return CXLT_RETRY;
	if (b2 && CXLT_META_SEQ(cxlt_load(&b2->meta)) != CXLT_META_SEQ(m2))
		return CXLT_RETRY;
	return 0;
}

/* cxlt_tuple_find() in p->tuple, whose hash of the key is known. */
CXLT_INLINE int cxlt_tuple_probe(const struct cxlt_view *v, struct cxlt_work *w,
				 struct cxlt_probe *p, __u64 h)
{
	__u32 try;
	int rc;

	w->n_probes++;
	CXLT_FOR(try, CXLT_TRIES, CXLT_TRIES)
	{
		/* Pairs with the release of a filled array in cxlt_tuple_resize(). */
		p->geo = cxlt_load_acquire(&p->tuple->geo);
		rc = 0;
		if (cxlt_unlikely(p->geo & CXLT_GEO_RESIZING))
			rc = cxlt_array_find(v, w, p, cxlt_load_acquire(&p->tuple->geo_old), h);
		if (!rc)
			rc = cxlt_array_find(v, w, p, p->geo, h);
		if (rc == CXLT_RETRY)
			continue;
		cxlt_read_barrier();
		if (cxlt_load(&p->tuple->geo) != p->geo)
			continue;
		return rc;
	}
	return -CXLT_R_UNSTABLE;
}

/* The best visible rule of a tuple with priority >= best. */
CXLT_INLINE int cxlt_tuple_find(const struct cxlt_view *v, struct cxlt_work *w, __u32 ref,
				__u32 best)
{
	const struct cxlt_tuple __arena *t = cxlt_line(v, ref, 2 + CXLT_KEY_MAX / 8);
	struct cxlt_probe p = {.tuple = t, .ref = ref, .best = best};
	__u64 head;

	if (!t)
		return -CXLT_R_BAD_REF;
	head = cxlt_load((const __u64 __arena *)&t->id);
	p.id = (__u32)head;
	p.n_words = (head >> 32) & 0xff;
	if (p.n_words > CXLT_KEY_MAX)
		return -CXLT_R_BAD_REF;
	return cxlt_tuple_probe(v, w, &p, cxlt_tuple_hash(v, t, &w->key, p.n_words));
}

#endif
