// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Writes to an exact table of a slice from XDP: by commands in the packet, and (for the benchmark)
 * runs of keys that count up, beside a BPF hash map under the same loop.
 */
#define BPF_NO_KFUNC_PROTOTYPES
#include <vmlinux.h>
#include <bpf/bpf_helpers.h>
#include <cxltab/exact_write.h>

#include "exact_write.h"

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARENA);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
} arena SEC(".maps");

struct write_key {
	__u64 w[WRITE_KEY];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct write_key);
	__type(value, __u64);
} hash SEC(".maps");

struct scratch {
	struct write_key key;
	__u64 val[WRITE_VAL];
};

const volatile struct cxlt_view slice_view;
const volatile __u32 tuple;

__u64 next_key; /* of the runs */
__u64 done;	/* runs: that returned 0 */

static __always_inline const struct cxlt_view *view(void)
{
	const struct cxlt_view *v = (const struct cxlt_view *)&slice_view;

	asm volatile("" : "+r"(v));
	return v;
}

__noinline int put(struct scratch *s)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_put(view(), tuple, bpf_get_smp_processor_id(), s->key.w, WRITE_KEY,
			      s->val, WRITE_VAL);
}

__noinline int set(struct scratch *s)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_set(view(), tuple, bpf_get_smp_processor_id(), s->key.w, WRITE_KEY,
			      s->val, WRITE_VAL);
}

__noinline int take_away(struct scratch *s)
{
	if (!s)
		return -1;
	asm volatile("" ::"r"(&arena));
	return cxlt_exact_remove(view(), tuple, bpf_get_smp_processor_id(), s->key.w, WRITE_KEY,
				 WRITE_VAL);
}

__noinline int hash_put(struct scratch *s)
{
	if (!s)
		return -1;
	return (int)bpf_map_update_elem(&hash, &s->key, s->val, BPF_NOEXIST);
}

__noinline int hash_set(struct scratch *s)
{
	if (!s)
		return -1;
	return (int)bpf_map_update_elem(&hash, &s->key, s->val, BPF_EXIST);
}

__noinline int hash_remove(struct scratch *s)
{
	if (!s)
		return -1;
	return (int)bpf_map_delete_elem(&hash, &s->key);
}

__noinline int nothing(struct scratch *s)
{
	return s ? 0 : -1;
}

SEC("xdp")
int commands(struct xdp_md *ctx)
{
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	__u32 i;

	CXLT_FOR(i, WRITE_COMMANDS, WRITE_COMMANDS)
	{
		struct write_command *c = data + i * sizeof(*c);
		struct scratch s;

		if ((void *)(c + 1) > end)
			return XDP_ABORTED;
		s.key.w[0] = c->key[0];
		s.key.w[1] = c->key[1];
		s.val[0] = c->val[0];
		if (c->op == WRITE_PUT)
			c->result = put(&s);
		else if (c->op == WRITE_SET)
			c->result = set(&s);
		else if (c->op == WRITE_REMOVE)
			c->result = take_away(&s);
	}
	return XDP_PASS;
}

#define PROGRAM(name, call)                                \
	SEC("xdp") int name(struct xdp_md *ctx)            \
	{                                                  \
		__u64 n = next_key;                        \
		__u32 i;                                   \
                                                           \
		CXLT_FOR(i, WRITE_KEYS, WRITE_KEYS)        \
		{                                          \
			struct scratch s;                  \
                                                           \
			s.key.w[0] = write_word(n + i, 0); \
			s.key.w[1] = write_word(n + i, 1); \
			s.val[0] = n + i;                  \
			if (!call(&s))                     \
				done++;                    \
		}                                          \
		next_key = n + WRITE_KEYS;                 \
		return XDP_DROP;                           \
	}

PROGRAM(slice_insert, put)
PROGRAM(slice_modify, set)
PROGRAM(slice_delete, take_away)
PROGRAM(hash_insert, hash_put)
PROGRAM(hash_modify, hash_set)
PROGRAM(hash_delete, hash_remove)
PROGRAM(base, nothing)
