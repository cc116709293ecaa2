/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gen.h - random rules and packets' keys that overlap on purpose.
 *
 * Every field has a pool of a few values, so that rules match packets and each other.  A table
 * uses a small set of masks, many of them made from another by widening it.
 */
#ifndef CXLTAB_TESTS_GEN_H
#define CXLTAB_TESTS_GEN_H

#include <cxltab/action.h>
#include <cxltab/key.h>
#include <cxltab/writer.h>
#include "rand.h"

enum {
	GEN_MASKS = 64,
	GEN_PROG = 16, /* words of a generated program at most */
};

struct gen {
	struct rnd r;
	__u32 n_masks;
	struct cxlt_key mask[GEN_MASKS];
	__u64 next_cookie;
};

/* A set of n masks; the first one is empty (matches all). */
void gen_init(struct gen *, struct rnd *, __u32 n_masks);

/* The bits of field f, in all words; v is the low part of a 128-bit field. */
void gen_set_field(struct cxlt_key *, __u32 field, __u64 v);
int gen_touches_field(const struct cxlt_key *mask, __u32 field);

/* A packet's key from the pools. */
void gen_key(struct gen *, struct cxlt_key *);
/* A packet's key that the match accepts, all other fields from the pools. */
void gen_key_for(struct gen *, const struct cxlt_key *value, const struct cxlt_key *mask,
		 struct cxlt_key *);

/* A match with one of the masks. */
void gen_match(struct gen *, struct cxlt_key *value, struct cxlt_key *mask);

/*
 * A rule of `table` with a fresh cookie: its program is in prog.  Outputs, sets of metadata and
 * registers, and gotos to higher tables below n_tables.
 */
void gen_rule(struct gen *, __u32 table, __u32 n_tables, struct cxlt_rule_spec *,
	      __u64 prog[GEN_PROG]);
void gen_program(struct gen *, __u32 table, __u32 n_tables, struct cxlt_rule_spec *,
		 __u64 prog[GEN_PROG]);

/* The rule that most tests need: `output:port` for `value`/`mask`. */
struct cxlt_rule_spec gen_output(__u32 table, __u32 prio, __u64 cookie, const __u64 *prog);

#endif
