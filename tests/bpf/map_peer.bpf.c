// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * map_peer.bpf.c - what bench_latency compares with: a forwarding decision that lives in a BPF
 * hash map, which the control plane changes by a system call.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 128);
	__type(key, __u32);
	__type(value, __u32);
} decision SEC(".maps");

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("xdp")
int map_peer(struct xdp_md *ctx)
{
	__u8 *data = (__u8 *)(long)ctx->data, *end = (__u8 *)(long)ctx->data_end;
	__u32 *port, dst;

	if (data + 34 > end)
		return 0;
	dst = *(__u32 *)(data + 30); /* the IPv4 destination */
	port = bpf_map_lookup_elem(&decision, &dst);
	return port ? *port : 0;
}
