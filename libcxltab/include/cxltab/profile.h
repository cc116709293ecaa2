/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - what a NIC can do, read from a small text file (userspace).
 *
 * `cxltab slice create --profile FILE` writes the profile into the slice, so that writers lay
 * shadows for what the hardware can't match on; `nicsim run --profile FILE` plays that hardware.
 * The file has lines `name = value`, and comments that start with '#':
 *
 *     match   = in_port eth_type ipv4_src     fields that can be matched on   (CXLT_FIELDS)
 *     set     = all -ipv6_label               fields that can be rewritten    (CXLT_FIELDS)
 *     actions = output set_field goto_table   actions that can be executed    (CXLT_OPS)
 *     mat     = 4096 8 lru                    entries, ways, policy of the MAT
 *     pin     = 0x1000/0xf000                 cookie and mask of pinned results (pinned-first)
 *     domain  = 32M                           device domain of a slice made for this NIC
 *
 * `all` stands for every name, `-name` takes one away; a list may go on in a further line of the
 * same name.  What a file doesn't mention is whole: all fields, all actions, the default MAT.
 *
 * Concurrency: pure but for reading the file.
 * Errors: 0; -EINVAL a text that is wrong, or -errno of the file; `err` says file, line, reason.
 */
#ifndef CXLTAB_PROFILE_H
#define CXLTAB_PROFILE_H

#ifndef __BPF__

#include <cxltab/base.h>
#include <cxltab/layout.h>

/* X(ID, name, meaning): what a full set of the MAT evicts. */
#define CXLT_MAT_POLICIES(X)                                                     \
	X(LRU, "lru", "the least recently used")                                 \
	X(CLOCK, "clock", "the first that wasn't used since the hand passed it") \
	X(LFU, "lfu", "the least often used, with ageing")                       \
	X(RANDOM, "random", "any")                                               \
	X(PINNED, "pinned-first", "clock, and pinned results only when all of the set are pinned")

enum cxlt_mat_policy {
#define X(id, name, meaning) CXLT_MAT_##id,
	CXLT_MAT_POLICIES(X)
#undef X
		CXLT_N_MAT_POLICIES,
};

enum {
	CXLT_MAT_WAYS_MAX = 16,
	CXLT_MAT_ENTRIES_MAX = 1 << 20,
};

/* The rest of a profile: geometry. */
struct cxlt_mat_config {
	__u32 entries; /* 0: no MAT; else ways times a power of two */
	__u32 ways;
	__u32 policy; /* enum cxlt_mat_policy */
	__u32 pad;
	__u64 pin_cookie, pin_mask; /* a result whose cookie fits is pinned; mask 0: none */
	__u64 domain;		    /* bytes of the device domain, 0: the whole slice */
};

/* 4096 entries, 8 ways, LRU. */
struct cxlt_mat_config cxlt_mat_config_default(void);
/* `text`: ENTRIES,WAYS,POLICY, separated by commas or spaces. */
int cxlt_mat_config_parse(const char *text, struct cxlt_mat_config *, char *err, size_t);
int cxlt_profile_read(const char *path, struct cxlt_profile *, struct cxlt_mat_config *, char *err,
		      size_t);
/*
 * Is all of `need` in `have`?  0, or -EINVAL and the first thing that is missing.  PUNT needs no
 * hardware, and what the device never does (controller, local) is not asked for.
 */
int cxlt_profile_covers(const struct cxlt_profile *have, const struct cxlt_profile *need, char *err,
			size_t);

extern const char *const cxlt_mat_policy_name[CXLT_N_MAT_POLICIES];

#endif

#endif
