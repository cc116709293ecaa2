/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - one packet's way through a slice's tables, explained.
 *
 * The pipeline runs in this process, on the host's view or the device's, and records instead of
 * sending (cxltab/record.h): nothing is counted, nothing is stored.
 */
#ifndef CXLTAB_LOADER_TRACE_H
#define CXLTAB_LOADER_TRACE_H

#include <stdbool.h>

#include <cxltab/key.h>
#include <cxltab/slice.h>

#include "json.h"

struct trace_packet {
	__u32 in_port;
	__u32 len;
	const __u8 *bytes;
	/* What no packet carries: metadata, tun_id and registers of this key, if it isn't NULL. */
	const struct cxlt_key *extra;
};

/* The ports that exist, ascending; all of them if ports is NULL. */
struct trace_ports {
	__u32 *ports;
	__u32 n;
};

enum {
	TRACE_HOST = 1,
	TRACE_DEVICE = 2,
};

/*
 * Explains one packet on the views asked for (TRACE_*), on stdout or as objects "host" and
 * "device" of *json.  0, or -ENOMEM.
 */
int trace_explain(const struct cxlt_slice *, unsigned int views, const struct trace_packet *,
		  const struct trace_ports *, struct json *json);

#endif
