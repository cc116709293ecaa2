// SPDX-License-Identifier: Apache-2.0
/*
 * What an audit knows of chunks: the objects and spans that its walk has reached, and whether the
 * bitmaps and lengths in the slice say the same.
 */
#include "audit.h"

static const char *const kind_name[CXLT_N_KINDS] = {
	"free",		"rule",	 "exact entry", "counters",	    "tuple", "list", "buckets",
	"change words", "stock", "pages",	"prefilter counts",
};

static struct cxlt_chunk *chunk_at(const struct cxlt_slice *s, __u32 i)
{
	return (struct cxlt_chunk *)cxlt_at(s, s->dir.chunks) + i;
}

bool cxlt_mark(struct audit *a, __u32 ref, int kind, __u32 lines, const char *whose)
{
	const char *unit = kind == CXLT_KIND_EXACT ? "cell" : "line";
	__u32 object, i;

	if (kind == CXLT_KIND_EXACT ? !cxlt_cell(&a->s->view, ref, lines)
				    : !cxlt_line(&a->s->view, ref, lines)) {
		cxlt_complain(a, "%s: %s ref %u is outside the slice", whose, unit, ref);
		return false;
	}
	if (!cxlt_chunk_of(a->s, kind, ref, &i, &object) ||
	    chunk_at(a->s, i)->size < (lines < CXLT_CHUNK_LINES ? lines : CXLT_CHUNK_LINES)) {
		cxlt_complain(a, "%s: %s %u is not the start of %s of %u %ss", whose, unit, ref,
			      kind_name[kind], lines, unit);
		return false;
	}
	if (a->marks[i][object / 64] >> (object % 64) & 1) {
		cxlt_complain(a, "%s: %s at %s %u has two owners", whose, kind_name[kind], unit,
			      ref);
		return false;
	}
	a->marks[i][object / 64] |= 1ULL << (object % 64);
	if (chunk_at(a->s, i)->size == CXLT_CHUNK_LINES && kind != CXLT_KIND_EXACT)
		a->spans[i] = (lines + CXLT_CHUNK_LINES - 1) / CXLT_CHUNK_LINES;
	return true;
}

bool cxlt_mark_near(struct audit *a, const struct cxlt_tuple *t)
{
	__u32 ref = CXLT_GEO_REF(t->geo), g = (__u32)__builtin_popcount(t->sparse & 63), i, object;
	__u32 log2 = CXLT_GEO_LOG2(t->geo), pages = (1U << log2) >> g;

	if (t->sparse != cxlt_near_mask(log2, g) || !pages || pages % 4 ||
	    !cxlt_line(&a->s->view, ref, pages * CXLT_PAGE_LINES) ||
	    !cxlt_chunk_of(a->s, CXLT_KIND_NEAR, ref, &i, &object) || a->spans[i] ||
	    chunk_at(a->s, i)->near != CXLT_NEAR(g, cxlt_exact_cells(t->n_words, t->n_val))) {
		cxlt_complain(a, "tuple %u: line %u is not the start of its %u pages", t->id, ref,
			      pages);
		return false;
	}
	a->spans[i] = pages / (CXLT_CHUNK_LINES / CXLT_PAGE_LINES);
	return true;
}

bool cxlt_is_marked(const struct audit *a, int kind, __u32 ref)
{
	__u32 object, i;

	return cxlt_chunk_of(a->s, kind, ref, &i, &object) &&
	       a->marks[i][object / 64] >> (object % 64) & 1;
}

static void audit_bits(struct audit *a, __u32 i)
{
	const struct cxlt_chunk *c = chunk_at(a->s, i);
	__u64 *used = cxlt_chunk_used(a->s, i);
	__u32 w;

	for (w = 0; w * 64 < cxlt_chunk_objects(a->s, i); w++) {
		if (used[w] == a->marks[i][w])
			continue;
		cxlt_complain(a, "chunk %u (%s): %d objects leaked, %d in use but marked free", i,
			      c->kind < CXLT_N_KINDS ? kind_name[c->kind] : "?",
			      __builtin_popcountll(used[w] & ~a->marks[i][w]),
			      __builtin_popcountll(a->marks[i][w] & ~used[w]));
		if (a->fix)
			cxlt_store(&used[w], a->marks[i][w]);
	}
}

/* The span that begins at chunk i: its length, which is repaired. */
static __u32 audit_span(struct audit *a, __u32 i)
{
	struct cxlt_chunk *c = chunk_at(a->s, i);
	__u64 *used = cxlt_span_used(c), want = a->spans[i] != 0;
	__u32 room = a->s->dir.n_chunks - i, len = a->spans[i] ? a->spans[i] : c->span;

	/* A free one may have any length; its other chunks say nothing. */
	if (len && len <= room && c->span == len && (*used & 1) == want)
		return len;
	cxlt_complain(a,
		      want ? "chunk %u: a span of %u chunks in use, not of %u"
			   : "chunk %u: a span of %u chunks that nothing uses",
		      i, c->span, a->spans[i]);
	len = want && len <= room ? len : 1;
	if (a->fix) {
		c->span = len;
		cxlt_store(used, want);
	}
	return len;
}

void cxlt_audit_chunks(struct audit *a)
{
	__u32 i, j, len;

	for (i = 0; i < a->s->dir.n_chunks; i += len) {
		struct cxlt_chunk *c = chunk_at(a->s, i);
		bool spans = c->size == CXLT_CHUNK_LINES && c->kind != CXLT_KIND_FREE;

		len = spans ? audit_span(a, i) : 1;
		if (!spans && c->kind != CXLT_KIND_FREE)
			audit_bits(a, i);
		for (j = i; spans && c->kind == CXLT_KIND_NEAR && a->spans[i] && j < i + len; j++)
			audit_bits(a, j);
	}
}
