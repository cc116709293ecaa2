// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * parse_edit.bpf.c - parse.h and edit.h under the verifier, for test_parse and test_edit.
 *
 * Each program loads the frame into a per-CPU work area, as the slow path does, and leaves there
 * what came out; the tests run it with BPF_PROG_TEST_RUN and compare with the same code in C.
 * The return value is the reason, never an XDP action that matters.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <cxltab/edit.h>
#include <cxltab/parse.h>
#include <cxltab/work.h>

/* What a test reads back: the work area, and the checksum that edit left to fix. */
struct test_work {
	struct cxlt_work w;
	struct cxlt_csum_fix fix;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct test_work);
} test_work SEC(".maps");

CXLT_INLINE int load_frame(struct xdp_md *ctx, struct cxlt_frame *f)
{
	__u32 len = bpf_xdp_get_buff_len(ctx), n = len;

	if (n > CXLT_HDR_MAX)
		n = CXLT_HDR_MAX;
	CXLT_OPAQUE(n);
	if (n < 1 || n > CXLT_HDR_MAX)
		return -1;
	f->len = len;
	f->hdr_len = n;
	f->head = CXLT_HDR_ROOM;
	return bpf_xdp_load_bytes(ctx, 0, f->buf + CXLT_HDR_ROOM, n);
}

__noinline int g_parse(struct cxlt_work *w)
{
	if (!w)
		return CXLT_R_INTERNAL;
	return cxlt_parse(w->frame.buf + CXLT_HDR_ROOM, w->frame.hdr_len, w->frame.len, w->in_port,
			  &w->orig, &w->lay);
}

__noinline int g_edit(struct test_work *t)
{
	if (!t)
		return CXLT_R_INTERNAL;
	return cxlt_edit(&t->w.frame, &t->w.lay, &t->w.orig, &t->w.key, &t->fix);
}

/* Parses into w.orig and w.lay. */
SEC("xdp")
int parse(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct test_work *t = bpf_map_lookup_elem(&test_work, &zero);

	if (!t || load_frame(ctx, &t->w.frame))
		return CXLT_R_INTERNAL;
	return g_parse(&t->w);
}

/* Parses, then makes the copy say w.key, which the test has put there. */
SEC("xdp")
int edit(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct test_work *t = bpf_map_lookup_elem(&test_work, &zero);
	int reason;

	if (!t || load_frame(ctx, &t->w.frame))
		return CXLT_R_INTERNAL;
	reason = g_parse(&t->w);
	if (!reason)
		reason = g_edit(t);
	if (!reason)
		reason = cxlt_edit_csum(&t->w.frame, &t->fix);
	return reason;
}

char _license[] SEC("license") = "Dual BSD/GPL";
