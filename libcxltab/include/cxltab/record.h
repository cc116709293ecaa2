/* SPDX-License-Identifier: Apache-2.0 */
/*
 * record.h - the pipeline in userspace with outputs that are written down instead of sent.
 *
 * `cxltab trace` shows what the pipeline does with a packet, the parity tests compare it with
 * what XDP, TC and the NIC do: the same source runs here, on the host's view or on the device's,
 * and has no effect: nothing is counted and nothing is stored in the slice.
 *
 *	static struct cxlt_work w;
 *	static struct cxlt_adapter a;
 *
 *	a.room = sizeof(bytes);
 *	a.bytes = bytes;
 *	cxlt_record(&view, &w, &a, in_port, packet, len);
 *	... w.res.verdict, w.res.reason, a.output[0 .. a.n_outputs) ...
 *
 * Which ports exist is the caller's to say, ascending by number.  Where they aren't known
 * (ports == NULL) every port exists, and FLOOD and ALL are one output of kind FLOOD.
 * This is an adapter (see pipeline.h): a source file that includes it can include no other.
 *
 * Concurrency: as resolve.h towards the slice; everything else is the caller's own memory.
 * Errors: none of its own; a packet always ends with verdict and reason.
 */
#ifndef CXLTAB_RECORD_H
#define CXLTAB_RECORD_H

#ifndef __BPF__

#include <string.h>
#include <cxltab/base.h>
#include <cxltab/edit.h>
#include <cxltab/parse.h>
#include <cxltab/reason.h>
#include <cxltab/work.h>

enum {
	CXLT_RECORD_OUTPUTS = 1024,
	/* Room that is always enough: each change of the bytes is two ops at least. */
	CXLT_RECORD_BYTES = (CXLT_OPS_MAX / 2 + 1) * (65535 + 8),
};

enum cxlt_record_kind {
	CXLT_RECORD_PORT,
	CXLT_RECORD_FLOOD, /* FLOOD or ALL, where the ports aren't known */
	CXLT_RECORD_CONTROLLER,
	CXLT_RECORD_LOCAL,
};

struct cxlt_record_output {
	__u32 kind; /* enum cxlt_record_kind */
	__u32 port; /* CXLT_RECORD_PORT */
	__u32 at;   /* its bytes are bytes[at .. at + len) */
	__u32 len;  /* CONTROLLER: at most as many as the action says */
};

struct cxlt_adapter {
	/* The caller's. */
	const __u32 *ports; /* that exist, ascending; NULL: every one */
	__u32 n_ports;
	__u32 room; /* of bytes[] */
	__u8 *bytes;
	/* The result. */
	__u32 n_outputs; /* those beyond CXLT_RECORD_OUTPUTS are not in output[] */
	__u32 sinks;	 /* copies that left, upcalls included */
	struct cxlt_record_output output[CXLT_RECORD_OUTPUTS];
	/* Working state. */
	const __u8 *packet; /* as it came */
	__u32 len;
	__u32 used;  /* of bytes[] */
	__u32 fresh; /* the present bytes are in bytes[at .. at + out_len) */
	__u32 at;
	__u32 out_len;
};

/* Does the port exist? */
CXLT_INLINE int cxlt_record_has_port(const struct cxlt_adapter *a, __u32 port)
{
	__u32 low = 0, high = a->n_ports;

	if (!a->ports)
		return 1;
	while (low < high) {
		__u32 mid = low + (high - low) / 2;

		if (a->ports[mid] == port)
			return 1;
		if (a->ports[mid] < port)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

/* The packet's present bytes go to bytes[], unless they are there already. */
CXLT_INLINE int cxlt_record_bytes(struct cxlt_adapter *a, const struct cxlt_work *w)
{
	__u32 copied = a->len < CXLT_HDR_MAX ? a->len : CXLT_HDR_MAX;
	__u32 rest = a->len - copied, len = w->frame.hdr_len + rest;

	if (a->fresh)
		return 0;
	if (!a->bytes || len > a->room - a->used)
		return CXLT_R_INTERNAL;
	a->at = a->used;
	a->out_len = len;
	memcpy(a->bytes + a->at, w->frame.buf + w->frame.head, w->frame.hdr_len);
	memcpy(a->bytes + a->at + w->frame.hdr_len, a->packet + copied, rest);
	a->used += len;
	a->fresh = 1;
	return 0;
}

CXLT_INLINE int cxlt_record_output(struct cxlt_adapter *a, const struct cxlt_work *w, __u32 kind,
				   __u32 port, __u32 max_len)
{
	int rc = cxlt_record_bytes(a, w);

	if (rc)
		return rc;
	if (a->n_outputs < CXLT_RECORD_OUTPUTS)
		a->output[a->n_outputs] = (struct cxlt_record_output){
			.kind = kind,
			.port = port,
			.at = a->at,
			.len = a->out_len < max_len ? a->out_len : max_len,
		};
	a->n_outputs++;
	a->sinks++;
	return 0;
}

CXLT_INLINE int cxlt_out_headers(struct cxlt_adapter *a, struct cxlt_work *w,
				 const struct cxlt_csum_fix *fix)
{
	a->fresh = 0;
	return cxlt_edit_csum(&w->frame, fix);
}

CXLT_INLINE int cxlt_out_port(struct cxlt_adapter *a, struct cxlt_work *w, __u32 port)
{
	if (!cxlt_record_has_port(a, port))
		return CXLT_R_NO_PORT;
	return cxlt_record_output(a, w, CXLT_RECORD_PORT, port, ~0U);
}

CXLT_INLINE int cxlt_out_flood(struct cxlt_adapter *a, struct cxlt_work *w)
{
	__u32 i, before = a->sinks;

	if (!a->ports)
		return cxlt_record_output(a, w, CXLT_RECORD_FLOOD, 0, ~0U);
	for (i = 0; i < a->n_ports; i++) {
		int rc = 0;

		if (a->ports[i] != w->in_port)
			rc = cxlt_record_output(a, w, CXLT_RECORD_PORT, a->ports[i], ~0U);
		if (rc)
			return rc;
	}
	return a->sinks == before ? CXLT_R_NO_PORT : 0;
}

CXLT_INLINE int cxlt_out_local(struct cxlt_adapter *a, struct cxlt_work *w)
{
	return cxlt_record_output(a, w, CXLT_RECORD_LOCAL, 0, ~0U);
}

CXLT_INLINE int cxlt_out_controller(struct cxlt_adapter *a, struct cxlt_work *w, __u32 max_len)
{
	return cxlt_record_output(a, w, CXLT_RECORD_CONTROLLER, 0, max_len);
}

#define CXLT_HAVE_ADAPTER
#include <cxltab/pipeline.h>

/* Loads and parses; the reason that parse gave, 0 if it gave none. */
CXLT_INLINE int cxlt_record_parse(struct cxlt_work *w, struct cxlt_adapter *a, __u32 in_port,
				  const __u8 *packet, __u32 len)
{
	w->in_port = in_port;
	w->frame.len = len;
	w->frame.hdr_len = len < CXLT_HDR_MAX ? len : CXLT_HDR_MAX;
	w->frame.head = CXLT_HDR_ROOM;
	if (w->frame.hdr_len)
		memcpy(w->frame.buf + CXLT_HDR_ROOM, packet, w->frame.hdr_len);
	a->n_outputs = 0;
	a->sinks = 0;
	a->packet = packet;
	a->len = len;
	a->used = 0;
	a->fresh = 0;
	return cxlt_work_parse(w, w->frame.buf + CXLT_HDR_ROOM);
}

/* A NIC leaves to the host what would go to a port that it doesn't have. */
CXLT_INLINE int cxlt_record_lacks_port(const struct cxlt_work *w, const struct cxlt_adapter *a)
{
	__u32 i;

	for (i = 0; i < w->res.n_ops; i += cxlt_op_words(cxlt_op_code(w->res.ops[i])))
		if (cxlt_op_code(w->res.ops[i]) == CXLT_OP_OUTPUT &&
		    !cxlt_record_has_port(a, cxlt_op_arg(w->res.ops[i])))
			return 1;
	return 0;
}

/* Both phases on what cxlt_record_parse() left; `reason` is what it returned. */
CXLT_INLINE void cxlt_record_run(const struct cxlt_view *v, struct cxlt_work *w,
				 struct cxlt_adapter *a, int reason)
{
	struct cxlt_result *r = &w->res;

	if (reason)
		cxlt_work_refuse(v, w, reason);
	else
		cxlt_resolve(v, w);
	if (v->flags & CXLT_VIEW_DEVICE && r->verdict != CXLT_V_PUNT &&
	    cxlt_record_lacks_port(w, a)) {
		r->verdict = CXLT_V_PUNT;
		r->reason = CXLT_R_NO_PORT;
	}
	if (r->verdict != CXLT_V_OUTPUT && r->verdict != CXLT_V_CONTROLLER &&
	    r->verdict != CXLT_V_LOCAL)
		return;
	reason = cxlt_commit(a, w);
	if (reason && !a->sinks) {
		r->verdict = CXLT_V_DROP;
		r->reason = reason;
	}
}

/* A packet, from its bytes to its end. */
CXLT_INLINE void cxlt_record(const struct cxlt_view *v, struct cxlt_work *w, struct cxlt_adapter *a,
			     __u32 in_port, const __u8 *packet, __u32 len)
{
	cxlt_record_run(v, w, a, cxlt_record_parse(w, a, in_port, packet, len));
}

#endif

#endif
