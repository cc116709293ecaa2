/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.h - the prefilter: which tuples of a table can't match a packet, without a look at them.
 *
 * A tuple's mask is split into pairs (key word, bits of it), one for each field.  Tuples share pairs:
 * 64 combinations of 8 prefix lengths each of source and destination are 16 pairs.  A pair has an
 * array of cells; cell i counts the rules, of all tuples that use the pair, whose bits hash to i. A
 * packet looks at one cell of each pair, and a 0 rules out every tuple that uses it.  So the cost
 * grows with pairs and with the tuples that are left, not with masks (Srinivasan, Suri, Varghese,
 * "Packet Classification using Tuple Space Search", SIGCOMM '99, has the idea as tuple pruning).
 *
 * The pairs and who uses them are a part of the table's list, immutable like the list, behind its n
 * items, from the next line on, if the first item has CXLT_ITEM_FILTER (words, P pairs):
 *
 *     0                 P
 *     1 + 3p, 2 + 3p    mask and CXLT_PAIR() of pair p; mask 0: nobody uses it
 *     3 + 3p            bit i: tuple i of the list uses pair p
 *     1 + (2 + g) P + p bit i: tuple 64 g + i of the list uses pair p, g from 1 on
 *
 * Concurrency:
 *   operation          who              beside                 may observe
 *   cxlt_filter_ask    any reader       writers                "absent" as of a moment after the packet
 *                                                              read its change words, or nonsense that
 *                                                              list and sum, which moved, give away
 *   cells              writers, in a    readers and writers    raised before a rule is published, lowered
 *                      change                                  after it is gone (change_rule.c)
 *   pairs and arrays   who has the      readers                replaced with the list that names them
 *                      slice alone
 *
 * Errors: -1, a part of the list lies outside the slice.  A cell that does rules out nothing.
 */
#ifndef CXLTAB_FILTER_H
#define CXLTAB_FILTER_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/hash.h>
#include <cxltab/key.h>
#include <cxltab/layout.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

enum {
	CXLT_FILTER_FROM = 4, /* tuples: a shorter list is not worth a filter, and needs none */
};

/*
 * Tuples from which on this reader asks the filter, at least CXLT_FILTER_FROM.  One whose probes are
 * cheap defines more before it includes this header.
 */
#ifndef CXLT_FILTER_WORTH
#define CXLT_FILTER_WORTH CXLT_FILTER_FROM
#endif

/* Index of the lowest bit of x, which is not 0. */
CXLT_INLINE __u32 cxlt_low_bit(__u64 x)
{
	return (__u32)__builtin_ctzll(x);
}

/* Words of a list before its filter, and of the whole. */
CXLT_INLINE __u32 cxlt_filter_at(__u32 n)
{
	return (n + CXLT_LINE_WORDS - 1) & ~(CXLT_LINE_WORDS - 1U);
}

CXLT_INLINE __u32 cxlt_list_words(__u32 n, __u32 pairs)
{
	return pairs ? cxlt_filter_at(n) + 1 + (2 + (n + 63) / 64) * pairs : n;
}

/*
 * The cell of key word w; mask and secret are the pair's.  Multiply-shift (Dietzfelbinger et al.,
 * 1997) is universal enough for a filter and half the work of NH.
 */
CXLT_INLINE __u64 cxlt_pair_cell(__u64 w, __u64 mask, __u64 secret, __u64 pair)
{
	return ((w & mask) * (secret | 1)) >> CXLT_PAIR_SHIFT(pair);
}

/*
 * Looks at the cells of n pairs.  In f->absent, bit p: no rule of the tuples that use pair p has this
 * key's bits; in f->first, bit i: tuple i is ruled out by that.  No branch depends on a cell.
 */
CXLT_INLINE void cxlt_filter_look(const struct cxlt_view *v, const struct cxlt_key *k,
				  const __u64 __arena *pairs, __u32 n, struct cxlt_filter *f)
{
	__u64 absent = 0, first = 0, end = (__u64)v->limit << 6;
	__u32 i;

	CXLT_FOR(i, n, CXLT_PAIRS_MAX)
	{
		__u64 pair = cxlt_load(&pairs[1]), at;
		__u32 word = CXLT_PAIR_WORD(pair), none;

		CXLT_OPAQUE(word);
		if (word >= CXLT_KEY_WORDS)
			break;
		at = cxlt_pair_cell(k->w[word], cxlt_load(&pairs[0]), v->secrets[word], pair);
		at += (__u64)CXLT_PAIR_REF(pair) << 6;
		if (at >= end)
			break;
		none = (cxlt_load8(cxlt_byte(v, at)) - 1) >> 31;
		absent |= (__u64)none << i;
		first |= cxlt_load(&pairs[2]) & -(__u64)none;
		pairs += 3;
	}
	f->absent = absent;
	f->first = first;
}

/* Asks the filter of a list for key k; f->n_pairs is 0 if there is none.  0, or -1 on a bad ref. */
CXLT_INLINE int cxlt_filter_ask(const struct cxlt_view *v, const struct cxlt_key *k, __u64 list,
				struct cxlt_filter *f)
{
	__u32 n = CXLT_LIST_N(list), ref = CXLT_LIST_REF(list) + (n + 7) / CXLT_LINE_WORDS, pairs;
	const __u64 __arena *at;

	f->first = 0;
	f->absent = 0;
	f->n_pairs = 0;
	f->lines = 0;
	if (!(v->flags & CXLT_VIEW_FILTER) || n < CXLT_FILTER_WORTH)
		return 0;
	at = cxlt_line(v, CXLT_LIST_REF(list), 1);
	if (!at)
		return -1;
	if (!(CXLT_ITEM_FLAGS(cxlt_load(at)) & CXLT_ITEM_FILTER))
		return 0;
	at = cxlt_line(v, ref, 1);
	if (!at)
		return -1;
	pairs = (__u32)cxlt_load(at);
	if (pairs > CXLT_PAIRS_MAX ||
	    !cxlt_line(v, ref, (1 + (2 + (n + 63) / 64) * pairs + 7) / CXLT_LINE_WORDS))
		return -1;
	f->n_pairs = pairs;
	f->uses = ref * CXLT_LINE_WORDS + 1 + 2 * pairs;
	f->lines = pairs + (1 + 3 * pairs + 7) / CXLT_LINE_WORDS;
	cxlt_filter_look(v, k, at + 1, pairs, f);
	return 0;
}

/* Bit i: tuple 64 g + i of the list may match. */
CXLT_INLINE __u64 cxlt_filter_group(const struct cxlt_view *v, const struct cxlt_filter *f, __u32 g)
{
	const __u64 __arena *uses = cxlt_word(v, f->uses + g * f->n_pairs);
	__u64 out = 0, absent = f->absent;
	__u32 i;

	if (!g)
		return ~f->first;
	CXLT_FOR(i, f->n_pairs, CXLT_PAIRS_MAX)
	{
		out |= cxlt_load(&uses[i]) & -(absent & 1);
		absent >>= 1;
	}
	return ~out;
}

#endif
