/* SPDX-License-Identifier: Apache-2.0 */
/*
 * apply.h - flow modifications, gathered first, then stored together or not at all.
 *
 * A command reads all of its flows into a list (apply_add), which touches no slice; what can't be
 * parsed therefore changes nothing.  The list is then stored in order, by nobody but us meanwhile,
 * in one of two ways:
 *
 *   apply_run()     one after the other.  Readers see each modification as it is stored.  Should one
 *                   fail (no room, most likely), what came before it is taken back, which readers
 *                   see as well: rules that were added go, rules that were replaced, modified or
 *                   deleted return with program, cookie, counters and age.  Whoever dies in it
 *                   leaves what was stored.
 *   apply_bundle()  as a bundle (writer.h).  Readers see all of them at once.  Should one fail,
 *                   readers have seen none, and nothing has to be taken back; nor if we die.  Needs
 *                   room for old and new rules beside each other.
 *
 * Semantics are OpenFlow 1.3's (6.4, "Flow Table Modification Messages"), as `ovs-ofctl -O
 * OpenFlow13`: add replaces a rule with the same table, priority and match, and starts its
 * counters anew; modify keeps counters and age, and the cookie unless a new one is given, and
 * doesn't add a rule that is missing; without "strict", modify and delete reach each rule whose
 * match is the given one or narrower; cookie=V/M and out_port=N narrow further.
 *
 * There is no allocation and no system call per flow: both lists double when they are full.
 * Errors: 0 or -errno, explained in struct apply_result.
 */
#ifndef CXLTAB_LOADER_APPLY_H
#define CXLTAB_LOADER_APPLY_H

#include <stddef.h>

#include <cxltab/slice.h>
#include <cxltab/writer.h>

#include "openflow/flow.h"
#include "pack.h"

struct apply_list {
	struct pack_buffer ops;
	__u64 count;
};

struct apply_result {
	__u64 added, replaced, modified, deleted;
	unsigned int line; /* of the flow that failed, as apply_add() got it */
	bool undone;	   /* after a failure: the slice is as it was */
	char reason[256];
};

/* All zero is an empty list. */
int apply_add(struct apply_list *, const struct of_flow *, unsigned int line);
void apply_free(struct apply_list *);

int apply_run(const struct apply_list *, struct cxlt_slice *, struct cxlt_writer *,
	      struct apply_result *);
int apply_bundle(const struct apply_list *, struct cxlt_slice *, struct cxlt_writer *,
		 struct apply_result *);

/* Does a rule pass the filters of a dump, or of a modify or delete that isn't strict? */
bool apply_selects(const struct of_flow *filter, const struct cxlt_rule_info *);

#endif
