// SPDX-License-Identifier: Apache-2.0
/*
 * The writer's side of the prefilter (filter.h): which pairs a tuple uses, and the cells.
 *
 * A cell counts rules and is what readers look at: there is no bit beside it that two writers, one
 * with the first rule and one with the last, could leave wrong.  It counts to 254; what would
 * have been the 255th sticks, so that a value which all rules share costs its writers a load, and
 * readers no line.  Stuck cells let packets through that have no rule any more: they cost a probe,
 * until the array is made anew by growth or repair, or leaves with the last tuple that uses it.
 *
 * Raised before the rule is there, lowered after it is gone, as a tuple's count: whoever dies
 * leaves cells too high, which a repair corrects, never too low.
 */
#include <errno.h>
#include <stdlib.h>

#include <cxltab/filter.h>

#include "change_rule.h"

enum {
	CHUNKS_MIN = 32, /* a smaller device domain has better uses for them than cells */
};

/* The image of a list */

static bool pair_sound(const struct cxlt_slice *s, __u64 pair)
{
	__u32 log2 = CXLT_PAIR_LOG2(pair);

	return CXLT_PAIR_WORD(pair) < CXLT_KEY_WORDS && log2 >= CXLT_CELLS_LOG2_MIN &&
	       log2 <= CXLT_CELLS_LOG2_MAX &&
	       cxlt_line(&s->view, CXLT_PAIR_REF(pair), 1U << (log2 - 6));
}

/* Pairs of a list's filter, 0 if it has none; false if they aren't all in the slice. */
static bool list_pairs(const struct cxlt_slice *s, __u64 list, __u32 *pairs)
{
	__u32 n = CXLT_LIST_N(list), ref = CXLT_LIST_REF(list);
	const __u64 *w = cxlt_line(&s->view, ref, (n + 7) / CXLT_LINE_WORDS);

	*pairs = 0;
	if (!w || !(CXLT_ITEM_FLAGS(cxlt_load(w)) & CXLT_ITEM_FILTER))
		return w;
	if (!cxlt_line(&s->view, ref, (n + 7) / CXLT_LINE_WORDS + 1))
		return false;
	*pairs = (__u32)cxlt_load(&w[cxlt_filter_at(n)]);
	return *pairs <= CXLT_PAIRS_MAX &&
	       cxlt_line(&s->view, ref, (cxlt_list_words(n, *pairs) + 7) / CXLT_LINE_WORDS);
}

bool cxlt_list_load(const struct cxlt_slice *s, __u64 list, struct cxlt_list_image *im)
{
	__u32 n = CXLT_LIST_N(list), ref = CXLT_LIST_REF(list), i, g, pairs;
	const __u64 *w;

	im->n = im->n_pairs = 0;
	if (!n)
		return true;
	if (n > CXLT_TUPLES_MAX || !list_pairs(s, list, &pairs))
		return false;
	w = cxlt_at(s, ref);
	for (i = 0; i < n; i++)
		im->item[i] = cxlt_load(&w[i]);
	im->item[0] &= ~CXLT_ITEM(0, 0, CXLT_ITEM_FILTER);
	w += cxlt_filter_at(n) + 1;
	for (i = 0; i < pairs; i++) {
		im->mask[i] = cxlt_load(w++);
		im->pair[i] = cxlt_load(w++);
		im->uses[i][0] = cxlt_load(w++);
		if (im->mask[i] && !pair_sound(s, im->pair[i]))
			return false;
	}
	for (g = 1; g < CXLT_TUPLES_MAX / 64; g++)
		for (i = 0; i < pairs; i++)
			im->uses[i][g] = g < (n + 63) / 64 ? cxlt_load(w++) : 0;
	im->n = n;
	im->n_pairs = pairs;
	return true;
}

__u32 cxlt_list_log2(__u32 n, __u32 pairs)
{
	__u32 log2 = 0;

	while (8U << log2 < cxlt_list_words(n, pairs))
		log2++;
	return log2;
}

void cxlt_list_store(__u64 *w, const struct cxlt_list_image *im)
{
	__u32 i, g;

	for (i = 0; i < im->n; i++)
		cxlt_store(&w[i],
			   im->item[i] | CXLT_ITEM(0, 0, i || !im->n_pairs ? 0 : CXLT_ITEM_FILTER));
	if (!im->n_pairs)
		return;
	w += cxlt_filter_at(im->n);
	cxlt_store(w++, im->n_pairs);
	for (i = 0; i < im->n_pairs; i++) {
		cxlt_store(w++, im->mask[i]);
		cxlt_store(w++, im->pair[i]);
		cxlt_store(w++, im->uses[i][0]);
	}
	for (g = 1; g < (im->n + 63) / 64; g++)
		for (i = 0; i < im->n_pairs; i++)
			cxlt_store(w++, im->uses[i][g]);
}

/* A hole at bit `at`; what is above moves up. */
static void bit_insert(__u64 *bits, __u32 at, bool value)
{
	__u64 low = (1ULL << (at & 63)) - 1, carry = value;
	__u32 g = at / 64;
	__u64 word = bits[g], top = word >> 63;

	bits[g] = (word & low) | carry << (at & 63) | (word & ~low) << 1;
	for (g++; g < CXLT_TUPLES_MAX / 64; g++) {
		word = bits[g];
		bits[g] = word << 1 | top;
		top = word >> 63;
	}
}

/* Bit `at` goes; what is above moves down. */
static void bit_remove(__u64 *bits, __u32 at)
{
	__u64 low = (1ULL << (at & 63)) - 1;
	__u32 g = at / 64;

	bits[g] = (bits[g] & low) | (bits[g] >> 1 & ~low);
	for (; g + 1 < CXLT_TUPLES_MAX / 64; g++) {
		bits[g] |= bits[g + 1] << 63;
		bits[g + 1] >>= 1;
	}
}

__u64 cxlt_list_take(struct cxlt_list_image *im, __u32 tref)
{
	__u64 uses = 0;
	__u32 at, i;

	for (at = 0; at < im->n && CXLT_ITEM_REF(im->item[at]) != tref; at++)
		;
	if (at == im->n)
		return 0;
	for (i = 0; i < im->n_pairs; i++) {
		uses |= (im->uses[i][at / 64] >> (at & 63) & 1) << i;
		bit_remove(im->uses[i], at);
	}
	im->n--;
	for (i = at; i < im->n; i++)
		im->item[i] = im->item[i + 1];
	return uses;
}

void cxlt_list_put(struct cxlt_list_image *im, __u64 item, __u64 uses)
{
	__u32 at = 0, i;

	while (at < im->n && CXLT_ITEM_PRIO(im->item[at]) >= CXLT_ITEM_PRIO(item))
		at++;
	for (i = 0; i < im->n_pairs; i++)
		bit_insert(im->uses[i], at, uses >> i & 1);
	for (i = im->n++; i > at; i--)
		im->item[i] = im->item[i - 1];
	im->item[at] = item;
}

/* Cells */

/* The word and shift of the cell of `value`, a masked key word, in an array at `cells`. */
static __u64 *cell_of(const struct cxlt_slice *s, __u64 *cells, __u64 mask, __u64 pair, __u64 value,
		      __u32 *shift)
{
	__u32 at = (__u32)cxlt_pair_cell(value, mask, s->view.secrets[CXLT_PAIR_WORD(pair)], pair);

	*shift = at % 8 * 8;
	return cells + at / 8;
}

static void cell_add(const struct cxlt_writer *w, __u64 *word, __u32 shift, __u64 by)
{
	for (;;) {
		__u64 old = cxlt_load(word), n = old >> shift & 0xff, next = old + (by << shift);

		if (n == CXLT_CELL_STUCK || (!n && by != 1))
			return;
		if (w->depth)
			cxlt_store_release(word, next);
		else if (!cxlt_cas(word, old, next))
			continue;
		return;
	}
}

/* Word `word` of a masked key: its bits under `mask`, if the tuple has that word. */
static __u64 body_word(const __u8 *idx, __u32 n, const __u64 *body, __u32 word)
{
	__u32 i;

	for (i = 0; i < n && idx[i] < word; i++)
		;
	return i < n && idx[i] == word ? body[i] : 0;
}

/* Adds 1 or -1 to the cells of c's key. */
static void cells_add(const struct change *c, __u64 by)
{
	__u64 used = cxlt_load(&c->tuple->pairs), list = c->t->list;
	__u32 n = CXLT_LIST_N(list), ref = CXLT_LIST_REF(list), pairs, shift;
	__u64 *w;

	if (!used || !n || n > CXLT_TUPLES_MAX || !list_pairs(c->s, list, &pairs))
		return;
	w = (__u64 *)cxlt_at(c->s, ref) + cxlt_filter_at(n) + 1;
	for (; used; used >>= 8) {
		__u32 p = (__u32)(used & 0xff) - 1;
		__u64 mask, pair, *cell;

		if (p >= pairs)
			continue;
		mask = cxlt_load(&w[3 * p]);
		pair = cxlt_load(&w[3 * p + 1]);
		if (!pair_sound(c->s, pair))
			continue;
		cell = cell_of(c->s, cxlt_at(c->s, CXLT_PAIR_REF(pair)), mask, pair,
			       body_word(c->idx, c->n_words, c->body, CXLT_PAIR_WORD(pair)),
			       &shift);
		cell_add(c->w, cell, shift, by);
	}
}

void cxlt_filter_raise(const struct change *c)
{
	cells_add(c, 1);
}

void cxlt_filter_lower(const struct change *c)
{
	cells_add(c, ~0ULL);
}

void cxlt_filter_tally(const struct cxlt_slice *s, const struct cxlt_tuple *t, __u64 mask,
		       __u64 pair, __u64 *cells)
{
	const struct cxlt_writer alone = {.depth = 1};
	__u32 n = t->n_words <= CXLT_KEY_MAX ? t->n_words : CXLT_KEY_MAX, i, j, hop, shift;
	__u64 geo = cxlt_load(&t->geo);
	const struct cxlt_bucket *b;

	if (CXLT_GEO_LOG2(geo) > 26 ||
	    !cxlt_line(&s->view, CXLT_GEO_REF(geo), 1U << CXLT_GEO_LOG2(geo)))
		return;
	b = cxlt_at(s, CXLT_GEO_REF(geo));
	for (i = 0; i < 1U << CXLT_GEO_LOG2(geo); i++)
		for (j = 0; j < CXLT_BUCKET_SLOTS; j++) {
			__u32 ref = CXLT_SLOT_REF(b[i].slot[j]);

			for (hop = 0; ref && hop < CXLT_CHAIN_MAX; hop++) {
				const struct cxlt_rule *e =
					cxlt_line(&s->view, ref, 1 + (n + 7) / 8);
				__u64 *cell;

				if (!e)
					break;
				cell = cell_of(s, cells, mask, pair,
					       body_word(t->idx, n, e->body, CXLT_PAIR_WORD(pair)),
					       &shift);
				cell_add(&alone, cell, shift, 1);
				ref = e->next;
			}
		}
}

/* Pairs */

struct part {
	__u64 mask;
	__u32 word;
};

/*
 * A mask's fields, each a part; but the fields of word 0 (port, Ethernet type, protocol) together:
 * tables combine them in few ways, and most rules agree in each alone.  Not always all of them:
 * what is left out rules out nothing.
 */
static __u32 split(const struct cxlt_tuple *t, struct part *out)
{
	__u32 i, f, n = 0;

	for (i = 0; i < t->n_words && t->idx[i] < CXLT_KEY_WORDS; i++) {
		__u32 word = t->idx[i];

		if (word == CXLT_W_PORT && n < CXLT_TUPLE_PAIRS)
			out[n++] = (struct part){t->mask[i], word};
		for (f = 0; word != CXLT_W_PORT && f < CXLT_N_FIELDS && n < CXLT_TUPLE_PAIRS; f++) {
			const struct cxlt_field_info *info = &cxlt_field_info[f];
			__u64 bits = CXLT_BITMASK(info->bits)
				     << (info->bits < 64 ? info->shift : 0);

			if (info->word != word && (info->bits != 128 || info->word + 1U != word))
				continue;
			if (t->mask[i] & bits)
				out[n++] = (struct part){t->mask[i] & bits, word};
		}
	}
	return n;
}

/*
 * The pair for a part: the same one, else a new one, else, as all are taken, one that has the most of
 * its bits; what that rules out is ruled out rightly.  -1: none.
 */
static int pair_for(struct change *c, struct cxlt_list_image *im, const struct part *part)
{
	int best = -1, bits = 0, hole = -1;
	__u32 i, ref;

	for (i = 0; i < im->n_pairs; i++) {
		if (!im->mask[i]) {
			hole = (int)i;
			continue;
		}
		if (CXLT_PAIR_WORD(im->pair[i]) != part->word || im->mask[i] & ~part->mask)
			continue;
		if (im->mask[i] == part->mask)
			return (int)i;
		if (__builtin_popcountll(im->mask[i]) > bits) {
			best = (int)i;
			bits = __builtin_popcountll(im->mask[i]);
		}
	}
	if (hole < 0 && im->n_pairs < CXLT_PAIRS_MAX)
		hole = (int)im->n_pairs;
	ref = hole < 0 ? 0
		       : cxlt_alloc_lines(c->s, &c->w->alloc, CXLT_KIND_FILTER,
					  CXLT_CELLS_LOG2_MIN - 6);
	if (!ref)
		return best;
	if (hole == (int)im->n_pairs)
		im->n_pairs++;
	im->mask[hole] = part->mask;
	im->pair[hole] = CXLT_PAIR(ref, CXLT_CELLS_LOG2_MIN, part->word);
	for (i = 0; i < CXLT_TUPLES_MAX / 64; i++)
		im->uses[hole][i] = 0;
	im->fresh |= 1ULL << hole;
	return hole;
}

/* Tuple `at` of the list: as many pairs as it can get. */
static void join(struct change *c, struct cxlt_list_image *im, __u32 at)
{
	const struct cxlt_tuple *t =
		cxlt_line(&c->s->view, CXLT_ITEM_REF(im->item[at]), CXLT_TUPLE_LINES);
	struct part part[CXLT_TUPLE_PAIRS];
	__u32 n = t ? split(t, part) : 0, i;

	for (i = 0; i < n; i++) {
		int p = pair_for(c, im, &part[i]);

		if (p >= 0)
			im->uses[p][at / 64] |= 1ULL << (at & 63);
	}
	im->joined[at / 64] |= (__u64)(t != NULL) << (at & 63);
}

void cxlt_filter_join(struct change *c, struct cxlt_list_image *im, __u32 n_before)
{
	__u32 i;

	im->fresh = 0;
	for (i = 0; i < CXLT_TUPLES_MAX / 64; i++)
		im->joined[i] = 0;
	if (im->n < CXLT_FILTER_FROM || cxlt_device_chunks(c->s) < CHUNKS_MIN)
		return;
	for (i = 0; i < im->n; i++)
		if (n_before < CXLT_FILTER_FROM ||
		    (im->n > n_before && CXLT_ITEM_REF(im->item[i]) == c->tref))
			join(c, im, i);
}

void cxlt_filter_joined(struct change *c, const struct cxlt_list_image *im)
{
	__u32 i, p;

	for (i = 0; i < im->n; i++) {
		struct cxlt_tuple *t;

		if (!(im->joined[i / 64] >> (i & 63) & 1))
			continue;
		t = cxlt_at(c->s, CXLT_ITEM_REF(im->item[i]));
		for (p = 0; p < im->n_pairs; p++)
			if (im->uses[p][i / 64] >> (i & 63) & 1)
				cxlt_filter_tally(c->s, t, im->mask[p], im->pair[p],
						  cxlt_at(c->s, CXLT_PAIR_REF(im->pair[p])));
		cxlt_store(&t->pairs, cxlt_filter_pairs(im, i));
	}
}

void cxlt_filter_left(const struct change *c, const struct cxlt_list_image *im)
{
	__u32 i;

	for (i = 0; i < im->n && !im->n_pairs; i++) {
		struct cxlt_tuple *t =
			cxlt_line(&c->s->view, CXLT_ITEM_REF(im->item[i]), CXLT_TUPLE_LINES);

		if (t && t->pairs)
			cxlt_store(&t->pairs, 0);
	}
}

static bool is_used(const struct cxlt_list_image *im, __u32 p)
{
	__u64 any = 0;
	__u32 g;

	for (g = 0; g < (im->n + 63) / 64; g++)
		any |= im->uses[p][g];
	return any;
}

__u32 cxlt_filter_trim(struct cxlt_list_image *im, __u32 *gone)
{
	__u32 p, n = 0;

	for (p = 0; p < im->n_pairs; p++) {
		if (!im->mask[p] || (im->n >= CXLT_FILTER_FROM && is_used(im, p)))
			continue;
		gone[n++] = CXLT_PAIR_REF(im->pair[p]);
		im->mask[p] = im->pair[p] = 0;
	}
	while (im->n_pairs && !im->mask[im->n_pairs - 1])
		im->n_pairs--;
	return n;
}

__u32 cxlt_filter_drop(struct change *c, struct cxlt_list_image *im, __u32 *gone)
{
	__u32 p, n = 0;

	for (p = 0; p < im->n_pairs; p++) {
		if (im->fresh >> p & 1)
			cxlt_free_lines(c->s, &c->w->alloc, CXLT_PAIR_REF(im->pair[p]));
		else if (im->mask[p])
			gone[n++] = CXLT_PAIR_REF(im->pair[p]);
	}
	for (p = 0; p < CXLT_TUPLES_MAX / 64; p++)
		im->joined[p] = 0;
	im->n_pairs = 0;
	im->fresh = 0;
	return n;
}

/* Growth */

/* More than a quarter of the cells say "maybe". */
static bool is_crowded(const struct cxlt_slice *s, __u64 pair)
{
	__u32 i, k, n = 0, cells = 1U << CXLT_PAIR_LOG2(pair);
	const __u64 *w = cxlt_at(s, CXLT_PAIR_REF(pair));

	if (CXLT_PAIR_LOG2(pair) >= CXLT_CELLS_LOG2_MAX)
		return false;
	for (i = 0; i < cells / 8; i++)
		for (k = 0; w[i] && k < 64; k += 8)
			n += (w[i] >> k & 0xff) != 0;
	return n > cells / 4;
}

/* An array four times as large, filled from all rules that count there; 0 if there is no room. */
static __u64 larger(struct change *c, const struct cxlt_list_image *im, __u32 p)
{
	__u32 log2 = CXLT_PAIR_LOG2(im->pair[p]) + 2, ref, i;
	__u64 pair;

	ref = cxlt_alloc_lines(c->s, &c->w->alloc, CXLT_KIND_FILTER, log2 - 6);
	if (!ref)
		return 0;
	pair = CXLT_PAIR(ref, log2, CXLT_PAIR_WORD(im->pair[p]));
	for (i = 0; i < im->n; i++) {
		const struct cxlt_tuple *t =
			cxlt_line(&c->s->view, CXLT_ITEM_REF(im->item[i]), CXLT_TUPLE_LINES);

		if (t && im->uses[p][i / 64] >> (i & 63) & 1)
			cxlt_filter_tally(c->s, t, im->mask[p], pair, cxlt_at(c->s, ref));
	}
	return pair;
}

__u32 cxlt_filter_grow(struct change *c, struct cxlt_list_image *im, __u32 *gone)
{
	__u64 used = cxlt_load(&c->tuple->pairs);
	__u32 n = 0;

	for (; used; used >>= 8) {
		__u32 p = (__u32)(used & 0xff) - 1;
		__u64 pair;

		if (p >= im->n_pairs || !pair_sound(c->s, im->pair[p]) ||
		    !is_crowded(c->s, im->pair[p]))
			continue;
		pair = larger(c, im, p);
		if (!pair)
			continue;
		gone[n++] = CXLT_PAIR_REF(im->pair[p]);
		im->pair[p] = pair;
		im->fresh |= 1ULL << p;
	}
	return n;
}

/* Repair */

int cxlt_filter_compare(struct cxlt_slice *s, const struct cxlt_list_image *im, __u32 p, bool fix)
{
	__u32 words = (1U << CXLT_PAIR_LOG2(im->pair[p])) / 8, i, k;
	__u64 *live = cxlt_at(s, CXLT_PAIR_REF(im->pair[p])), *want = calloc(words, sizeof(*want));
	int found = 0;

	if (!want)
		return -ENOMEM;
	for (i = 0; i < im->n; i++) {
		const struct cxlt_tuple *t =
			cxlt_line(&s->view, CXLT_ITEM_REF(im->item[i]), CXLT_TUPLE_LINES);

		if (t && im->uses[p][i / 64] >> (i & 63) & 1)
			cxlt_filter_tally(s, t, im->mask[p], im->pair[p], want);
	}
	for (i = 0; i < words; i++) {
		__u64 have = cxlt_load(&live[i]);

		for (k = 0; have != want[i] && k < 64; k += 8) {
			if ((have >> k & 0xff) < (want[i] >> k & 0xff))
				found |= CXLT_CELLS_LOW;
			else if ((have >> k & 0xff) != (want[i] >> k & 0xff) &&
				 (have >> k & 0xff) != CXLT_CELL_STUCK)
				found |= CXLT_CELLS_HIGH;
		}
		if (fix && have != want[i])
			cxlt_store_release(&live[i], want[i]);
	}
	free(want);
	return found;
}

__u64 cxlt_filter_pairs(const struct cxlt_list_image *im, __u32 at)
{
	__u64 used = 0;
	__u32 p;

	for (p = im->n_pairs; p--;)
		if (im->uses[p][at / 64] >> (at & 63) & 1)
			used = used << 8 | (p + 1);
	return used;
}
