/* SPDX-License-Identifier: Apache-2.0 */
/*
 * parity.h - one packet through each path, and what became of it in one common form.
 *
 * The paths: inline (cxltab/record.h on the host's view), the NIC's fast path in memory, and the
 * dry runs of the XDP and TC programs.  Each fills a struct parity_result, and two of those are
 * compared here; nobody compares while running, so a path can't be excused by what another did.
 */
#ifndef CXLTAB_TESTS_PARITY_H
#define CXLTAB_TESTS_PARITY_H

#include <stdbool.h>
#include <stdio.h>

#include <cxltab/profile.h>
#include <cxltab/slice.h>
#include <cxltab/work.h>
#include "packets.h"

enum {
	PARITY_OUTPUTS = 1024,
	PARITY_BYTES = 160 << 10, /* more contents than a packet's ops can make of 1500 bytes */
	PARITY_BATCH = 32,
};

struct parity_packet {
	__u32 in_port;
	struct packet p;
};

enum parity_kind {
	PARITY_PORT,
	PARITY_FLOOD,
	PARITY_CONTROLLER,
	PARITY_LOCAL,
	PARITY_PUNTED, /* what the device hands to the host */
};

struct parity_output {
	__u32 kind; /* enum parity_kind */
	__u32 port;
	__u32 at; /* its bytes are bytes[at .. at + len) */
	__u32 len;
};

struct parity_result {
	__u8 verdict;
	__u8 reason;
	__u8 table;
	__u8 matched;
	__u64 cookie;
	bool knows_rule; /* the path tells table, matched and cookie */
	bool mat_hit;
	bool copies;  /* inline only: XDP hands such a packet to TC */
	__u32 n_hits; /* counters that are to be moved; inline only */
	__u32 hits[CXLT_HOPS_MAX];
	__u32 n_outputs; /* those beyond PARITY_OUTPUTS aren't in output[] */
	struct parity_output output[PARITY_OUTPUTS];
	__u32 n_bytes;
	__u8 bytes[PARITY_BYTES];
};

/* Adds an output with the bytes of head, then rest; false if there is no room. */
bool parity_add_output(struct parity_result *, __u32 kind, __u32 port, const __u8 *head,
		       __u32 head_len, const __u8 *rest, __u32 rest_len);

/* What differs, as a word or two; NULL if nothing does.  Counters aren't compared here. */
const char *parity_difference(const struct parity_result *, const struct parity_result *);

void parity_print_result(FILE *, const char *path, const struct parity_result *);
void parity_print_packet(FILE *, const struct parity_packet *);

/* ---- The paths ---- */

/* The ports that exist, ascending. */
struct parity_ports {
	const __u32 *port;
	__u32 n;
};

/* The pipeline in this process, with no effect. */
void parity_inline(const struct cxlt_view *, const struct parity_ports *,
		   const struct parity_packet *, struct parity_result *);

struct parity_device;

/* A NIC before the slice; NULL without memory. */
struct parity_device *parity_device_open(const struct cxlt_slice *, const struct cxlt_mat_config *,
					 const struct parity_ports *);
void parity_device_close(struct parity_device *);
/* n <= PARITY_BATCH packets as one batch, counted in the slice's device lines. */
void parity_device_run(struct parity_device *, const struct parity_packet *, __u32 n,
		       struct parity_result *);
/* MAT hits, and entries that a change of the tables made stale. */
void parity_device_mat(const struct parity_device *, __u64 *hits, __u64 *stale);

/* ---- BPF (root) ---- */

enum parity_hook {
	PARITY_XDP, /* and TC for what XDP hands over */
	PARITY_TC,
};

struct parity_bpf;

/* Loads dry twins for a slice in an arena; NULL, with an error on stderr. */
struct parity_bpf *parity_bpf_open(struct cxlt_slice *, const struct parity_ports *);
void parity_bpf_close(struct parity_bpf *);
/* A packet of 14 bytes or more; 0 or -errno. */
int parity_bpf_run(struct parity_bpf *, enum parity_hook, const struct parity_packet *,
		   struct parity_result *);
/* Was the last packet handed over by XDP to TC? */
bool parity_bpf_handed_over(const struct parity_bpf *);

/*
 * The programs themselves, as they are attached: they count in the slice and make upcalls; copies
 * go nowhere, since every port is a loopback device that is down.
 */
struct parity_live;

struct parity_live *parity_live_open(struct cxlt_slice *, const struct parity_ports *);
void parity_live_close(struct parity_live *);
/* 0 or -errno */
int parity_live_run(struct parity_live *, enum parity_hook, const struct parity_packet *);

#endif
