/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oracle.h - what a slice should answer, in the simplest way that can't be wrong: a list of rules
 * that is read from end to end.
 *
 * Shares no code with the library but the types of its interface.
 */
#ifndef CXLTAB_TESTS_ORACLE_H
#define CXLTAB_TESTS_ORACLE_H

#include <cxltab/slice.h>
#include <cxltab/writer.h>

enum {
	ORACLE_PROG = 16,
};

struct oracle_rule {
	struct cxlt_rule_spec spec; /* spec.prog is NULL: the program is here */
	__u64 prog[ORACLE_PROG];
	__u64 packets, bytes; /* counted by the test on the host's line */
	__u64 identity;
	int seen;
};

struct oracle {
	struct oracle_rule *rule;
	__u32 n, room;
};

void oracle_free(struct oracle *);
void oracle_copy(struct oracle *to, const struct oracle *from);

/* As the writer's calls: 1 replaced, 0, -ENOENT. */
int oracle_add(struct oracle *, const struct cxlt_rule_spec *);
int oracle_modify(struct oracle *, const struct cxlt_rule_spec *);
int oracle_delete(struct oracle *, const struct cxlt_rule_spec *);
struct oracle_rule *oracle_get(const struct oracle *, const struct cxlt_rule_spec *);

int oracle_matches(const struct cxlt_rule_spec *, const struct cxlt_key *);
/* 1 + the highest priority of the table's rules that match, 0 if none does. */
__u32 oracle_best(const struct oracle *, __u32 table, const struct cxlt_key *);
/* A matching rule of the highest priority, whose cookie is `cookie` if there is such a one. */
struct oracle_rule *oracle_winner(const struct oracle *, __u32 table, const struct cxlt_key *,
				  __u64 cookie);

/* Number of differences between the slice's rules and the oracle's; prints the first few. */
int oracle_differs(struct oracle *, const struct cxlt_slice *, int quiet);

/* cxlt_slice_check() with its report on stderr. */
int oracle_check(const struct cxlt_slice *);

#endif
