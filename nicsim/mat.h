/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mat.h - the NIC's own match-action table: a cache of pipeline results.
 *
 * A NIC has a small, fast CAM in front of the tables that it reads over the coherent link.  It is
 * set-associative: a hash of the whole parsed key chooses a set of up to 16 ways.  A set is one
 * line of 16-bit tags and the policy's bookkeeping, so that a miss costs that line and nothing
 * else; an entry is up to CXLT_MAT_LINES lines, the first of which has all that decides about
 * validity.
 *
 * What makes a cached result right (PROTOCOL.md, "MAT"):
 *   - It holds the change words that the lookup depended on and their sum, read before the
 *     lookup.  Words only grow, so an equal sum means that no change that could alter the answer
 *     has begun since.  A hit with another sum drops the entry and is a miss.
 *   - Nothing was pending when the sum was read: otherwise the lookup may have seen half of a
 *     change whose end would then look like "no change".
 *   - A hit needs no look at control.version: a bundle that touches the answer moves a change
 *     word before it commits.  A fill does: a packet that loaded the version, then slept through
 *     begin, commit and end of a bundle, sums words that are at rest and still resolves at the old
 *     version (floor isn't raised yet).  Its answer is right for itself and must not be kept, so
 *     a fill is refused unless control.version is still the packet's.  The commit precedes the
 *     end: who saw the end sees the new version.
 *   - Verdicts that depend on more than change words stand for are never kept: unstable, budget,
 *     malformed memory, and dev_domain, where the key of the entry behind a fitting tag is unknown.
 *
 * Concurrency: a MAT belongs to one thread; the slice's words are read with acquire.
 * Errors: cxlt_mat_create() returns NULL without memory.
 */
#ifndef CXLTAB_NICSIM_MAT_H
#define CXLTAB_NICSIM_MAT_H

#include <cxltab/key.h>
#include <cxltab/profile.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

enum {
	CXLT_MAT_LINES = 7, /* odd: first lines spread over all sets of the processor's caches */
	CXLT_MAT_CHGS = 10, /* limits of what is cached; beyond them a result isn't */
	CXLT_MAT_BODY = (CXLT_MAT_LINES - 1) * 8,
	CXLT_MAT_SHORT = 5, /* key words of an ordinary IPv4 packet: the others are 0 */
};

/* The first eight bytes of struct cxlt_result, which are copied as one word. */
struct cxlt_mat_head {
	__u8 verdict, reason, table, matched, n_ops, n_hits, n_outputs, flags;
};
#define CXLT_SAME_PLACE(m)                                                                       \
	CXLT_STATIC_ASSERT(offsetof(struct cxlt_mat_head, m) == offsetof(struct cxlt_result, m), \
			   "cxlt_mat_head is the head of cxlt_result")
CXLT_SAME_PLACE(verdict);
CXLT_SAME_PLACE(reason);
CXLT_SAME_PLACE(table);
CXLT_SAME_PLACE(matched);
CXLT_SAME_PLACE(n_ops);
CXLT_SAME_PLACE(n_hits);
CXLT_SAME_PLACE(n_outputs);
CXLT_SAME_PLACE(flags);

/*
 * An entry.  body: n_key key words, then the cookie, n_ops words of ops, n_hits counter refs, two
 * to a word.  Ordinary IPv4 packets have only CXLT_MAT_SHORT key words that aren't 0, so that
 * with one output and one hit an entry is two lines.
 */
struct cxlt_mat_entry {
	__u64 sum;
	struct cxlt_mat_head head;
	__u32 slice; /* which slice, of those that share this MAT */
	__u8 n_key;  /* CXLT_MAT_SHORT or CXLT_KEY_WORDS */
	__u8 n_chg;
	__u8 pad[2];
	__u32 chg[CXLT_MAT_CHGS];
	__u64 body[CXLT_MAT_BODY];
} __attribute__((aligned(64)));
CXLT_SIZE_IS(struct cxlt_mat_entry, CXLT_MAT_LINES * 64);

CXLT_INLINE const __u64 *cxlt_mat_ops(const struct cxlt_mat_entry *e)
{
	return &e->body[e->n_key + 1];
}

CXLT_INLINE const __u32 *cxlt_mat_hits(const struct cxlt_mat_entry *e)
{
	return (const __u32 *)&e->body[e->n_key + 1 + e->head.n_ops];
}

struct cxlt_mat_set {
	__u16 tag[CXLT_MAT_WAYS_MAX]; /* 0: empty */
	__u8 use[CXLT_MAT_WAYS_MAX];  /* the policy's: rank, reference bit or frequency */
	__u16 pinned;		      /* bit per way */
	__u8 hand;
	__u8 pad[13];
} __attribute__((aligned(64)));
CXLT_SIZE_IS(struct cxlt_mat_set, 64);

struct cxlt_mat;

/* A policy keeps set->use; both ways of entering it are called with the set's line at hand. */
struct cxlt_mat_rules {
	void (*touch)(struct cxlt_mat *, struct cxlt_mat_set *, __u32 way);
	void (*filled)(struct cxlt_mat *, struct cxlt_mat_set *, __u32 way);
	__u32 (*victim)(struct cxlt_mat *, struct cxlt_mat_set *); /* of a full set */
};

struct cxlt_mat {
	struct cxlt_mat_set *set;
	struct cxlt_mat_entry *entry; /* way w of set s is entry[s * ways + w] */
	const struct cxlt_mat_rules *rules;
	__u32 ways;
	__u32 mask; /* number of sets - 1 */
	__u64 rng;
	struct cxlt_mat_config config;
	__u64 secret[CXLT_KEY_WORDS + 1];
	__u64 lookups, hits, fills, stale, evictions;
	size_t set_bytes, entry_bytes;
};

struct cxlt_mat *cxlt_mat_create(const struct cxlt_mat_config *);
void cxlt_mat_destroy(struct cxlt_mat *);
/* Forgets everything. */
void cxlt_mat_clear(struct cxlt_mat *);

/* How a key is looked for. */
struct cxlt_mat_probe {
	__u64 hash;
	__u32 slice;
	__u16 n_key;
	__u16 victim; /* the way that a fill may take; set by cxlt_mat_choose() */
};

void cxlt_mat_hash(const struct cxlt_mat *, __u32 slice, const struct cxlt_key *,
		   struct cxlt_mat_probe *out);

CXLT_INLINE struct cxlt_mat_set *cxlt_mat_set_of(const struct cxlt_mat *m, __u64 hash)
{
	return &m->set[(__u32)hash & m->mask];
}

CXLT_INLINE void cxlt_mat_prefetch(const struct cxlt_mat *m, __u64 hash)
{
	__builtin_prefetch(cxlt_mat_set_of(m, hash), 1);
}

/* May there be an entry that fits?  Fetches its lines. */
int cxlt_mat_maybe(const struct cxlt_mat *, const struct cxlt_mat_probe *);
/* Chooses the way that a fill will take, ahead of it, and fetches its lines. */
void cxlt_mat_choose(struct cxlt_mat *, struct cxlt_mat_probe *);
/* The valid entry of a key, or NULL; counts the lookup. */
const struct cxlt_mat_entry *cxlt_mat_lookup(struct cxlt_mat *, const struct cxlt_view *,
					     const struct cxlt_mat_probe *,
					     const struct cxlt_key *);
/* A lookup that cxlt_mat_maybe() has answered already: a miss. */
CXLT_INLINE void cxlt_mat_missed(struct cxlt_mat *m)
{
	m->lookups++;
}

/* Makes *res what the entry holds. */
void cxlt_mat_load(const struct cxlt_mat_entry *, struct cxlt_result *res);
/*
 * Keeps w->res, the result of a phase 1 that has just ended, for w->orig.  1 if it was kept, 0 if
 * it mustn't be or doesn't fit.
 */
int cxlt_mat_fill(struct cxlt_mat *, const struct cxlt_view *, const struct cxlt_mat_probe *,
		  const struct cxlt_work *w);

/* policy.c */
const struct cxlt_mat_rules *cxlt_mat_rules_of(__u32 policy);

#endif
