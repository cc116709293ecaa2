/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stats.h - what each path counts per port: traffic, and how packets ended.
 *
 * The host's paths keep one such record per port and CPU in a BPF map that belongs to whoever
 * attached the programs; nicsim keeps its own per port in a file that any process may map
 * (CXLT_RUN_DIR/NAME.nicsim, struct cxlt_nic_stats).  None of it lives in the slice: the slice's
 * owner can't forge it.
 *
 * Units: packets (segments of a super-packet count each) and bytes of the frame without FCS.
 * Concurrency: one writer per record; readers load word by word and may see a packet counted in
 * one field and not yet in the next.
 */
#ifndef CXLTAB_STATS_H
#define CXLTAB_STATS_H

#include <cxltab/base.h>
#include <cxltab/reason.h>

enum {
	CXLT_PORTS_MAX = 256, /* attached ports of one slice */
	CXLT_STATS_TABLES = 64,
};

struct cxlt_port_stats {
	__u64 rx_packets, rx_bytes;	/* came in by this port */
	__u64 tx_packets, tx_bytes;	/* left by this port */
	__u64 tx_errors;		/* could not be sent */
	__u64 upcalls;			/* handed to the upcall ring */
	__u64 handed_over;		/* XDP to TC, not counted anywhere else by XDP */
	__u64 mat_hits;			/* nicsim only */
	__u64 reasons[CXLT_REASON_MAX]; /* by enum cxlt_reason, on the port of entry */
};

/* Lookups of a table and how many found a rule. */
struct cxlt_table_stats {
	__u64 lookups;
	__u64 matches;
};

#define CXLT_NIC_STATS_MAGIC 0x746174736c7863ULL /* "cxlstat" */

/* The file that a running nicsim maps. */
struct cxlt_nic_stats {
	__u64 magic;
	__u64 slice_id; /* header.id of the slice it serves */
	__u64 pid;
	__u64 started; /* CLOCK_MONOTONIC ns */
	__u64 updated; /* CLOCK_MONOTONIC ns, of the worker's last round */
	__u64 n_ports;
	__u64 mat_entries, mat_ways;
	__u64 mat_lookups, mat_hits, mat_fills, mat_stale, mat_evictions;
	__u64 out_of_domain; /* refs refused by the address decoder */
	__u64 pad[2];
	struct cxlt_table_stats table[CXLT_STATS_TABLES];
	struct {
		__u64 port;
		struct cxlt_port_stats net; /* from the wire or the VM */
		struct cxlt_port_stats rep; /* from the representor */
	} port[CXLT_PORTS_MAX];
};

#endif
