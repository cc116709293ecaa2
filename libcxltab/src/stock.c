// SPDX-License-Identifier: Apache-2.0
/*
 * Lines kept for the BPF programs that write to an exact table: the userspace side of
 * exact_write.h.  Made and filled by a writer that has the slice alone, so no program is at it; in
 * an order in which a death leaks at most what a repair finds unreachable.
 */
#include <errno.h>
#include <stdlib.h>

#include "internal.h"

__u32 cxlt_stock_lines(__u64 word)
{
	__u32 cpus = CXLT_STOCK_CPUS(word), log2 = CXLT_STOCK_LOG2(word);

	if (!cpus || cpus > CXLT_STOCK_CPUS_MAX || log2 > CXLT_STOCK_LOG2_MAX)
		return 0;
	/* The smallest power of two that holds all CPUs' lines. */
	for (cpus = CXLT_STOCK_CPUS(word) - 1; cpus; cpus >>= 1)
		log2++;
	return 1U << log2;
}

static struct cxlt_stock *stock_of(const struct cxlt_slice *s, __u64 word, __u32 cpu)
{
	return cxlt_at(s, CXLT_STOCK_REF(word) + (cpu << CXLT_STOCK_LOG2(word)));
}

/* Entries that all CPUs' stocks lack. */
static __u64 missing(const struct cxlt_slice *s, __u64 word, __u32 per_cpu)
{
	__u64 n = 0;
	__u32 i;

	for (i = 0; i < CXLT_STOCK_CPUS(word); i++) {
		__u64 have = cxlt_load(&stock_of(s, word, i)->n);

		n += have < per_cpu ? per_cpu - have : 0;
	}
	return n;
}

/* n entries of the table's size into refs, or none. */
static int take_all(struct cxlt_writer *w, const struct cxlt_tuple *t, __u32 *refs, __u64 n)
{
	__u32 cells = cxlt_exact_cells(t->n_words, t->n_val);
	__u64 i;

	for (i = 0; i < n; i++) {
		struct cxlt_exact *e;

		refs[i] = cxlt_alloc_object(w->slice, &w->alloc, CXLT_KIND_EXACT, cells,
					    CXLT_PLACE_DEVICE);
		if (!refs[i])
			break;
		e = cxlt_exact_at(w->slice, refs[i]);
		cxlt_store_release(&e->seq, e->seq | 1);
	}
	if (i == n)
		return 0;
	while (i)
		cxlt_free_cells(w->slice, &w->alloc, refs[--i]);
	return cxlt_fail(-ENOSPC,
			 "no room for a stock of %llu entries; create the slice with a larger "
			 "--size",
			 (unsigned long long)n);
}

static int fill_up(struct cxlt_writer *w, const struct cxlt_tuple *t, __u64 word, __u32 per_cpu)
{
	__u64 n = missing(w->slice, word, per_cpu), have;
	__u32 *refs = malloc((n + 1) * sizeof(*refs)), i;
	int rc;

	if (!refs)
		return cxlt_fail(-ENOMEM, "out of memory");
	rc = take_all(w, t, refs, n);
	for (i = 0; !rc && i < CXLT_STOCK_CPUS(word); i++) {
		struct cxlt_stock *s = stock_of(w->slice, word, i);

		for (have = cxlt_load(&s->n); have < per_cpu; have++) {
			cxlt_store32(&s->ref[have], refs[--n]);
			/* A ref that counts is there: a repair may look at any moment. */
			cxlt_store_release(&s->n, have + 1);
		}
	}
	free(refs);
	return rc;
}

static int make(struct cxlt_writer *w, struct cxlt_tuple *t, __u32 cpus, __u32 per_cpu)
{
	__u32 log2 = 0, lines, bits = 0, ref;
	int rc;

	while (CXLT_STOCK_ROOM(log2) < per_cpu)
		log2++;
	lines = cxlt_stock_lines(CXLT_STOCK(0, cpus, log2));
	while (1U << bits < lines)
		bits++;
	ref = cxlt_alloc_lines(w->slice, &w->alloc, CXLT_KIND_STOCK, bits);
	if (!ref)
		return cxlt_fail(-ENOSPC,
				 "no room for the stock of %u CPUs (%u KiB); create the slice "
				 "with a larger --size",
				 cpus, lines / 16);
	rc = fill_up(w, t, CXLT_STOCK(ref, cpus, log2), per_cpu);
	if (rc)
		cxlt_free_lines(w->slice, &w->alloc, ref);
	else
		/* Pairs with the acquire in cxlt_stock_of(). */
		cxlt_store_release(&t->stock, CXLT_STOCK(ref, cpus, log2));
	return rc;
}

static int stock_locked(struct cxlt_writer *w, struct cxlt_tuple *t, __u32 cpus, __u32 per_cpu)
{
	__u64 word = cxlt_load(&t->stock);

	if (!word)
		return make(w, t, cpus, per_cpu);
	if (CXLT_STOCK_CPUS(word) != cpus || !cxlt_stock_lines(word) ||
	    CXLT_STOCK_ROOM(CXLT_STOCK_LOG2(word)) < per_cpu)
		return cxlt_fail(-EINVAL,
				 "the table's stock has room for %u entries for each of %u CPUs",
				 CXLT_STOCK_ROOM(CXLT_STOCK_LOG2(word)), CXLT_STOCK_CPUS(word));
	if (!cxlt_line(&w->slice->view, CXLT_STOCK_REF(word), cxlt_stock_lines(word)))
		return cxlt_fail(-EUCLEAN, "the table's stock is damaged");
	return fill_up(w, t, word, per_cpu);
}

int cxlt_exact_stock(struct cxlt_writer *w, __u32 tuple, __u32 cpus, __u32 per_cpu)
{
	struct cxlt_tuple *t = cxlt_line(&w->slice->view, tuple, CXLT_TUPLE_LINES);
	int rc;

	if (!t || t->kind != CXLT_KIND_EXACT)
		return cxlt_fail(-EINVAL, "line %u is no exact table", tuple);
	if (!cpus || cpus > CXLT_STOCK_CPUS_MAX || !per_cpu ||
	    per_cpu > CXLT_STOCK_ROOM(CXLT_STOCK_LOG2_MAX))
		return cxlt_fail(
			-EINVAL, "a stock of %u entries for each of %u CPUs: at most %u, %u",
			per_cpu, cpus, CXLT_STOCK_ROOM(CXLT_STOCK_LOG2_MAX), CXLT_STOCK_CPUS_MAX);
	if (t->sparse)
		return cxlt_fail(-EINVAL, "the table has its entries near (CXLT_EXACT_NEAR): BPF "
					  "programs can't write to it");
	rc = cxlt_writer_lock(w);
	if (rc)
		return rc;
	rc = stock_locked(w, t, cpus, per_cpu);
	cxlt_writer_unlock(w);
	return rc;
}
