/* SPDX-License-Identifier: Apache-2.0 */
/*
 * soak.h - inserts and deletes without end, in exact tables and in tables of rules at once, that leave a
 * slice with the free lines it began with.
 *
 * Families of keys: exact tables that grow and that don't, rules of several sizes, masks, dimensions and
 * chains.  In each of a number of phases a family has another number of keys, from a few to all, and an
 * operation is of a random key: it is inserted if it is absent, else deleted.  So arrays grow, empty,
 * vanish and grow again; rules spill and are moved.  After the last phase all is deleted and swept.
 */
#ifndef CXLTAB_TESTS_SOAK_H
#define CXLTAB_TESTS_SOAK_H

#include <stdio.h>
#include <linux/types.h>
#include "rand.h"

struct soak_result {
	__u64 ops, exact_inserts, exact_deletes, rule_inserts, rule_deletes, refused;
	__u64 promoted, demoted;
	__u64 peak;  /* lines in use */
	__u64 lines; /* of all chunks */
	__u64 begin_free, end_free;
	__u64 begin_device, end_device; /* of these in the device domain */
	double seconds;
	int problems; /* that the check found, on the way and at the end */
};

/* `ops` inserts and deletes; progress goes to `log` if it isn't NULL.  0, or -errno and a line on stderr. */
int soak_run(struct rnd, __u64 ops, FILE *log, struct soak_result *out);

/* Did it end as it began? */
int soak_is_even(const struct soak_result *);
void soak_print(FILE *, const struct soak_result *);

#endif
