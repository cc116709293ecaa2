// SPDX-License-Identifier: Apache-2.0
/*
 * Lines: objects of one kind and size from chunks with a bitmap, bucket arrays from runs of
 * chunks.  A bit is set before the object is filled and cleared after it is unreachable, so a
 * writer that dies leaks at most what a repair finds unreachable.  A chunk keeps its kind and
 * size for good (type stability).
 *
 * Writers take and free objects at once: a bit is won by a fetch-or, a chunk by a compare-and-swap of
 * its descriptor's first word.  Each handle keeps to chunks that it has claimed, as long as they
 * have room.  Spans belong to the writer that has the slice alone.
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

/* kind 8 | pad 8 | size 16 | span 32: a descriptor's first word. */
static __u64 chunk_head(const struct cxlt_chunk *c)
{
	return cxlt_load((const __u64 *)c);
}

static __u64 head_of(int kind, __u32 lines)
{
	return (__u64)kind | (__u64)lines << 16;
}

/* What refs and sizes of a kind count, in a line: lines, or the cells of exact entries. */
static __u32 per_line(int kind)
{
	return kind == CXLT_KIND_EXACT ? CXLT_LINE / CXLT_CELL : 1;
}

__u64 *cxlt_chunk_used(const struct cxlt_slice *s, __u32 i)
{
	struct cxlt_chunk *c = chunk_at(s, i);

	if ((__u32)chunk_head(c) == head_of(CXLT_KIND_EXACT, 1))
		return cxlt_at(s, chunk_ref(s, i) + CXLT_CHUNK_LINES - 1);
	return c->kind == CXLT_KIND_NEAR ? &c->reserved[1] : c->used;
}

__u32 cxlt_chunk_objects(const struct cxlt_slice *s, __u32 i)
{
	const struct cxlt_chunk *c = chunk_at(s, i);

	if (c->kind == CXLT_KIND_NEAR)
		return CXLT_PAGE_BITS * CXLT_CHUNK_LINES / CXLT_PAGE_LINES;
	return c->size && c->size <= CXLT_CHUNK_LINES ? CXLT_CHUNK_OBJECTS(c->kind, c->size) : 0;
}

/* The number of the entry at cell `at` of a chunk of pages of this kind. */
static bool near_object(__u8 near, __u32 at, __u32 *object)
{
	__u32 cell = at % (2 * CXLT_PAGE_LINES), size = CXLT_NEAR_CELLS(near);
	__u32 first = 2U << CXLT_NEAR_LOG2(near);

	if (!size || cell < first || (cell - first) % size ||
	    (cell - first) / size >= CXLT_NEAR_ENTRIES(near))
		return false;
	*object = at / (2 * CXLT_PAGE_LINES) * CXLT_PAGE_BITS + (cell - first) / size;
	return true;
}

bool cxlt_chunk_of(const struct cxlt_slice *s, int kind, __u32 ref, __u32 *chunk, __u32 *object)
{
	__u32 n = CXLT_CHUNK_LINES * per_line(kind), at, size;
	__u64 first = (__u64)s->dir.chunk0 * per_line(kind), head;

	if (ref < first || (ref - first) / n >= s->dir.n_chunks)
		return false;
	at = (__u32)((ref - first) % n);
	*chunk = (__u32)((ref - first) / n);
	head = chunk_head(chunk_at(s, *chunk));
	size = (head >> 16) & 0xffff;
	if (kind == CXLT_KIND_EXACT && (head & 0xff) == CXLT_KIND_NEAR)
		return near_object((__u8)(head >> 8), at, object);
	if (!size || at % size || size > CXLT_CHUNK_LINES || (head & 0xff) != (__u64)kind)
		return false;
	*object = at / size;
	return *object < CXLT_CHUNK_OBJECTS(kind, size);
}

/* Wins an object's bit; false if somebody else has it. */
static bool win(const struct cxlt_alloc *a, __u64 *used, __u32 object)
{
	__u64 bit = 1ULL << (object % 64), was;

	if (a->alone) {
		was = cxlt_load(&used[object / 64]);
		cxlt_store(&used[object / 64], was | bit);
		return !(was & bit);
	}
	return !(cxlt_fetch_or(&used[object / 64], bit) & bit);
}

enum {
	AHEAD = 2,	   /* objects, at least */
	AHEAD_BYTES = 512, /* and so many bytes */
};

static void fetch(const char *at, __u32 bytes)
{
	__u32 i;

	for (i = 0; i < bytes && i < 3 * CXLT_LINE; i += CXLT_LINE)
		__builtin_prefetch(at + i, 1);
}

/* A free object of chunk i, marked used; 0 if the chunk is full. */
static __u32 take(struct cxlt_slice *s, const struct cxlt_alloc *a, __u32 i, int kind, __u32 size)
{
	__u32 n = CXLT_CHUNK_OBJECTS(kind, size), unit = CXLT_LINE / per_line(kind), w, ahead;
	__u64 *bits = cxlt_chunk_used(s, i);

	for (w = 0; w * 64 < n; w++) {
		__u64 used = cxlt_load(&bits[w]);

		while (used != ~0ULL) {
			__u32 object = w * 64 + (__u32)__builtin_ctzll(~used);

			if (object >= n)
				return 0;
			if (!win(a, bits, object)) {
				used = cxlt_load(&bits[w]);
				continue;
			}
			/* The next one will be wanted soon, and is cold. */
			ahead = AHEAD * size * unit;
			if (ahead < AHEAD_BYTES)
				ahead = AHEAD_BYTES;
			fetch((char *)cxlt_at(s, chunk_ref(s, i)) + object * size * unit + ahead,
			      size * unit);
			return chunk_ref(s, i) * per_line(kind) + object * size;
		}
	}
	return 0;
}

static bool is_class(const struct cxlt_chunk *c, int kind, __u32 lines)
{
	return (__u32)chunk_head(c) == head_of(kind, lines);
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
	for (; i < to && !is_reserved(s, kind, i); i++) {
		__u64 head = chunk_head(chunk_at(s, i));

		if (!(head & 0xff) && cxlt_cas((__u64 *)chunk_at(s, i), head, head_of(kind, lines)))
			break;
	}
	a->next_free[host] = i;
	*out = i;
	return i < to && !is_reserved(s, kind, i);
}

/* An object of any chunk of its class in [from, to). */
static __u32 scan(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines, __u32 from,
		  __u32 to)
{
	__u32 i, ref;

	for (i = from; i < to; i++) {
		ref = is_class(chunk_at(s, i), kind, lines) ? take(s, a, i, kind, lines) : 0;
		if (ref) {
			a->hint[kind][lines] = i + 1;
			return ref;
		}
	}
	a->scan[kind][lines] = 0;
	return 0;
}

/*
 * An object from chunks [from, to): the hinted chunk, a scan if one may help, a new chunk; and a scan
 * whatever we know, since others may have freed something.
 */
static __u32 take_in(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines, __u32 from,
		     __u32 to)
{
	__u32 hint = a->hint[kind][lines] - 1, ref = 0, i;
	bool scanned = a->scan[kind][lines];

	if (hint + 1 && hint >= from && hint < to && is_class(chunk_at(s, hint), kind, lines))
		ref = take(s, a, hint, kind, lines);
	if (!ref && scanned)
		ref = scan(s, a, kind, lines, from, to);
	while (!ref && claim(s, a, kind, lines, from, to, &i)) {
		a->hint[kind][lines] = i + 1;
		ref = take(s, a, i, kind, lines);
	}
	return ref || scanned ? ref : scan(s, a, kind, lines, from, to);
}

/* One that this handle freed, in chunks [0, limit). */
static __u32 take_recent(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines,
			 __u32 limit)
{
	while (a->recent[kind].n) {
		__u32 ref = a->recent[kind].ref[--a->recent[kind].n], object, i;
		bool known = cxlt_chunk_of(s, kind, ref, &i, &object);

		if (!known || !is_class(chunk_at(s, i), kind, lines) || i >= limit) {
			a->scan[kind][known ? (chunk_head(chunk_at(s, i)) >> 16) & 0xffff : lines] =
				1;
			return 0;
		}
		if (win(a, cxlt_chunk_used(s, i), object))
			return ref;
	}
	return 0;
}

__u32 cxlt_alloc_object(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 lines,
			int place)
{
	__u32 dev = cxlt_device_chunks(s), all = s->dir.n_chunks, ref = 0;

	if (place != CXLT_PLACE_HOST || dev == all)
		ref = take_recent(s, a, kind, lines, dev);
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

static void give(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 ref)
{
	__u32 object, i;
	__u64 *used;

	if (!cxlt_chunk_of(s, kind, ref, &i, &object))
		return;
	used = &cxlt_chunk_used(s, i)[object / 64];
	if (a->alone)
		cxlt_store(used, cxlt_load(used) & ~(1ULL << (object % 64)));
	else
		cxlt_fetch_and(used, ~(1ULL << (object % 64)));
	if (chunk_at(s, i)->kind == CXLT_KIND_NEAR)
		return;
	if (a->recent[kind].n < 256)
		a->recent[kind].ref[a->recent[kind].n++] = ref;
	else
		a->scan[kind][(chunk_head(chunk_at(s, i)) >> 16) & 0xffff] = 1;
}

/* The kind of the chunk that this line is in. */
static int kind_at(const struct cxlt_slice *s, __u32 ref)
{
	__u32 i = (ref - s->dir.chunk0) / CXLT_CHUNK_LINES;

	return ref >= s->dir.chunk0 && i < s->dir.n_chunks ? chunk_head(chunk_at(s, i)) & 0xff : 0;
}

void cxlt_free_object(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	give(s, a, kind_at(s, ref), ref);
}

void cxlt_free_cells(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	give(s, a, CXLT_KIND_EXACT, ref);
}

/* The free entry of this page that would be taken; ~0 if there is none. */
static __u32 free_in_page(const struct cxlt_slice *s, __u32 page)
{
	const __u64 *bits = cxlt_chunk_used(s, page / 4);
	__u32 bit = page % 4 * CXLT_PAGE_BITS;
	__u32 end = bit + CXLT_NEAR_ENTRIES(chunk_at(s, page / 4)->near), w;

	for (w = bit / 64; w * 64 < end; w++) {
		__u64 free = ~cxlt_load(&bits[w]);

		if (w * 64 < bit)
			free &= ~0ULL << (bit % 64);
		if (end - w * 64 < 64)
			free &= (1ULL << (end % 64)) - 1;
		if (free)
			return w * 64 + (__u32)__builtin_ctzll(free);
	}
	return ~0U;
}

static __u32 near_ref(const struct cxlt_slice *s, __u32 page, __u32 object)
{
	__u8 near = chunk_at(s, page / 4)->near;

	return (s->dir.chunk0 + page * CXLT_PAGE_LINES) * 2 + (2U << CXLT_NEAR_LOG2(near)) +
	       (object - page % 4 * CXLT_PAGE_BITS) * CXLT_NEAR_CELLS(near);
}

/* Whose line `ref` is; false if it is none of pages of such entries. */
static bool page_of(const struct cxlt_slice *s, __u32 ref, __u32 cells, __u32 *page)
{
	*page = (ref - s->dir.chunk0) / CXLT_PAGE_LINES;
	return ref >= s->dir.chunk0 && *page / 4 < s->dir.n_chunks &&
	       chunk_at(s, *page / 4)->kind == CXLT_KIND_NEAR &&
	       CXLT_NEAR_CELLS(chunk_at(s, *page / 4)->near) == cells;
}

__u32 cxlt_alloc_in_page(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref, __u32 cells)
{
	__u32 page, object;

	if (!page_of(s, ref, cells, &page))
		return 0;
	while ((object = free_in_page(s, page)) != ~0U)
		if (win(a, cxlt_chunk_used(s, page / 4), object))
			return near_ref(s, page, object);
	return 0;
}

void cxlt_alloc_ahead(const struct cxlt_slice *s, __u32 ref, __u32 cells)
{
	__u32 page, object;

	if (!page_of(s, ref, cells, &page))
		return;
	object = free_in_page(s, page);
	if (object != ~0U)
		fetch((char *)cxlt_exact_at(s, near_ref(s, page, object)), cells * CXLT_CELL);
}

/* Wins up to n bits of one word at once. */
static __u64 win_some(const struct cxlt_alloc *a, __u64 *word, __u64 valid, __u32 n)
{
	__u64 free = ~cxlt_load(word) & valid, want = 0, was;

	for (; free && n; n--, free &= free - 1)
		want |= free & -free;
	if (!want)
		return 0;
	if (!a->alone)
		return want & ~cxlt_fetch_or(word, want);
	was = cxlt_load(word);
	cxlt_store(word, was | want);
	return want & ~was;
}

__u32 cxlt_alloc_some(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 cells, __u32 *refs, __u32 n)
{
	__u32 got = 0, i = a->hint[CXLT_KIND_EXACT][cells] - 1, w, objects;

	if (a->recent[CXLT_KIND_EXACT].n || i >= cxlt_device_chunks(s) ||
	    !is_class(chunk_at(s, i), CXLT_KIND_EXACT, cells))
		return 0;
	objects = CXLT_CHUNK_OBJECTS(CXLT_KIND_EXACT, cells);
	for (w = 0; w * 64 < objects && got < n; w++) {
		__u64 valid = objects - w * 64 < 64 ? (1ULL << (objects % 64)) - 1 : ~0ULL;
		__u64 won = win_some(a, &cxlt_chunk_used(s, i)[w], valid, n - got);

		for (; won; won &= won - 1) {
			refs[got] = chunk_ref(s, i) * 2 +
				    (w * 64 + (__u32)__builtin_ctzll(won)) * cells;
			fetch((char *)cxlt_exact_at(s, refs[got]), cells * CXLT_CELL);
			got++;
		}
	}
	return got;
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

__u64 *cxlt_span_used(struct cxlt_chunk *c)
{
	return c->kind == CXLT_KIND_NEAR ? &c->reserved[0] : &c->used[0];
}

static bool span_free(const struct cxlt_slice *s, __u32 i, int kind, __u8 near)
{
	struct cxlt_chunk *c = chunk_at(s, i);

	return c->kind == CXLT_KIND_FREE ||
	       (c->kind == kind && c->near == near && c->span && !(*cxlt_span_used(c) & 1));
}

static void span_make(struct cxlt_slice *s, __u32 i, __u32 n, int kind, __u8 near, int used)
{
	struct cxlt_chunk *c = chunk_at(s, i);
	__u32 j;

	for (j = 1; j < n; j++) {
		struct cxlt_chunk *body = chunk_at(s, i + j);

		body->span = 0;
		body->used[0] = 0;
		body->size = CXLT_CHUNK_LINES;
		body->near = near;
		body->kind = (__u8)kind;
	}
	c->size = CXLT_CHUNK_LINES;
	c->span = n;
	c->near = near;
	c->kind = (__u8)kind;
	*cxlt_span_used(c) = (__u64)used;
}

static __u32 span_alloc(struct cxlt_slice *s, int kind, __u8 near, __u32 n)
{
	__u32 dev = cxlt_device_chunks(s), i = 0;

	while (i < dev) {
		__u32 run = 0, last;

		while (i + run < dev && run < n && span_free(s, i + run, kind, near)) {
			last = span_len(s, i + run);
			run += last;
		}
		if (run >= n && i + run <= dev) {
			if (run > n)
				span_make(s, i + n, run - n, kind, near, 0);
			span_make(s, i, n, kind, near, 1);
			return chunk_ref(s, i);
		}
		i += run;
		if (i < dev)
			i += span_len(s, i);
	}
	return 0;
}

static void zero(struct cxlt_slice *s, __u32 ref, __u64 lines)
{
	__u64 *w = cxlt_at(s, ref), i;

	for (i = 0; i < lines * CXLT_LINE_WORDS; i++)
		cxlt_store(&w[i], 0);
}

__u32 cxlt_alloc_near(struct cxlt_slice *s, __u32 pages, __u8 near)
{
	__u32 chunks = pages / (CXLT_CHUNK_LINES / CXLT_PAGE_LINES);
	__u32 ref = span_alloc(s, CXLT_KIND_NEAR, near, chunks), page, i;

	if (!ref)
		return 0;
	for (page = 0; page < pages; page++)
		zero(s, ref + page * CXLT_PAGE_LINES, 1U << CXLT_NEAR_LOG2(near));
	/* Bits may be left of one who died in making the table. */
	for (i = 0; i < chunks; i++)
		memset(cxlt_chunk_used(s, (ref - s->dir.chunk0) / CXLT_CHUNK_LINES + i), 0, 48);
	return ref;
}

__u32 cxlt_alloc_lines(struct cxlt_slice *s, struct cxlt_alloc *a, int kind, __u32 log2)
{
	__u32 lines = 1U << log2, ref;

	if (lines >= CXLT_CHUNK_LINES)
		ref = span_alloc(s, kind, 0, lines / CXLT_CHUNK_LINES);
	else
		ref = cxlt_alloc_object(s, a, kind, lines, CXLT_PLACE_DEVICE);
	if (ref)
		zero(s, ref, lines);
	return ref;
}

void cxlt_free_lines(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	__u32 object, i;

	if (!cxlt_chunk_of(s, kind_at(s, ref), ref, &i, &object))
		return;
	if (chunk_at(s, i)->span)
		cxlt_store(cxlt_span_used(chunk_at(s, i)), 0);
	else
		cxlt_free_object(s, a, ref);
}

static __u32 count_bits(const struct cxlt_slice *s, __u32 i)
{
	const __u64 *used = cxlt_chunk_used(s, i);
	__u32 n = 0, w;

	for (w = 0; w * 64 < cxlt_chunk_objects(s, i); w++)
		n += (__u32)__builtin_popcountll(cxlt_load(&used[w]));
	return n;
}

void cxlt_slice_usage(const struct cxlt_slice *s, struct cxlt_usage *u)
{
	__u32 dev = cxlt_device_chunks(s), i, w;

	memset(u, 0, sizeof(*u));
	for (i = 0; i < s->dir.n_chunks; i++) {
		const struct cxlt_chunk *c = chunk_at(s, i);
		__u32 kind = c->kind, lines = c->size, n = 0, objects = 1;

		if (kind < CXLT_N_KINDS && i >= dev)
			u->host_lines[kind] += CXLT_CHUNK_LINES;
		if (kind == CXLT_KIND_FREE)
			u->lines[kind] += CXLT_CHUNK_LINES;
		if (kind == CXLT_KIND_FREE || kind >= CXLT_N_KINDS || !lines ||
		    lines > CXLT_CHUNK_LINES)
			continue;
		if (c->span) {
			n = span_len(s, i) * CXLT_CHUNK_LINES;
			u->lines[kind] += n;
			objects = *cxlt_span_used((struct cxlt_chunk *)c) & 1;
			n = objects ? n : 0;
			for (w = 0; kind == CXLT_KIND_NEAR && w < span_len(s, i); w++)
				u->objects[CXLT_KIND_EXACT] += count_bits(s, i + w);
			i += span_len(s, i) - 1;
		} else {
			objects = count_bits(s, i);
			n = (objects * lines + per_line((int)kind) - 1) / per_line((int)kind);
			u->lines[kind] += CXLT_CHUNK_LINES;
		}
		u->used[kind] += n;
		u->objects[kind] += objects;
		if (i >= dev) {
			u->host_used += n;
			u->host_used_of[kind] += n;
		}
	}
}
