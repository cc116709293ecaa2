// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Lookups of random keys in XDP: an exact table of a slice, a BPF hash map, and nothing, all with
 * the same loop around them.  A key's words are a mix of its number, so no list of keys competes
 * for the cache.
 */
#define BPF_NO_KFUNC_PROTOTYPES
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <cxltab/base.h>

#include "xdp_lookup.h"

struct scratch {
	struct lookup_key8 key; /* first: a pointer to it is a pointer to this */
	__u64 value;
};

int read2(struct scratch *s, __u32 ref);
int read8(struct scratch *s, __u32 ref);

#define CXLT_EXACT_READ(v, at, key, n_key, val, n_val) \
	((n_key) == 2 ? read2((struct scratch *)(key), at) : read8((struct scratch *)(key), at))
#include <cxltab/exact.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
} arena SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct lookup_key2);
	__type(value, __u64);
} hash2 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct lookup_key8);
	__type(value, __u64);
} hash8 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratch SEC(".maps");

const volatile struct cxlt_view slice_view;
const volatile __u32 tuple;
const volatile __u32 n_keys;

__u64 state = 1;
__u64 hits, sum;

static __always_inline const struct cxlt_view *view(void)
{
	const struct cxlt_view *v = (const struct cxlt_view *)&slice_view;

	asm volatile("" : "+r"(v));
	return v;
}

/* The next key's number: xorshift64*, scaled. */
static __always_inline __u32 next(__u64 *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return ((*s * 0x2545f4914f6cdd1dULL >> 32) * n_keys) >> 32;
}

__noinline int read2(struct scratch *s, __u32 ref)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_read(view(), ref, s->key.w, 2, &s->value, 1);
}

__noinline int read8(struct scratch *s, __u32 ref)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_read(view(), ref, s->key.w, 8, &s->value, 1);
}

__noinline int find_slice2(struct scratch *s)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_find(view(), tuple, s->key.w, 2, &s->value, 1);
}

__noinline int find_slice8(struct scratch *s)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_find(view(), tuple, s->key.w, 8, &s->value, 1);
}

__noinline int find_nothing(struct scratch *s)
{
	if (!s)
		return -1;
	s->value = s->key.w[0];
	return 0;
}

__noinline int find_hash2(struct scratch *s)
{
	__u64 *v;

	if (!s)
		return -1;
	v = bpf_map_lookup_elem(&hash2, &s->key);
	if (!v)
		return -1;
	s->value = *v;
	return 0;
}

__noinline int find_hash8(struct scratch *s)
{
	__u64 *v;

	if (!s)
		return -1;
	v = bpf_map_lookup_elem(&hash8, &s->key);
	if (!v)
		return -1;
	s->value = *v;
	return 0;
}

#define PROGRAM(name, words, find)                                        \
	SEC("xdp") int name(struct xdp_md *ctx)                           \
	{                                                                 \
		__u32 zero = 0, i, w;                                     \
		struct scratch *s = bpf_map_lookup_elem(&scratch, &zero); \
		__u64 st = state;                                         \
                                                                          \
		if (!s)                                                   \
			return XDP_ABORTED;                               \
		CXLT_FOR(i, LOOKUPS, LOOKUPS)                             \
		{                                                         \
			__u32 n = next(&st);                              \
                                                                          \
			for (w = 0; w < (words); w++)                     \
				s->key.w[w] = lookup_word(n, w);          \
			if (!find(s)) {                                   \
				hits++;                                   \
				sum += s->value;                          \
			}                                                 \
		}                                                         \
		state = st;                                               \
		return XDP_DROP;                                          \
	}

PROGRAM(slice_2, 2, find_slice2)
PROGRAM(slice_8, 8, find_slice8)
PROGRAM(hash_2, 2, find_hash2)
PROGRAM(hash_8, 8, find_hash8)
PROGRAM(base_2, 2, find_nothing)
PROGRAM(base_8, 8, find_nothing)
