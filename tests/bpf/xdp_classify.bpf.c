// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/* Searches of one table in XDP, as the slow path makes them, without a packet around. */
#define BPF_NO_KFUNC_PROTOTYPES
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <cxltab/base.h>
#include <cxltab/work.h>
#include <cxltab/view.h>

#include "xdp_classify.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
} arena SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cxlt_work);
} scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CLASSIFY_KEYS);
	__type(key, __u32);
	__type(value, struct cxlt_key);
} keys SEC(".maps");

const volatile struct cxlt_view slice_view;

__u64 hits, probes, lines;

static __always_inline const struct cxlt_view *view(void)
{
	const struct cxlt_view *v = (const struct cxlt_view *)&slice_view;

	asm volatile("" : "+r"(v));
	return v;
}

int one_tuple(struct cxlt_work *w, __u32 ref, __u32 best);
int one_filter(struct cxlt_work *w, __u64 list);
int one_group(struct cxlt_work *w, __u64 list, __u32 group);
int one_chain(struct cxlt_work *w, __u32 ref, __u32 tuple, __u32 best);

#define CXLT_CHAIN_FIND(v, w, p, at)	 one_chain(w, at, (p)->ref, (p)->best)
#define CXLT_TUPLE_FIND(v, w, ref, best) one_tuple(w, ref, best)
#define CXLT_FILTER_ASK(v, w, list)	 one_filter(w, list)
#define CXLT_GROUP_FIND(v, w, list, g)	 one_group(w, list, g)
#include <cxltab/classify.h>

__noinline int one_chain(struct cxlt_work *w, __u32 ref, __u32 tuple, __u32 best)
{
	const struct cxlt_tuple __arena *t = cxlt_line(view(), tuple, 2 + CXLT_KEY_MAX / 8);
	struct cxlt_probe p = {.ref = tuple, .best = best};
	__u64 head;

	if (!w || !t)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	head = cxlt_load((const __u64 __arena *)&t->id);
	p.tuple = t;
	p.id = (__u32)head;
	p.n_words = (head >> 32) & 0xff;
	return cxlt_chain_find(view(), w, &p, ref);
}

__noinline int one_tuple(struct cxlt_work *w, __u32 ref, __u32 best)
{
	if (!w)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_tuple_find(view(), w, ref, best);
}

__noinline int one_filter(struct cxlt_work *w, __u64 list)
{
	if (!w)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_filter_ask(view(), &w->key, list, &w->filter);
}

__noinline int one_group(struct cxlt_work *w, __u64 list, __u32 group)
{
	if (!w)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_group_find(view(), w, list, group);
}

__noinline int one_table(struct cxlt_work *w, __u32 table)
{
	if (!w)
		return -CXLT_R_INTERNAL;
	asm volatile("" ::"r"(&arena));
	return cxlt_classify(view(), w, table);
}

__noinline int nothing(struct cxlt_work *w, __u32 table)
{
	return w && w->key.w[1] == table;
}

#define PROGRAM(name, find, table)                                                  \
	SEC("xdp") int name(struct xdp_md *ctx)                                     \
	{                                                                           \
		__u32 zero = 0, i, n;                                               \
		struct cxlt_work *w = bpf_map_lookup_elem(&scratch, &zero);         \
                                                                                    \
		if (!w)                                                             \
			return XDP_ABORTED;                                         \
		CXLT_FOR(i, CLASSIFY_KEYS, CLASSIFY_KEYS)                           \
		{                                                                   \
			__u32 at = i;                                               \
			const struct cxlt_key *k = bpf_map_lookup_elem(&keys, &at); \
                                                                                    \
			if (!k)                                                     \
				return XDP_ABORTED;                                 \
			for (n = 0; n < CXLT_KEY_WORDS; n++)                        \
				w->key.w[n] = k->w[n];                              \
			w->budget = view()->work_budget;                            \
			w->version = 1;                                             \
			w->chg.n = 0;                                               \
			w->n_probes = 0;                                            \
			w->n_lines = 0;                                             \
			if (find(w, table) == 1)                                    \
				hits++;                                             \
			probes += w->n_probes;                                      \
			lines += w->n_lines;                                        \
		}                                                                   \
		return XDP_DROP;                                                    \
	}

PROGRAM(base, nothing, 0)
PROGRAM(many, one_table, 0)
PROGRAM(few, one_table, 1)
