/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - one walk over a slice: check.c finds what is reachable and looks whether it is sound,
 * audit_chunks.c notes it, and compares that with what the chunks say is in use.
 */
#ifndef CXLTAB_AUDIT_H
#define CXLTAB_AUDIT_H

#include "internal.h"

struct audit {
	struct cxlt_slice *s;
	bool fix;
	cxlt_report_fn *report;
	void *arg;
	int found;
	__u64 (*marks)[CXLT_CHUNK_CELLS / 64]; /* reachable objects, per chunk */
	__u32 *spans;			       /* reachable spans: chunks, by first chunk */
	__u32 table;			       /* being walked */
	__u32 unseen;			       /* of that table */
	__u64 item;			       /* its list's word for the tuple being walked */
	__u64 spoken, host_rules;	       /* rules that its shadows speak for, that need one */
};

/* check.c: one more difference, for the report. */
void cxlt_complain(struct audit *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* audit_chunks.c */
/* Notes that `ref` is a reachable object of so many lines (cells); false if it can't be one. */
bool cxlt_mark(struct audit *, __u32 ref, int kind, __u32 lines, const char *whose);
/* Likewise of the pages of an exact table; their marks are those of the entries. */
bool cxlt_mark_near(struct audit *, const struct cxlt_tuple *);
bool cxlt_is_marked(const struct audit *, int kind, __u32 ref);
/* Once all is marked: unreachable objects are free; runs of whole chunks are spans again. */
void cxlt_audit_chunks(struct audit *);

#endif
