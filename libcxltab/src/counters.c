// SPDX-License-Identifier: Apache-2.0
/*
 * Counters of rules, from the writer's side.
 *
 * A rule whose entry moves to the other domain may need counters there.  Packets that were resolved
 * before still count on the old ones, and nobody waits for packets; so the new counters name the old
 * ones (`before`), and whoever reads them adds both up, until no packet can be under way.  Then what
 * the old ones say is stored as `moved`, and one store, of 0 to `before`, makes it count in their
 * stead: at no moment is anything counted twice or not at all, whoever dies where.
 *
 * Concurrency: cxlt_counters_read() beside everything.  The rest under the lock of the chain that the
 * rule is in, or on counters that no rule has yet.
 */
#include "internal.h"

static struct cxlt_counter_line *line_of(struct cxlt_counters *c, int path)
{
	return path ? &c->device : &c->host;
}

/* What lines without a `before` say. */
static void add_up(struct cxlt_counters *c, bool moved, struct cxlt_counted *out)
{
	int i;

	for (i = 0; i < 2; i++) {
		const struct cxlt_counter_line *l = line_of(c, i);
		__u64 used = cxlt_load(&l->used);

		out->packets[i] +=
			cxlt_load(&l->packets) + (moved ? cxlt_load(&l->moved_packets) : 0);
		out->bytes[i] += cxlt_load(&l->bytes) + (moved ? cxlt_load(&l->moved_bytes) : 0);
		out->used[i] = used > out->used[i] ? used : out->used[i];
	}
}

void cxlt_counters_read(const struct cxlt_slice *s, __u32 ref, struct cxlt_counted *out)
{
	struct cxlt_counters *c = cxlt_line(&s->view, ref, CXLT_COUNTER_LINES), *old;
	__u64 before, again;
	int try;

	*out = (struct cxlt_counted){0};
	for (try = 0; c && try < 8; try++) {
		*out = (struct cxlt_counted){0};
		/* Pairs with the release in cxlt_counters_settle(). */
		before = cxlt_load_acquire(&c->host.before);
		old = cxlt_line(&s->view, (__u32)before, CXLT_COUNTER_LINES);
		add_up(c, !old, out);
		if (old)
			add_up(old, true, out);
		cxlt_read_barrier();
		again = cxlt_load(&c->host.before);
		if (again == before)
			return;
	}
}

__u64 cxlt_counters_packets(const struct cxlt_slice *s, __u32 ref)
{
	struct cxlt_counted n;

	cxlt_counters_read(s, ref, &n);
	return n.packets[0] + n.packets[1];
}

__u32 cxlt_counters_new(struct cxlt_slice *s, struct cxlt_alloc *a, int place)
{
	__u32 ref = cxlt_alloc_object(s, a, CXLT_KIND_COUNTERS, CXLT_COUNTER_LINES, place), i;
	__u64 *w;

	if (!ref)
		return 0;
	w = cxlt_at(s, ref);
	for (i = 0; i < CXLT_COUNTER_LINES * CXLT_LINE_WORDS; i++)
		cxlt_store(&w[i], 0);
	return ref;
}

/* The counters' `before`, if it can be one. */
static __u32 before_of(const struct cxlt_slice *s, __u32 ref)
{
	struct cxlt_counters *c = cxlt_line(&s->view, ref, CXLT_COUNTER_LINES);
	__u32 before = c ? (__u32)cxlt_load(&c->host.before) : 0;

	return before != ref && cxlt_line(&s->view, before, CXLT_COUNTER_LINES) ? before : 0;
}

void cxlt_counters_free(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	__u32 before = before_of(s, ref);

	if (before)
		cxlt_free_object(s, a, before);
	if (ref)
		cxlt_free_object(s, a, ref);
}

bool cxlt_counters_succeed(struct cxlt_slice *s, __u32 ref, __u32 old, __u64 now)
{
	struct cxlt_counters *c = cxlt_at(s, ref);

	if (before_of(s, old))
		return false;
	cxlt_store(&c->host.mark, cxlt_counters_packets(s, old));
	cxlt_store(&c->host.marked, now);
	/* Published with the entry that names `ref`. */
	cxlt_store(&c->host.before, old);
	return true;
}

void cxlt_counters_settle(struct cxlt_slice *s, struct cxlt_alloc *a, __u32 ref)
{
	struct cxlt_counters *c = cxlt_at(s, ref), *old;
	__u32 before = before_of(s, ref);
	int i;

	if (!before)
		return;
	old = cxlt_at(s, before);
	for (i = 0; i < 2; i++) {
		struct cxlt_counter_line *l = line_of(c, i), *o = line_of(old, i);

		cxlt_store(&l->moved_packets,
			   cxlt_load(&o->packets) + cxlt_load(&o->moved_packets));
		cxlt_store(&l->moved_bytes, cxlt_load(&o->bytes) + cxlt_load(&o->moved_bytes));
		/* Datapaths only ever raise it: at worst a store of theirs at this moment is lost. */
		if (cxlt_load(&o->used) > cxlt_load(&l->used))
			cxlt_store(&l->used, cxlt_load(&o->used));
	}
	/* Pairs with cxlt_counters_read(). */
	cxlt_store_release(&c->host.before, 0);
	cxlt_free_object(s, a, before);
}
