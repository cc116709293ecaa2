/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bpfobj.h - the slow path's programs: open them for a slice, load, pin, take over.
 *
 * For an arena slice NAME, CXLT_PIN_DIR/NAME holds, beside the slice: the programs (xdp_prog,
 * tc_prog), their shared maps by name (bpf/slowpath.h, bpf/common.bpf.h), and the links of each
 * port N (xdp_N, tc_N).  Pins outlive the loader, so a port works on after it has ended.
 *
 * A reload makes new programs over the same maps and slice, then replaces the program in each
 * link: packets meet the old one or the new one, never none.
 *
 * Functions print their error, once, and return 0 or an exit status, unless said otherwise.
 */
#ifndef CXLTAB_LOADER_BPFOBJ_H
#define CXLTAB_LOADER_BPFOBJ_H

#include <stdbool.h>
#include <stddef.h>

#include <bpf/libbpf.h>
#include <cxltab/slice.h>

#include "../bpf/slowpath.h"

struct xdp_slowpath_bpf;
struct tc_slowpath_bpf;

struct bpfobj {
	struct xdp_slowpath_bpf *xdp;
	struct tc_slowpath_bpf *tc;
};

struct bpfobj_config {
	const char *pins; /* name of the slice whose pinned maps are taken over, or NULL */
	bool dry;
	bool dry_every; /* every port exists */
};

/* Loads both programs for an attached slice. */
int bpfobj_open(const struct cxlt_slice *, const struct bpfobj_config *, struct bpfobj *out);
void bpfobj_close(struct bpfobj *);

/* Loads, or reloads, the programs of a slice and pins them.  *again: they were loaded before. */
int bpfobj_load(const char *name, bool *again);
/* Removes the pins of programs and maps; ports must be detached. */
int bpfobj_unpin(const char *name);
bool bpfobj_is_loaded(const char *name);

/* The path of a pin of a slice; `buf` has PIN_PATH bytes. */
enum {
	PIN_PATH = 512,
};
const char *pin_path(char *buf, const char *name, const char *what);
/* The descriptor of a pin, or -errno; silent. */
int pin_get(const char *name, const char *what);
/* The numbers of the ports that have a link, ascending; their count. */
__u32 pin_ports(const char *name, __u32 *ports, __u32 max);

/* One loader at a time changes the programs and ports of a slice; the lock ends with the fd. */
int slice_lock(const char *name, int *fd);
void slice_unlock(const char *name, int fd);
/* The path of a file of a slice under CXLT_RUN_DIR; `buf` has PIN_PATH bytes. */
const char *run_path(char *buf, const char *name, const char *what);

#endif
