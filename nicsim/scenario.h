/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scenario.h - the rules of a benchmark: wildcards in several masks, and exact flows.
 *
 * The default is issue-sized: 100 rules over 8 masks (prefixes, ports, MACs) and 100,000 rules that
 * match one connection's direction exactly.  `flows_first` puts the flows above the rules, as a
 * controller does that answers packet-ins; without it every rule has a higher priority than every
 * flow, and as none of them matches, each lookup probes all the masks first.
 */
#ifndef CXLTAB_NICSIM_SCENARIO_H
#define CXLTAB_NICSIM_SCENARIO_H

#include <cxltab/slice.h>

enum {
	CXLT_SCENARIO_MASKS = 8,
};

struct cxlt_scenario {
	__u32 rules;
	__u32 masks; /* 1 to CXLT_SCENARIO_MASKS */
	__u32 flows;
	int flows_first;
	__u64 seed; /* of the flows, as in traffic.h */
};

/* Bytes of a slice with room for it. */
__u64 cxlt_scenario_size(const struct cxlt_scenario *);
/* 0 or -errno, as cxltab/writer.h. */
int cxlt_scenario_install(const struct cxlt_scenario *, struct cxlt_slice *);

#endif
