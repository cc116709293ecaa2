/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain.h - is what phase 1 decided one of the things that the rules allow?
 *
 * Walks the oracle's tables in the simplest way.  Where several matching rules share the highest
 * priority, OpenFlow leaves the choice open: every choice is tried.
 */
#ifndef CXLTAB_TESTS_EXPLAIN_H
#define CXLTAB_TESTS_EXPLAIN_H

#include <cxltab/work.h>
#include "oracle.h"

/*
 * 1 if `w` is how a packet with this key may end.  profile: NULL for the host's view, else the
 * hardware: it must punt where a rule that it can't match on might win, and before an action
 * that it lacks; and nowhere else.
 */
int explain(const struct oracle *, const struct cxlt_profile *profile, const struct cxlt_key *,
	    const struct cxlt_work *w);
/* One line about both, for a failed test. */
void explain_print(const struct cxlt_work *w);

#endif
