/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpfdry.h - packets through the real BPF programs, without sending.
 *
 * The dry twin is the same source with a read-only flag (bpf/common.bpf.h): it records outputs
 * and result in a map instead of emitting and counting.  It is loaded anew for each handle, has
 * maps of its own and leaves no trace.  The XDP path includes the hand-over: what XDP gives to TC
 * runs through TC's twin.  Frames have 14 to DRY_LEN_MAX bytes.
 *
 * Concurrency: a handle belongs to one thread; results live until its next run.
 * Errors: 0 or -errno.  dry_open() and dry_live() print theirs; dry_run() is silent: -EINVAL a
 * frame that is too short, -E2BIG one that is too long.
 */
#ifndef CXLTAB_LOADER_BPFDRY_H
#define CXLTAB_LOADER_BPFDRY_H

#include <stdbool.h>
#include <stddef.h>

#include <cxltab/slice.h>

#include "../bpf/slowpath.h"

enum {
	DRY_LEN_MIN = 14,
	DRY_LEN_MAX = 3000,
};

enum dry_path {
	DRY_XDP,
	DRY_TC,
};

struct dry_output {
	__u32 kind; /* CXLT_DRY_PORT, _FLOOD, _CONTROLLER, _LOCAL */
	__u32 port; /* CXLT_DRY_PORT */
	__u32 len;  /* CONTROLLER: at most as many as the action says */
	const __u8 *bytes;
};

struct dry_result {
	__u8 verdict, reason, table, matched;
	bool handed_over; /* by XDP to TC */
	__u64 cookie;
	__u32 n_outputs;
	struct dry_output output[CXLT_DRY_OUTPUTS];
};

struct dry;

/* ports == NULL or n_ports == 0: every port exists, and FLOOD is one output. */
int dry_open(struct cxlt_slice *, enum dry_path path, const __u32 *ports, __u32 n_ports,
	     struct dry **out);
int dry_run(struct dry *, __u32 in_port, const void *pkt, size_t len, struct dry_result *);
void dry_close(struct dry *);

/*
 * The loaded programs themselves, as if the packet came in by the port: counters move and upcalls
 * are made, but no copy leaves.  Reason and hand-over are read off the port's counters; reason
 * is CXLT_R_NONE if other packets moved them too.
 */
struct dry_live {
	const char *program; /* "xdp" or "tc" */
	const char *action;  /* "drop", "redirect", "pass" (handed over, or to the host) */
	bool handed_over;
	__u8 reason;
};

int dry_live(const char *slice, __u32 in_port, const void *pkt, size_t len, struct dry_live *);

#endif
