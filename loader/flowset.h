/* SPDX-License-Identifier: Apache-2.0 */
/*
 * flowset.h - flows by their identity: what a file says, or what a slice holds, to be compared.
 *
 * Table, priority and match are a flow's identity, as for add-flow: of two that share it the later
 * one counts.  A hash table of places in one buffer; nothing is allocated per flow.
 *
 * Concurrency: private memory; the functions that walk a slice say what they need.
 * Errors: -ENOMEM; and what cxlt_rule_each() returns.
 */
#ifndef CXLTAB_LOADER_FLOWSET_H
#define CXLTAB_LOADER_FLOWSET_H

#include <stdbool.h>
#include <stddef.h>

#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "apply.h"
#include "openflow/flow.h"
#include "pack.h"

struct flowset_flow {
	__u32 size;  /* words, this header included */
	__u32 line;  /* of its file */
	__u32 words; /* bit per key word whose mask isn't 0 */
	__u8 table;
	__u8 n_prog;
	__u16 priority;
	__u64 cookie;
	__u64 hash;   /* of the identity */
	bool gone;    /* a later flow took its place */
	bool met;     /* for whoever compares */
	__u64 body[]; /* mask and value of each such word, then the program */
};

/* All zero is an empty set. */
struct flowset {
	struct pack_buffer flows;
	size_t *slot;	/* place in flows, plus 1; 0 is free */
	size_t n_slots; /* a power of two */
	__u64 count;
};

int flowset_put(struct flowset *, const struct cxlt_rule_spec *, unsigned int line);
/* Only an OF_ADD can be put. */
int flowset_put_flow(struct flowset *, const struct of_flow *, unsigned int line);
/* The rules of a slice; without the lock, as rulewalk(). */
int flowset_put_slice(struct flowset *, const struct cxlt_slice *);
void flowset_clear(struct flowset *); /* empty again, with its memory */
void flowset_free(struct flowset *);

/* NULL if there is none. */
struct flowset_flow *flowset_find(const struct flowset *, const struct cxlt_rule_spec *);
/* Pointers into the flow. */
void flowset_spec(const struct flowset_flow *, struct cxlt_rule_spec *);
/* Of two with one identity: do cookie and actions agree as well? */
bool flowset_same(const struct flowset_flow *, const struct cxlt_rule_spec *);
/* The flow after `f` in the order of flowset_put(), the first one for NULL; NULL at the end. */
struct flowset_flow *flowset_next(const struct flowset *, const struct flowset_flow *f);

/* ---- Making a slice hold a set ---- */

/*
 * Adds to `list` what makes the slice hold exactly the flows of `want`: strict deletions of rules
 * that it doesn't have, then additions of flows that the slice doesn't have or has with another
 * cookie or other actions.  *same is the number of rules that need nothing.  For whoever has the
 * slice alone: the list is right as long as nobody else writes.
 */
int flowset_changes(struct flowset *want, const struct cxlt_slice *, struct apply_list *list,
		    __u64 *same);

#endif
