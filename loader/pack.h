/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack.h - matches and records in memory, small: commands may hold millions of them.
 *
 * Of a match only the key words that are matched on are kept, as pairs of mask and value.
 */
#ifndef CXLTAB_LOADER_PACK_H
#define CXLTAB_LOADER_PACK_H

#include <stdlib.h>
#include <string.h>

#include <cxltab/key.h>

/* Records of different sizes, back to back; doubles when it is full, so that records move. */
struct pack_buffer {
	__u64 *word;
	size_t n, room;
};

/* Room for n more words, or NULL. */
static inline void *pack_push(struct pack_buffer *b, size_t n)
{
	if (b->room - b->n < n) {
		size_t room = b->room ? b->room * 2 : 4096;
		__u64 *word;

		while (room - b->n < n)
			room *= 2;
		word = realloc(b->word, room * sizeof(*word));
		if (!word)
			return NULL;
		b->word = word;
		b->room = room;
	}
	b->n += n;
	return b->word + b->n - n;
}

/* Bit per key word whose mask isn't 0. */
static inline __u32 pack_words(const struct cxlt_key *mask)
{
	__u32 i, words = 0;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		words |= (__u32)(mask->w[i] != 0) << i;
	return words;
}

/* Number of words of such a match. */
static inline size_t pack_size(__u32 words)
{
	return 2 * __builtin_popcount(words);
}

/* Both return the first word behind the match. */
static inline __u64 *pack_match(__u64 *body, __u32 words, const struct cxlt_key *value,
				const struct cxlt_key *mask)
{
	for (; words; words &= words - 1) {
		int i = __builtin_ctz(words);

		*body++ = mask->w[i];
		*body++ = value->w[i] & mask->w[i];
	}
	return body;
}

static inline const __u64 *pack_unmatch(const __u64 *body, __u32 words, struct cxlt_key *value,
					struct cxlt_key *mask)
{
	memset(value, 0, sizeof(*value));
	memset(mask, 0, sizeof(*mask));
	for (; words; words &= words - 1) {
		int i = __builtin_ctz(words);

		mask->w[i] = *body++;
		value->w[i] = *body++;
	}
	return body;
}

#endif
