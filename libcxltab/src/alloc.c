// SPDX-License-Identifier: Apache-2.0
/*
 * Lines: objects of one kind and size from chunks with a bitmap, bucket arrays from runs of
 * chunks.  A bit is set before the object is filled and cleared after it is unreachable, so a
 * writer that dies leaks at most what a repair finds unreachable.  A chunk keeps its kind and
 * size for good (type stability).  Caller: the holder of the write lock.
 */
#include <string.h>

#include "internal.h"

static struct cxlt_chunk *chunk_at(const struct cxlt_slice *s, __u32 i)
{
	return (struct cxlt_chunk *)cxlt_at(s, s->dir.chunks) + i;
}

static __u32 chunk_ref(const struct cxlt_slice *s, __u32 i)
{
	return s->dir.chunk0 + i * CXLT_CHUNK_LINES;
}

__u32 cxlt_device_chunks(const struct cxlt_slice *s)
{
	__u32 n = (s->header.dev_lines - s->dir.chunk0) / CXLT_CHUNK_LINES;

	return n < s->dir.n_chunks ? n : s->dir.n_chunks;
}

void cxlt_alloc_reset(struct cxlt_alloc *a)
{
	memset(a->hint, 0, sizeof(a->hint));
	memset(a->scan, 1, sizeof(a->scan));
	memset(a->next_free, 0, sizeof(a->next_free));
	memset(a->recent, 0, sizeof(a->recent));
}

struct cxlt_chunk *cxlt_chunk_of(const struct cxlt_slice *s, __u32 ref, __u32 *object)
{
	__u32 at = ref - s->dir.chunk0, i = at / CXLT_CHUNK_LINES;
	struct cxlt_chunk *c;

	if (ref < s->dir.chunk0 || i >= s->dir.n_chunks)
		return NULL;
	c = chunk_at(s, i);
	if (!c->size || (at % CXLT_CHUNK_LINES) % c->size || c->size > CXLT_CHUNK_LINES ||
	    c->kind >= CXLT_N_KINDS)
		return NULL;
	*object = (at % CXLT_CHUNK_LINES) / c->size;
	return c;
}

static __u32 per_chunk(__u32 lines)
{
	return CXLT_CHUNK_LINES / lines;
}

/* A free object of chunk i, marked used; 0 if the chunk is full. */
static __u32 take(struct cxlt_slice *s, __u32 i, __u32 lines)
{
	struct cxlt_chunk *c = chunk_at(s, i);
	__u32 n = per_chunk(lines), w;

	for (w = 0; w * 64 < n; w++) {
		__u64 used = cxlt_load(&c->used[w]);
		__u32 bit;

		if (used == ~0ULL)
			continue;
		bit = (__u32)__builtin_ctzll(~used);
		if (w * 64 + bit >= n)
			return 0;
		cxlt_store(&c->used[w], used | 1ULL << bit);
		return chunk_ref(s, i) + (w * 64 + bit) * lines;
	}
	return 0;
}

static bool is_class(const struct cxlt_chunk *c, int kind, __u32 lines)
{
	return c->kind == kind && c->size == lines;
}

/*
 * In a divided slice, rules may lie in the host domain, but what finds them may not: a quarter of
 * the device domain is left to bucket arrays, tuples, lists and change words.
 */
static bool is_reserved(const struct cxlt_slice *s, int kind, __u32 chunk)
{
	__u32 dev = cxlt_device_chunks(s);

	return dev < s->dir.n_chunks && (kind == CXLT_KIND_RULE || kind == CXLT_KIND_COUNTERS) &&
	       chunk < dev && chunk >= dev - dev / 4;
}

/* Turns a free chunk of [from, to) into one of this kind and size. */
static bool claim(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines, __u32 from,
		  __u32 to, __u32 *out)
{
	bool host = from != 0;
	__u32 i = a->next_free[host];

	if (i < from)
		i = from;
	while (i < to && chunk_at(s, i)->kind != CXLT_KIND_FREE)
		i++;
	a->next_free[host] = i;
	if (i >= to || is_reserved(s, kind, i))
		return false;
	chunk_at(s, i)->size = (__u16)lines;
	cxlt_write_barrier();
	chunk_at(s, i)->kind = (__u8)kind;
	*out = i;
	return true;
}

/* An object from chunks [from, to): the hinted chunk, a scan if one may help, a new chunk. */
static __u32 take_in(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines, __u32 from,
		     __u32 to)
{
	__u32 *hint = &a->hint[kind][lines], i, ref;

	if (*hint && *hint - 1 >= from && *hint - 1 < to &&
	    is_class(chunk_at(s, *hint - 1), kind, lines)) {
		ref = take(s, *hint - 1, lines);
		if (ref)
			return ref;
	}
	if (a->scan[kind][lines]) {
		for (i = from; i < to; i++) {
			if (!is_class(chunk_at(s, i), kind, lines))
				continue;
			ref = take(s, i, lines);
			if (ref) {
				*hint = i + 1;
				return ref;
			}
		}
		a->scan[kind][lines] = 0;
	}
	if (!claim(s, a, kind, lines, from, to, &i))
		return 0;
	*hint = i + 1;
	return take(s, i, lines);
}

static __u32 take_recent(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines,
			 __u32 limit)
{
	while (a->recent[kind].n) {
		__u32 ref = a->recent[kind].ref[a->recent[kind].n - 1], object;
		struct cxlt_chunk *c = cxlt_chunk_of(s, ref, &object);

		if (!c || !is_class(c, kind, lines) || ref >= limit) {
			a->scan[kind][c ? c->size : lines] = 1;
			a->recent[kind].n--;
			return 0;
		}
		a->recent[kind].n--;
		if (c->used[object / 64] >> (object % 64) & 1)
			continue;
		cxlt_store(&c->used[object / 64], c->used[object / 64] | 1ULL << (object % 64));
		return ref;
	}
	return 0;
}

__u32 cxlt_alloc_object(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines,
			int place)
{
	__u32 dev = cxlt_device_chunks(s), all = s->dir.n_chunks, ref = 0;

	if (place != CXLT_PLACE_HOST || dev == all)
		ref = take_recent(s, a, kind, lines, chunk_ref(s, dev));
	if (ref)
		return ref;
	if (place == CXLT_PLACE_HOST && all > dev)
		ref = take_in(s, a, kind, lines, dev, all);
	if (!ref)
		ref = take_in(s, a, kind, lines, 0, dev);
	if (!ref && place == CXLT_PLACE_ANY && all > dev)
		ref = take_in(s, a, kind, lines, dev, all);
	return ref;
}

void cxlt_free_object(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	__u32 object;
	struct cxlt_chunk *c = cxlt_chunk_of(s, ref, &object);

	if (!c)
		return;
	cxlt_store(&c->used[object / 64], c->used[object / 64] & ~(1ULL << (object % 64)));
	if (a->recent[c->kind].n < 256)
		a->recent[c->kind].ref[a->recent[c->kind].n++] = ref;
	else
		a->scan[c->kind][c->size] = 1;
}

/*
 * Spans: runs of whole chunks, described by their first one; a free span keeps its descriptors
 * and can be taken again, in part or joined with free neighbours.
 */
static __u32 span_len(const struct cxlt_slice *s, __u32 i)
{
	const struct cxlt_chunk *c = chunk_at(s, i);

	return c->span && c->span <= s->dir.n_chunks - i ? c->span : 1;
}

static bool span_free(const struct cxlt_slice *s, __u32 i, int kind)
{
	const struct cxlt_chunk *c = chunk_at(s, i);

	return c->kind == CXLT_KIND_FREE || (c->kind == kind && c->span && !(c->used[0] & 1));
}

static void span_make(struct cxlt_slice *s, __u32 i, __u32 n, int kind, int used)
{
	struct cxlt_chunk *c = chunk_at(s, i);
	__u32 j;

	for (j = 1; j < n; j++) {
		struct cxlt_chunk *body = chunk_at(s, i + j);

		body->span = 0;
		body->used[0] = 0;
		body->size = CXLT_CHUNK_LINES;
		body->kind = (__u8)kind;
	}
	c->size = CXLT_CHUNK_LINES;
	c->span = n;
	c->used[0] = (__u64)used;
	c->kind = (__u8)kind;
}

static __u32 span_alloc(struct cxlt_slice *s, int kind, __u32 n)
{
	__u32 dev = cxlt_device_chunks(s), i = 0;

	while (i < dev) {
		__u32 run = 0, last;

		while (i + run < dev && run < n && span_free(s, i + run, kind)) {
			last = span_len(s, i + run);
			run += last;
		}
		if (run >= n && i + run <= dev) {
			if (run > n)
				span_make(s, i + n, run - n, kind, 0);
			span_make(s, i, n, kind, 1);
			return chunk_ref(s, i);
		}
		i += run;
		if (i < dev)
			i += span_len(s, i);
	}
	return 0;
}

__u32 cxlt_alloc_lines(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 log2)
{
	__u32 lines = 1U << log2, ref, i;
	__u64 *w;

	if (lines >= CXLT_CHUNK_LINES)
		ref = span_alloc(s, kind, lines / CXLT_CHUNK_LINES);
	else
		ref = cxlt_alloc_object(s, a, kind, lines, CXLT_PLACE_DEVICE);
	if (!ref)
		return 0;
	w = cxlt_at(s, ref);
	for (i = 0; i < lines * CXLT_LINE_WORDS; i++)
		cxlt_store(&w[i], 0);
	return ref;
}

void cxlt_free_lines(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	__u32 object;
	struct cxlt_chunk *c = cxlt_chunk_of(s, ref, &object);

	if (!c)
		return;
	if (c->span)
		cxlt_store(&c->used[0], 0);
	else
		cxlt_free_object(s, a, ref);
}

void cxlt_slice_usage(const struct cxlt_slice *s, struct cxlt_usage *u)
{
	__u32 dev = cxlt_device_chunks(s), i, w;

	memset(u, 0, sizeof(*u));
	for (i = 0; i < s->dir.n_chunks; i++) {
		const struct cxlt_chunk *c = chunk_at(s, i);
		__u32 kind = c->kind, lines = c->size, n = 0;

		if (kind == CXLT_KIND_FREE)
			u->lines[kind] += CXLT_CHUNK_LINES;
		if (kind == CXLT_KIND_FREE || kind >= CXLT_N_KINDS || !lines ||
		    lines > CXLT_CHUNK_LINES)
			continue;
		if (c->span) {
			n = span_len(s, i) * CXLT_CHUNK_LINES;
			u->lines[kind] += n;
			n = c->used[0] & 1 ? n : 0;
			i += span_len(s, i) - 1;
		} else {
			for (w = 0; w < 4; w++)
				n += (__u32)__builtin_popcountll(c->used[w]) * lines;
			u->lines[kind] += CXLT_CHUNK_LINES;
		}
		u->used[kind] += n;
		if (i >= dev)
			u->host_used += n;
	}
}
