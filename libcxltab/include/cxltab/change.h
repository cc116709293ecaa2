/* SPDX-License-Identifier: Apache-2.0 */
/*
 * change.h - change words: how a reader of several tuples knows that its answer is of one moment.
 *
 * A writer adds 1 to the word of the rule's dimension (begin), publishes, and adds 65535 (end).
 * A reader sums the words of its packet's dimensions before and after a search: an equal sum
 * means that nothing that could change the answer began or ended meanwhile.  A rule uses the most
 * specific dimension whose fields it pins, so changes of one connection disturb no other.
 * Dimensions come into use on first need; `dims` changes only while the wide word is pending, so
 * whoever read the old value sees the wide word move.  Source: PROTOCOL.md, "Words".
 *
 * Concurrency: readers, any number, beside the one writer that holds the slice's lock.
 */
#ifndef CXLTAB_CHANGE_H
#define CXLTAB_CHANGE_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/hash.h>
#include <cxltab/key.h>
#include <cxltab/view.h>
#include <cxltab/work.h>

/* The bits of each word that CXLT_DIM_CONN pins, besides all of the addresses. */
enum {
	CXLT_CONN_PORT_SHIFT = 8, /* all of CXLT_W_PORT but ip_frag */
	CXLT_CONN_L4_SHIFT = 32,  /* tp_src and tp_dst of CXLT_W_L4 */
};

/*
 * The index, below 1 << log2, of a key's change word in dimension `dim` (1 and on).  Which
 * addresses count is decided by eth_type, which a rule that uses addresses pins: whatever an
 * action has put into the others, rule and packet come to the same word.
 */
CXLT_INLINE __u32 cxlt_chg_index(const __u64 *secrets, const struct cxlt_key *k, __u32 dim,
				 __u32 log2)
{
	int v6 = CXLT_KEY_GET(k, ETH_TYPE) == 0x86dd;
	__u64 h = dim;

	if (dim == CXLT_DIM_CONN) {
		h += cxlt_nh(k->w[CXLT_W_PORT] >> CXLT_CONN_PORT_SHIFT, secrets[0]);
		h += cxlt_nh(k->w[CXLT_W_L4] >> CXLT_CONN_L4_SHIFT, secrets[2]);
		if (v6) {
			h += cxlt_nh(k->w[CXLT_W_IPV6_SRC_HI], secrets[3]);
			h += cxlt_nh(k->w[CXLT_W_IPV6_SRC_LO], secrets[4]);
			h += cxlt_nh(k->w[CXLT_W_IPV6_DST_HI], secrets[5]);
			h += cxlt_nh(k->w[CXLT_W_IPV6_DST_LO], secrets[6]);
		} else {
			h += cxlt_nh(k->w[CXLT_W_IPV4], secrets[1]);
		}
	} else if (dim == CXLT_DIM_DST) {
		h += v6 ? cxlt_nh(k->w[CXLT_W_IPV6_DST_HI], secrets[8])
			: cxlt_nh((k->w[CXLT_W_IPV4] >> 8) & 0xffffff, secrets[7]);
	} else if (dim == CXLT_DIM_SRC) {
		h += v6 ? cxlt_nh(k->w[CXLT_W_IPV6_SRC_HI], secrets[10])
			: cxlt_nh(k->w[CXLT_W_IPV4] >> 40, secrets[9]);
	} else {
		h += cxlt_nh(k->w[CXLT_W_DMAC] >> 16, secrets[11]);
	}
	return (__u32)(cxlt_hash_finish(h) >> 32) & ((1U << log2) - 1);
}

CXLT_INLINE void cxlt_chg_note(struct cxlt_chgset *set, __u32 at, __u64 word)
{
	__u32 n = set->n;

	if (n >= CXLT_CHG_MAX)
		return; /* can't be: CXLT_HOPS_MAX tables of CXLT_DIMS words fit */
	set->at[n] = at;
	set->n = n + 1;
	set->sum += word;
	set->pending |= CXLT_CHG_PENDING(word) != 0;
}

/*
 * Adds the words of the table at `tref` for key `k` to the set, and their values to its sum;
 * 0, or -1 on a bad ref.
 */
CXLT_INLINE int cxlt_chg_collect(const struct cxlt_view *v, const struct cxlt_table __arena *t,
				 __u32 tref, const struct cxlt_key *k, struct cxlt_chgset *set)
{
	__u32 dims, d;

	/* Before dims, pairs with cxlt_chg_use_dim(): old dims imply that `wide` will move. */
	cxlt_chg_note(set, tref * CXLT_LINE_WORDS + 1, cxlt_load_acquire(&t->wide));
	dims = cxlt_load32(&t->dims);
	if (cxlt_likely(!dims))
		return 0;
	CXLT_FOR(d, CXLT_DIMS - 1, CXLT_DIMS - 1)
	{
		__u32 ref, at;

		if (!(dims & (2U << d)))
			continue;
		ref = cxlt_load32(&t->chg[d]);
		at = cxlt_chg_index(v->secrets, k, d + 1, v->chg_log2);
		if (!cxlt_line(v, ref, (at >> 3) + 1))
			return -1;
		at += ref * CXLT_LINE_WORDS;
		cxlt_chg_note(set, at, cxlt_load_acquire(cxlt_word(v, at)));
	}
	return 0;
}

/* The sum, now, of the set's words from `from` on. */
CXLT_INLINE __u64 cxlt_chg_sum(const struct cxlt_view *v, const struct cxlt_chgset *set, __u32 from)
{
	__u64 sum = 0;
	__u32 i;

	for (i = from + cxlt_loop_zero();
	     CXLT_CAN_LOOP && i < set->n && CXLT_BELOW(i, CXLT_CHG_MAX); i++)
		sum += cxlt_load_acquire(cxlt_word(v, set->at[i]));
	return sum;
}

#endif
