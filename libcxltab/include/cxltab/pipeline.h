/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipeline.h - the packet pipeline, one source for XDP, TC, the NIC and userspace.
 *
 *     parse      bytes -> key                      parse.h
 *     resolve    key -> result, no effect          resolve.h (phase 1)
 *     commit     edit, count, output               here      (phase 2)
 *
 * Phase 2 repeats the gathered ops on the original key.  Before each copy leaves, the difference
 * between the key that the bytes show and the key that they should show is edited into the header
 * copy (edit.h) and written to the packet; so a frame is written at most once per copy, whatever
 * the number of set-fields.
 *
 * An adapter is one header that defines, before this one is included, `struct cxlt_adapter` and
 *     int  cxlt_out_headers(struct cxlt_adapter *, struct cxlt_work *, const struct cxlt_csum_fix *)
 *              the header copy w->frame becomes the packet's; 0 or a reason
 *     int  cxlt_out_port(struct cxlt_adapter *, struct cxlt_work *, __u32 port)
 *     int  cxlt_out_flood(struct cxlt_adapter *, struct cxlt_work *)
 *     int  cxlt_out_local(struct cxlt_adapter *, struct cxlt_work *)
 *     int  cxlt_out_controller(struct cxlt_adapter *, struct cxlt_work *, __u32 max_len)
 * Each returns 0 or a reason, which ends the packet if nothing left before it.
 */
#ifndef CXLTAB_PIPELINE_H
#define CXLTAB_PIPELINE_H

#include <cxltab/base.h>
#include <cxltab/action.h>
#include <cxltab/counter.h>
#include <cxltab/edit.h>
#include <cxltab/parse.h>
#include <cxltab/resolve.h>

/* parse: w->frame holds the header copy; `b` is where its bytes are (or the packet itself). */
CXLT_INLINE int cxlt_work_parse(struct cxlt_work *w, const __u8 *b)
{
	return cxlt_parse(b, w->frame.hdr_len, w->frame.len, w->in_port, &w->orig, &w->lay);
}

/* A packet that parse refused: its result, without a walk. */
CXLT_INLINE void cxlt_work_refuse(const struct cxlt_view *v, struct cxlt_work *w, int reason)
{
	w->res.verdict = v->flags & CXLT_VIEW_DEVICE ? CXLT_V_PUNT : CXLT_V_DROP;
	w->res.reason = v->flags & CXLT_VIEW_DEVICE ? CXLT_R_DEV_PARSE : reason;
	w->res.table = 0;
	w->res.matched = 0;
	w->res.cookie = 0;
	w->res.n_ops = 0;
	w->res.n_hits = 0;
	w->res.n_outputs = 0;
	w->res.flags = 0;
	w->chg.n = 0;
	w->chg.sum = 0;
	w->chg.pending = 1;
	w->n_lines = 0;
	w->n_probes = 0;
}

CXLT_INLINE void cxlt_work_count(const struct cxlt_view *v, const struct cxlt_work *w,
				 __u64 packets, __u64 bytes, __u64 now)
{
	__u32 i;

	CXLT_FOR(i, w->res.n_hits, CXLT_HOPS_MAX)
	cxlt_count(v, w->res.hits[i], packets, bytes, now);
}

#ifdef CXLT_HAVE_ADAPTER

/* Applies a gathered op that changes the key; 0 if it was one, -1 if it is for the adapter. */
CXLT_INLINE int cxlt_replay(struct cxlt_work *w, __u32 i, __u64 word, __u32 op)
{
	switch (op) {
	case CXLT_OP_SET:
		CXLT_OPAQUE(i);
		if (i + 2 < CXLT_OPS_MAX)
			cxlt_key_set(&w->key, cxlt_op_aux(word), w->res.ops[i + 1],
				     w->res.ops[i + 2]);
		return 0;
	case CXLT_OP_PUSH_VLAN: cxlt_key_push_vlan(&w->key, cxlt_op_aux(word)); return 0;
	case CXLT_OP_POP_VLAN: cxlt_key_pop_vlan(&w->key); return 0;
	case CXLT_OP_DEC_TTL: cxlt_key_dec_ttl(&w->key); return 0;
	}
	return -1;
}

/* A BPF program replaces this by a global function. */
#ifndef CXLT_EDIT
#define CXLT_EDIT(w, fix) cxlt_edit(&(w)->frame, &(w)->lay, &(w)->orig, &(w)->key, fix)
#endif

/* Brings the packet's bytes up to w->key; w->orig follows. */
CXLT_INLINE int cxlt_flush_edits(struct cxlt_adapter *a, struct cxlt_work *w)
{
	struct cxlt_csum_fix fix = {0};
	int rc = CXLT_EDIT(w, &fix);
	__u32 i;

	if (!rc)
		rc = cxlt_out_headers(a, w, &fix);
	for (i = 0; i < CXLT_KEY_WORDS; i++)
		w->orig.w[i] = w->key.w[i];
	return rc;
}

/*
 * Phase 2, outputs: carries out w->res.ops.  0, or the first reason that an adapter gave; the
 * caller makes it the packet's reason if no copy left.
 */
CXLT_INLINE int cxlt_commit(struct cxlt_adapter *a, struct cxlt_work *w)
{
	__u32 i, skip = 0, dirty = 0;
	int first = 0;

	for (i = 0; i < CXLT_KEY_WORDS; i++)
		w->key.w[i] = w->orig.w[i];
	CXLT_FOR(i, w->res.n_ops, CXLT_OPS_MAX)
	{
		__u64 word;
		__u32 op;
		int rc = 0;

		if (skip) {
			skip--;
			continue;
		}
		word = w->res.ops[i];
		op = cxlt_op_code(word);
		skip = cxlt_op_words(op) - 1;
		if (!cxlt_replay(w, i, word, op)) {
			dirty = 1;
			continue;
		}
		if (dirty) {
			rc = cxlt_flush_edits(a, w);
			dirty = 0;
			if (rc)
				return first ? first : rc;
		}
		if (op == CXLT_OP_OUTPUT)
			rc = cxlt_out_port(a, w, cxlt_op_arg(word));
		else if (op == CXLT_OP_IN_PORT)
			rc = cxlt_out_port(a, w, w->in_port);
		else if (op == CXLT_OP_FLOOD || op == CXLT_OP_ALL)
			rc = cxlt_out_flood(a, w);
		else if (op == CXLT_OP_CONTROLLER)
			rc = cxlt_out_controller(a, w, cxlt_op_aux(word));
		else if (op == CXLT_OP_LOCAL)
			rc = cxlt_out_local(a, w);
		if (rc && !first)
			first = rc;
	}
	return first;
}

#endif

#endif
