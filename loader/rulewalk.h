/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rulewalk.h - all rules of a slice, without its lock.
 *
 * A rule that a writer displaces during cxlt_rule_each() may be passed by, or met twice.  The number
 * of rules tells; the slice's version tells of a bundle that came between.  Then the walk is
 * repeated, a few times at most: beside a writer that never rests the last one counts.
 */
#ifndef CXLTAB_LOADER_RULEWALK_H
#define CXLTAB_LOADER_RULEWALK_H

#include <cxltab/writer.h>

/*
 * Calls fn for each rule of `table` (-1: all).  restart(arg) comes before each walk: what fn had
 * gathered is void.  Returns what cxlt_rule_each() returns.  Rules may still come twice.
 */
int rulewalk(const struct cxlt_slice *, int table, void (*restart)(void *arg), cxlt_rule_fn *fn,
	     void *arg);

#endif
