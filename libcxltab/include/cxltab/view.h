/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view.h - one reader's view of a slice: validated geometry in private memory, and the bound
 * that every ref is held against.
 *
 * A view is made by cxlt_slice_view() (slice.h) from an attached slice, and copied into the
 * read-only data of a BPF program by the loader; it never changes afterwards.  The device view of
 * a slice differs in its limit (the device domain) and in the profile of the hardware.
 *
 * Trust: the slice's owner may write anything into it at any time.  A ref that cxlt_line() has
 * resolved stays inside the mapping for as many lines as it was asked for, whatever the slice
 * says.  In BPF, the arena itself bounds every access; the check is the same, so that all paths
 * end such a packet with the same reason.
 */
#ifndef CXLTAB_VIEW_H
#define CXLTAB_VIEW_H

#include <cxltab/base.h>
#include <cxltab/atomic.h>
#include <cxltab/layout.h>

enum {
	CXLT_VIEW_DEVICE = 1,
	CXLT_VIEW_FILTER = 2, /* lists have a prefilter */
};

struct cxlt_view {
	__u64 base;  /* address of line 0; 0 in BPF, where an arena pointer is its low 32 bits */
	__u32 limit; /* lines that this reader may touch */
	__u32 flags; /* CXLT_VIEW_* */
	__u32 control;
	__u32 tables;
	__u32 n_tables;
	__u32 exacts;
	__u32 n_exacts;
	__u32 chg_log2;
	__u32 max_tuples;
	__u32 work_budget;
	__u32 n_lines;
	__u32 intents; /* from here on for writers that have a view alone (exact_write.h) */
	__u32 chunks;
	__u32 n_chunks;
	__u32 chunk0;
	__u32 pad;
	struct cxlt_profile profile; /* device view only */
	__u64 secrets[CXLT_KEY_MAX];
};

/* `n` lines at `ref`, or NULL if they are not all inside the view. */
CXLT_INLINE void __arena *cxlt_line(const struct cxlt_view *v, __u32 ref, __u32 n)
{
	if (cxlt_unlikely(ref == 0 || ref >= v->limit || n > v->limit - ref))
		return NULL;
#ifdef __BPF__
	return (void __arena *)(unsigned long)((__u64)ref << 6);
#else
	return (void *)(unsigned long)(v->base + ((__u64)ref << 6));
#endif
}

/* As cxlt_line(), for `n` cells at cell `ref`: entries of exact tables. */
CXLT_INLINE void __arena *cxlt_cell(const struct cxlt_view *v, __u32 ref, __u32 n)
{
	__u64 end = (__u64)v->limit * (CXLT_LINE / CXLT_CELL);

	if (cxlt_unlikely(ref < CXLT_LINE / CXLT_CELL || (__u64)ref + n > end))
		return NULL;
#ifdef __BPF__
	return (void __arena *)(unsigned long)((__u64)ref * CXLT_CELL);
#else
	return (void *)(unsigned long)(v->base + (__u64)ref * CXLT_CELL);
#endif
}

/*
 * 1 + the index of the slot whose tag and flag are `want`; 0 if there is none.  With several it is
 * that of any slot: the caller looks at the slot, and at all of them if it isn't the right one.
 * No branch depends on which slot it is: that can't be predicted, and a wrong guess costs more
 * than the look at all seven.
 */
CXLT_INLINE __u32 cxlt_slot_find(const struct cxlt_bucket __arena *b, __u32 want)
{
#ifdef CXLT_HAVE_LOAD_HEADS
	__u32 fit = cxlt_load_heads(b->slot, want) & ((1U << CXLT_BUCKET_SLOTS) - 1);

	return fit ? (__u32)__builtin_ctz(fit) + 1 : 0;
#else
	__u32 i, at = 0;

	for (i = 0; i < CXLT_BUCKET_SLOTS; i++) {
		__u64 other = (cxlt_load_acquire(&b->slot[i]) >> 32) ^ want;

		at |= (__u32)((__s64)(other - 1) >> 63) & (i + 1);
	}
	return at;
#endif
}

/* A 64-bit word by its index in the slice; the index was made from a checked ref. */
CXLT_INLINE __u64 __arena *cxlt_word(const struct cxlt_view *v, __u32 at)
{
#ifdef __BPF__
	(void)v;
	return (__u64 __arena *)(unsigned long)((__u64)at << 3);
#else
	return (__u64 *)(unsigned long)(v->base + ((__u64)at << 3));
#endif
}

/* A byte by its place in the slice, which is below v->limit lines. */
CXLT_INLINE const __u8 __arena *cxlt_byte(const struct cxlt_view *v, __u64 at)
{
#ifdef __BPF__
	(void)v;
	return (const __u8 __arena *)(unsigned long)at;
#else
	return (const __u8 *)(unsigned long)(v->base + at);
#endif
}

#endif
