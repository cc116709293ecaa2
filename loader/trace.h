/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - packets' way through a slice's tables, explained or listed.
 *
 * The pipeline runs in this process, on the host's view or the device's, and records instead of
 * sending (cxltab/record.h): nothing is counted, nothing is stored.
 */
#ifndef CXLTAB_LOADER_TRACE_H
#define CXLTAB_LOADER_TRACE_H

#include <stdbool.h>
#include <stddef.h>

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

/* Copies what no packet carries from `extra`, if it isn't NULL. */
void trace_take_extra(struct cxlt_key *key, const struct cxlt_key *extra);

/*
 * Explains one packet on the views asked for (TRACE_*), on stdout or as objects "host" and
 * "device" of *json.  0, or -ENOMEM.
 */
int trace_explain(const struct cxlt_slice *, unsigned int views, const struct trace_packet *,
		  const struct trace_ports *, struct json *json);

/* ---- For programs: a line in, a line out ---- */

enum {
	TRACE_PACKET_MAX = 65535,
};

/* What runs a packet. */
enum trace_path {
	TRACE_PATH_NONE,
	TRACE_PATH_INLINE, /* this process, on the host's view */
	TRACE_PATH_DEVICE, /* this process, on the device's */
	TRACE_PATH_XDP,	   /* the BPF programs' dry twins, see bpfdry.h */
	TRACE_PATH_TC,
};

/*
 * Reads lines "IN_PORT HEX" from `source` (a file's name, or "-") and prints what becomes of each
 * packet, in order, as one line of text or one JSON object.  An exit status.
 */
int trace_list(struct cxlt_slice *, enum trace_path path, const char *source,
	       const struct trace_ports *, bool as_json);

/* Bytes of `len` hexadecimal digits; their number, or -1 if that isn't what they are. */
int trace_hex(const char *text, size_t len, __u8 *bytes);

#endif
